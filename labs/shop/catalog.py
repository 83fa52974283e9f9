"""The products a new shop begins with; the first migration's and these are the same (a test compares them)."""

from __future__ import annotations

from typing import Any

PRODUCTS: tuple[dict[str, Any], ...] = (
    {"sku": "1001", "name": "Espresso cup", "cents": 1290, "stock": 1_000_000},
    {"sku": "1002", "name": "Filter kettle", "cents": 5490, "stock": 500},
    {"sku": "1003", "name": "Hand grinder", "cents": 7900, "stock": 250},
    {"sku": "1004", "name": "Scale", "cents": 3450, "stock": 120},
    {"sku": "1005", "name": "Beans, 1 kg", "cents": 2390, "stock": 4000},
)
