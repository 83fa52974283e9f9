INSERT INTO products (sku, name, cents, stock) VALUES
    ('1001', 'Espresso cup', 1290, 1000000),
    ('1002', 'Filter kettle', 5490, 500),
    ('1003', 'Hand grinder', 7900, 250),
    ('1004', 'Scale', 3450, 120),
    ('1005', 'Beans, 1 kg', 2390, 4000);
