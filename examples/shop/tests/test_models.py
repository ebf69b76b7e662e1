from datetime import UTC, datetime

import pytest

from shop.errors import ValidationError
from shop.models import LineItem, Order, OrderStatus, Product
from shop.money import Money

PRICE = Money.parse("12.50")


class TestProduct:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            pytest.param({"sku": "Blue Mug"}, "malformed sku: 'Blue Mug'", id="sku"),
            pytest.param({"name": "  "}, "needs a name", id="name"),
            pytest.param({"price": Money.zero()}, "must be positive", id="price"),
        ],
    )
    def test_is_validated(self, changes, message):
        fields = {"sku": "mug", "name": "Enamel mug", "price": PRICE, "stock": 3}
        with pytest.raises(ValidationError, match=message):
            Product(**fields | changes)


class TestLineItem:
    @pytest.mark.parametrize("quantity", [0, 100])
    def test_quantity_is_limited(self, quantity):
        mug = Product("mug", "Enamel mug", PRICE)
        with pytest.raises(ValidationError, match="between 1 and 99"):
            LineItem(mug, quantity)


class TestOrder:
    @pytest.fixture
    def order(self):
        return Order("ada@example.org", {"mug": 1}, PRICE, datetime(2024, 3, 1, tzinfo=UTC))

    def test_goes_through_its_life(self, order):
        shipped = order.with_status(OrderStatus.PAID).with_status(OrderStatus.SHIPPED)

        assert shipped.status is OrderStatus.SHIPPED
        assert order.status is OrderStatus.PENDING, "orders are immutable"

    @pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.SHIPPED])
    def test_cannot_skip_a_step(self, order, status):
        with pytest.raises(ValidationError, match=f"pending order cannot become {status}"):
            order.with_status(status)

    def test_needs_a_plausible_address(self):
        with pytest.raises(ValidationError, match="malformed email"):
            Order("ada@home", {"mug": 1}, PRICE, datetime(2024, 3, 1, tzinfo=UTC))
