"""Exact amounts of money."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import total_ordering

from shop.errors import CurrencyMismatch, ValidationError

#: Digits after the decimal point, by currency.
CURRENCIES = {"EUR": 2, "USD": 2, "JPY": 0}

_PATTERN = re.compile(r"(?P<amount>-?\d+(\.(?P<digits>\d+))?)(\s+(?P<currency>[A-Z]{3}))?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount, always rounded to the smallest unit of its currency.

    >>> Money.parse("19.99") * 3
    Money(amount=Decimal('59.97'), currency='EUR')
    >>> print(Money.parse("1200 JPY"))
    1200 JPY
    """

    amount: Decimal
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise ValidationError(f"unknown currency: {self.currency}")
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"amount must be a Decimal, not {type(self.amount).__name__}")
        unit = Decimal(1).scaleb(-CURRENCIES[self.currency])
        object.__setattr__(self, "amount", self.amount.quantize(unit, ROUND_HALF_UP))

    @classmethod
    def parse(cls, text: str) -> Money:
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise ValidationError(f"not an amount of money: {text!r}")
        money = cls(Decimal(match["amount"]), match["currency"] or "EUR")
        if len(match["digits"] or "") > CURRENCIES[money.currency]:
            raise ValidationError(f"too many decimals for {money.currency}: {text!r}")
        return money

    @classmethod
    def zero(cls, currency: str = "EUR") -> Money:
        return cls(Decimal(0), currency)

    @classmethod
    def from_minor(cls, units: int, currency: str) -> Money:
        """The amount given in cents (or whatever the smallest unit is)."""
        return cls(Decimal(units).scaleb(-CURRENCIES[currency]), currency)

    @classmethod
    def sum(cls, amounts: Iterable[Money], currency: str = "EUR") -> Money:
        return sum(amounts, start=cls.zero(currency))

    @property
    def minor(self) -> int:
        return int(self.amount.scaleb(CURRENCIES[self.currency]))

    def split(self, parts: int) -> list[Money]:
        """Share out the amount without gaining or losing a cent.

        >>> [str(share) for share in Money.parse("10.00").split(3)]
        ['3.34 EUR', '3.33 EUR', '3.33 EUR']
        """
        if parts < 1:
            raise ValidationError("cannot split an amount into fewer than one part")
        share, left_over = divmod(self.minor, parts)
        return [
            Money.from_minor(share + (1 if index < left_over else 0), self.currency)
            for index in range(parts)
        ]

    def _amount_of(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"cannot combine {self.currency} with {other.currency}")
        return other.amount

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount + self._amount_of(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount - self._amount_of(other), self.currency)

    def __mul__(self, factor: int | Decimal) -> Money:
        if not isinstance(factor, int | Decimal):
            return NotImplemented
        return Money(self.amount * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount < self._amount_of(other)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
