-- Products, carts, orders.  The application is a member of shop_app and owns nothing.
CREATE TABLE products (
    sku text PRIMARY KEY,
    name text NOT NULL,
    cents integer NOT NULL CHECK (cents > 0),
    stock integer NOT NULL CHECK (stock >= 0)
);
CREATE TABLE carts (
    id uuid PRIMARY KEY,
    made timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE cart_items (
    cart uuid REFERENCES carts ON DELETE CASCADE,
    sku text REFERENCES products,
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 100),
    PRIMARY KEY (cart, sku)
);
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    cart uuid UNIQUE,
    cents integer NOT NULL,
    placed timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE order_items (
    order_id uuid REFERENCES orders ON DELETE CASCADE,
    sku text REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    cents integer NOT NULL,
    PRIMARY KEY (order_id, sku)
);
CREATE TABLE idempotency_keys (
    key text PRIMARY KEY,
    fingerprint text NOT NULL,
    order_id uuid NOT NULL,
    made timestamptz NOT NULL DEFAULT now()
);
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'shop_app') THEN
        CREATE ROLE shop_app NOLOGIN;
    END IF;
END
$$;
GRANT SELECT, UPDATE (stock) ON products TO shop_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON carts, cart_items TO shop_app;
GRANT SELECT, INSERT ON orders, order_items, idempotency_keys TO shop_app;
