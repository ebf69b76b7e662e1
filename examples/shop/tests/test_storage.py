import pytest

from shop.errors import NotFound, OutOfStock
from shop.models import Order, OrderStatus, Product
from shop.money import Money
from shop.storage import Database


@pytest.fixture
def order(clock):
    return Order("ada@example.org", {"mug": 2}, Money.parse("29.90"), clock.now())


@pytest.fixture(params=["memory", "file"])
def empty_database(request, tmp_path):
    path = ":memory:" if request.param == "memory" else tmp_path / "empty.sqlite"
    with Database(path) as database:
        database.create_schema()
        yield database


def test_products_survive_a_round_trip(empty_database):
    tea = Product("tea", "Green tea", Money.parse("900 JPY"), stock=7)
    assert empty_database.products() == []

    empty_database.add_product(tea)

    assert empty_database.products() == [tea]


def test_orders_survive_a_round_trip(database, order):
    saved = database.add_order(order)
    paid = database.set_status(saved, OrderStatus.PAID)

    assert database.orders() == [paid]
    assert paid.placed_at == order.placed_at


@pytest.mark.parametrize("table", ["product", "order"])
def test_missing_rows_are_not_found(database, table):
    with pytest.raises(NotFound, match=f"no such {table}: 404"):
        getattr(database, table)("404")


class TestStock:
    def test_is_taken_and_returned(self, database):
        database.take_from_stock({"mug": 3})
        assert database.product("mug").stock == 17

        database.return_to_stock({"mug": 3})
        assert database.product("mug").stock == 20

    def test_is_taken_completely_or_not_at_all(self, database):
        with pytest.raises(OutOfStock, match="only 5 of notebook left"):
            database.take_from_stock({"mug": 3, "notebook": 6})

        assert database.product("mug").stock == 20


class TestTransactions:
    def test_inner_failure_spares_the_outer_work(self, database, order):
        with database.transaction():
            database.add_order(order)
            with pytest.raises(OutOfStock), database.transaction():
                database.take_from_stock({"mug": 1})
                database.take_from_stock({"notebook": 6})

        assert len(database.orders()) == 1
        assert database.product("mug").stock == 20

    def test_others_see_only_what_is_committed(self, tmp_path, order):
        path = tmp_path / "shop.sqlite"
        with Database(path) as ours, Database(path) as theirs:
            ours.create_schema()
            with ours.transaction():
                ours.add_order(order)
                assert theirs.orders() == []
            assert theirs.orders() == ours.orders() != []
