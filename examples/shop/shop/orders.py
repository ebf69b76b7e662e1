"""Placing orders: stock, payment and bookkeeping in the right sequence."""

from __future__ import annotations

import logging

from shop import clock
from shop.cart import Cart
from shop.errors import ShopError
from shop.models import Order, OrderStatus
from shop.payments import Payments
from shop.pricing import quote
from shop.storage import Database

logger = logging.getLogger(__name__)


class OrderService:
    def __init__(self, database: Database, payments: Payments) -> None:
        self.database = database
        self.payments = payments

    async def checkout(
        self, cart: Cart, email: str, card: str, coupon_code: str | None = None
    ) -> Order:
        """Reserve the goods, charge the card and return the paid order.

        If the payment fails, the order is kept as cancelled, and the goods go
        back to stock.
        """
        order = self._reserve(cart, email, coupon_code)
        try:
            receipt = await self.payments.charge(f"order-{order.id}", order.total, card)
        except ShopError as error:
            self.cancel(order)
            logger.warning("order %d cancelled: %s", order.id, error)
            raise
        order = self.database.set_status(order, OrderStatus.PAID)
        logger.info("order %d paid: %s (%s)", order.id, order.total, receipt.reference)
        return order

    def cancel(self, order: Order) -> Order:
        with self.database.transaction():
            order = self.database.set_status(order, OrderStatus.CANCELLED)
            self.database.return_to_stock(order.quantities)
        return order

    def _reserve(self, cart: Cart, email: str, coupon_code: str | None) -> Order:
        order = Order(
            email=email,
            quantities=cart.quantities,
            total=quote(cart.lines, coupon_code).total,
            placed_at=clock.now(),
        )
        with self.database.transaction():
            self.database.take_from_stock(order.quantities)
            return self.database.add_order(order)
