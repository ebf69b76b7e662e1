"""Discounts, coupons, shipping: from a list of lines to a price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from shop import clock
from shop.errors import CouponError, ValidationError
from shop.models import LineItem
from shop.money import Money

SHIPPING = Money.parse("4.90")
FREE_SHIPPING_FROM = Money.parse("50.00")


class Discount(Protocol):
    def saving(self, lines: Sequence[LineItem]) -> Money:
        """How much the discount takes off these lines."""


@dataclass(frozen=True)
class PercentOff:
    """A percentage off everything.

    Known bug (#12): the saving is rounded line by line, so that for carts of
    many cheap lines it can differ by some cents from the advertised percentage.
    """

    percent: int

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise ValidationError(f"percentage out of range: {self.percent}")

    def saving(self, lines: Sequence[LineItem]) -> Money:
        rate = Decimal(self.percent) / 100
        return Money.sum(line.total * rate for line in lines)


@dataclass(frozen=True)
class AmountOff:
    """A fixed amount off, from a minimum order value."""

    amount: Money
    minimum: Money = Money.zero()

    def saving(self, lines: Sequence[LineItem]) -> Money:
        subtotal = Money.sum(line.total for line in lines)
        if subtotal < self.minimum:
            return Money.zero()
        return min(self.amount, subtotal)


@dataclass(frozen=True)
class EveryNthFree:
    """Of one product, every n-th piece is free."""

    sku: str
    n: int

    def saving(self, lines: Sequence[LineItem]) -> Money:
        return Money.sum(
            line.product.price * (line.quantity // self.n)
            for line in lines
            if line.product.sku == self.sku
        )


@dataclass(frozen=True)
class Coupon:
    code: str
    discount: Discount
    valid_from: date = date.min
    valid_until: date = date.max

    def check(self, today: date) -> None:
        if today < self.valid_from:
            raise CouponError(f"coupon {self.code} is not valid before {self.valid_from}")
        if today > self.valid_until:
            raise CouponError(f"coupon {self.code} expired on {self.valid_until}")


COUPONS = {
    coupon.code: coupon
    for coupon in [
        Coupon("WELCOME10", PercentOff(10)),
        Coupon("FIVER", AmountOff(Money.parse("5.00"), minimum=Money.parse("20.00"))),
        Coupon("MUGS3", EveryNthFree("mug", 3)),
        Coupon("SPRING24", PercentOff(25), date(2024, 3, 20), date(2024, 6, 20)),
    ]
}


def find_coupon(code: str) -> Coupon:
    """The coupon of that name, if it can be used today."""
    try:
        coupon = COUPONS[code.upper()]
    except KeyError:
        raise CouponError(f"unknown coupon: {code}") from None
    coupon.check(clock.now().date())
    return coupon


def shipping_for(goods: Money) -> Money:
    return Money.zero() if goods >= FREE_SHIPPING_FROM else SHIPPING


@dataclass(frozen=True)
class Quote:
    subtotal: Money
    saving: Money
    shipping: Money

    @property
    def total(self) -> Money:
        return self.subtotal - self.saving + self.shipping


def quote(lines: Sequence[LineItem], coupon_code: str | None = None) -> Quote:
    if not lines:
        raise ValidationError("the cart is empty")
    subtotal = Money.sum(line.total for line in lines)
    saving = find_coupon(coupon_code).discount.saving(lines) if coupon_code else Money.zero()
    return Quote(subtotal, saving, shipping_for(subtotal - saving))
