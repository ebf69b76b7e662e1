"""Products and orders in an SQLite database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

from shop.errors import NotFound, OutOfStock
from shop.models import Order, OrderStatus, Product
from shop.money import Money

SCHEMA = """
CREATE TABLE IF NOT EXISTS product (
    sku      TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    price    INTEGER NOT NULL,
    currency TEXT NOT NULL,
    stock    INTEGER NOT NULL CHECK (stock >= 0)
);
CREATE TABLE IF NOT EXISTS purchase (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email      TEXT NOT NULL,
    quantities TEXT NOT NULL,
    total      INTEGER NOT NULL,
    currency   TEXT NOT NULL,
    placed_at  TEXT NOT NULL,
    status     TEXT NOT NULL
);
"""


class Database:
    """A repository of products and orders.

    Single calls take effect at once; to make several take effect together,
    or not at all, put them in a `transaction()`. Transactions can be nested.
    """

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self._depth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def create_schema(self) -> None:
        self.connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        savepoint = f"level_{self._depth}"
        self.connection.execute(f"SAVEPOINT {savepoint}")
        self._depth += 1
        try:
            yield
        except BaseException:
            self.connection.execute(f"ROLLBACK TO {savepoint}")
            raise
        finally:
            self._depth -= 1
            self.connection.execute(f"RELEASE {savepoint}")

    # Products

    def add_product(self, product: Product) -> None:
        """Add a product, or replace the one with the same sku."""
        self.connection.execute(
            "INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?)",
            (
                product.sku,
                product.name,
                product.price.minor,
                product.price.currency,
                product.stock,
            ),
        )

    def product(self, sku: str) -> Product:
        row = self.connection.execute("SELECT * FROM product WHERE sku = ?", (sku,)).fetchone()
        if row is None:
            raise NotFound(f"no such product: {sku}")
        return _product(row)

    def products(self) -> list[Product]:
        rows = self.connection.execute("SELECT * FROM product ORDER BY sku")
        return [_product(row) for row in rows]

    def take_from_stock(self, quantities: Mapping[str, int]) -> None:
        """Take all of it or, when one product is short, none of it."""
        with self.transaction():
            for sku, quantity in quantities.items():
                product = self.product(sku)
                if product.stock < quantity:
                    raise OutOfStock(f"only {product.stock} of {sku} left")
                self._change_stock(sku, -quantity)

    def return_to_stock(self, quantities: Mapping[str, int]) -> None:
        with self.transaction():
            for sku, quantity in quantities.items():
                self._change_stock(sku, quantity)

    def _change_stock(self, sku: str, change: int) -> None:
        self.connection.execute("UPDATE product SET stock = stock + ? WHERE sku = ?", (change, sku))

    # Orders

    def add_order(self, order: Order) -> Order:
        """Save a new order and return it with its id."""
        cursor = self.connection.execute(
            "INSERT INTO purchase (email, quantities, total, currency, placed_at, status)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                order.email,
                json.dumps(order.quantities),
                order.total.minor,
                order.total.currency,
                order.placed_at.isoformat(),
                order.status,
            ),
        )
        return replace(order, id=cursor.lastrowid)

    def order(self, order_id: int) -> Order:
        row = self.connection.execute("SELECT * FROM purchase WHERE id = ?", (order_id,)).fetchone()
        if row is None:
            raise NotFound(f"no such order: {order_id}")
        return _order(row)

    def orders(self) -> list[Order]:
        rows = self.connection.execute("SELECT * FROM purchase ORDER BY id")
        return [_order(row) for row in rows]

    def set_status(self, order: Order, status: OrderStatus) -> Order:
        changed = order.with_status(status)
        self.connection.execute("UPDATE purchase SET status = ? WHERE id = ?", (status, order.id))
        return changed


def _product(row: sqlite3.Row) -> Product:
    price = Money.from_minor(row["price"], row["currency"])
    return Product(row["sku"], row["name"], price, row["stock"])


def _order(row: sqlite3.Row) -> Order:
    return Order(
        id=row["id"],
        email=row["email"],
        quantities=json.loads(row["quantities"]),
        total=Money.from_minor(row["total"], row["currency"]),
        placed_at=datetime.fromisoformat(row["placed_at"]),
        status=OrderStatus(row["status"]),
    )
