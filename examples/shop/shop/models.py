"""What the shop sells, and what becomes of an order."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shop.errors import ValidationError
from shop.money import Money

MAX_QUANTITY = 99

_SKU = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


@dataclass(frozen=True)
class Product:
    sku: str
    name: str
    price: Money
    stock: int = 0

    def __post_init__(self) -> None:
        if not _SKU.fullmatch(self.sku):
            raise ValidationError(f"malformed sku: {self.sku!r}")
        if not self.name.strip():
            raise ValidationError("a product needs a name")
        if self.price <= Money.zero(self.price.currency):
            raise ValidationError(f"price must be positive, not {self.price}")
        if self.stock < 0:
            raise ValidationError(f"stock cannot be negative: {self.stock}")


@dataclass(frozen=True)
class LineItem:
    product: Product
    quantity: int

    def __post_init__(self) -> None:
        if not 1 <= self.quantity <= MAX_QUANTITY:
            raise ValidationError(
                f"quantity must be between 1 and {MAX_QUANTITY}, not {self.quantity}"
            )

    @property
    def total(self) -> Money:
        return self.product.price * self.quantity


class OrderStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    CANCELLED = "cancelled"

    def may_become(self, other: OrderStatus) -> bool:
        return other in _NEXT[self]


_NEXT = {
    OrderStatus.PENDING: {OrderStatus.PAID, OrderStatus.CANCELLED},
    OrderStatus.PAID: {OrderStatus.SHIPPED, OrderStatus.CANCELLED},
    OrderStatus.SHIPPED: set(),
    OrderStatus.CANCELLED: set(),
}


@dataclass(frozen=True)
class Order:
    """An order; `id` is given by the database when it is first saved."""

    email: str
    quantities: dict[str, int]
    total: Money
    placed_at: datetime
    status: OrderStatus = OrderStatus.PENDING
    id: int | None = None

    def __post_init__(self) -> None:
        if not _EMAIL.fullmatch(self.email):
            raise ValidationError(f"malformed email address: {self.email!r}")
        if not self.quantities:
            raise ValidationError("an order needs at least one item")
        if self.placed_at.tzinfo is None:
            raise ValidationError("placed_at needs a time zone")

    def with_status(self, status: OrderStatus) -> Order:
        if not self.status.may_become(status):
            raise ValidationError(f"a {self.status} order cannot become {status}")
        return replace(self, status=status)
