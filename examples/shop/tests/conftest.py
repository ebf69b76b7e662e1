"""Fixtures for the whole suite, from the longest-lived to the shortest."""

from datetime import UTC, datetime, timedelta

import pytest

from shop.cart import Cart
from shop.models import Product
from shop.money import Money
from shop.storage import Database

CATALOGUE = [
    Product("mug", "Enamel mug", Money.parse("12.50"), stock=20),
    Product("notebook", "Dotted notebook", Money.parse("7.95"), stock=5),
    Product("sticker", "Round sticker", Money.parse("0.85"), stock=200),
]


@pytest.fixture(scope="session")
def database_path(tmp_path_factory):
    """A database file with a few products, made once per test run."""
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with Database(path) as database:
        database.create_schema()
        with database.transaction():
            for product in CATALOGUE:
                database.add_product(product)
    return path


@pytest.fixture(scope="module")
def shared_database(database_path):
    """One connection per test module. Tests want `database` instead."""
    with Database(database_path) as database:
        yield database


@pytest.fixture
def database(shared_database):
    """The database, with everything the test did to it undone afterwards."""
    shared_database.connection.execute("BEGIN")
    yield shared_database
    shared_database.connection.execute("ROLLBACK")


class FakeClock:
    def __init__(self, start):
        self.time = start

    def now(self):
        return self.time

    def advance(self, **duration):
        self.time += timedelta(**duration)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """In every test it is noon on the first of March, until the test says otherwise."""
    fake = FakeClock(datetime(2024, 3, 1, 12, 0, tzinfo=UTC))
    monkeypatch.setattr("shop.clock.now", fake.now)
    return fake


@pytest.fixture
def make_cart():
    """Build a cart of catalogue products: ``make_cart(mug=2, sticker=10)``."""
    products = {product.sku: product for product in CATALOGUE}

    def make(**quantities):
        cart = Cart()
        for sku, quantity in quantities.items():
            cart.add(products[sku], quantity)
        return cart

    return make
