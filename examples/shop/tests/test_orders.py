"""Checkout from end to end, with a payment provider that does as it is told."""

import asyncio
import logging

import pytest

from shop.errors import GatewayUnavailable, OutOfStock, PaymentDeclined
from shop.models import OrderStatus
from shop.money import Money
from shop.orders import OrderService
from shop.payments import Receipt


class StubPayments:
    def __init__(self):
        self.error = None
        self.charged = []

    async def charge(self, key, amount, card):
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.charged.append((key, amount, card))
        return Receipt(key, amount, reference="stub")


@pytest.fixture
def payments():
    return StubPayments()


@pytest.fixture
def checkout(database, payments):
    service = OrderService(database, payments)

    def run(cart, coupon_code=None):
        return asyncio.run(service.checkout(cart, "ada@example.org", "tok_visa", coupon_code))

    return run


class TestSuccess:
    def test_order_is_paid_and_saved(self, checkout, database, make_cart):
        order = checkout(make_cart(mug=2, sticker=10))

        assert order.status is OrderStatus.PAID
        assert order.total == Money.parse("38.40")
        assert database.order(order.id) == order
        assert database.product("mug").stock == 18

    def test_discounted_total_is_charged(self, checkout, payments, make_cart):
        order = checkout(make_cart(mug=3), "MUGS3")

        assert payments.charged == [(f"order-{order.id}", Money.parse("29.90"), "tok_visa")]

    def test_orders_are_dated(self, checkout, clock, make_cart):
        first = checkout(make_cart(mug=1))
        clock.advance(minutes=5)
        second = checkout(make_cart(mug=1))

        assert first.placed_at.isoformat() == "2024-03-01T12:00:00+00:00"
        assert (second.placed_at - first.placed_at).total_seconds() == 300

    def test_is_logged(self, checkout, caplog, make_cart):
        caplog.set_level(logging.INFO, logger="shop.orders")

        order = checkout(make_cart(mug=1))

        message = f"order {order.id} paid: 17.40 EUR (stub)"
        assert ("shop.orders", logging.INFO, message) in caplog.record_tuples


class TestFailure:
    @pytest.mark.parametrize("error", [PaymentDeclined, GatewayUnavailable])
    def test_payment_fails(self, checkout, payments, database, caplog, make_cart, error):
        payments.error = error("no luck")

        with pytest.raises(error, match="no luck"):
            checkout(make_cart(notebook=5))

        [order] = database.orders()
        assert order.status is OrderStatus.CANCELLED
        assert database.product("notebook").stock == 5
        assert f"order {order.id} cancelled: no luck" in caplog.text

    def test_out_of_stock(self, checkout, payments, database, make_cart):
        with pytest.raises(OutOfStock):
            checkout(make_cart(mug=1, notebook=6))

        assert database.orders() == []
        assert payments.charged == []
