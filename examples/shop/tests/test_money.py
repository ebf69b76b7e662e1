from decimal import Decimal

import pytest

from shop.errors import CurrencyMismatch, ValidationError
from shop.money import Money


def euros(text):
    return Money(Decimal(text), "EUR")


class TestParse:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            pytest.param("12.50", euros("12.50"), id="default-currency"),
            pytest.param("1200 JPY", Money(Decimal(1200), "JPY"), id="no-decimals"),
            pytest.param(" -3 ", euros("-3.00"), id="negative-with-spaces"),
        ],
    )
    def test_accepts(self, text, expected):
        assert Money.parse(text) == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            pytest.param("a fiver", "not an amount", id="words"),
            pytest.param("1.999", "too many decimals for EUR", id="too-precise"),
            pytest.param("1 XXX", "unknown currency: XXX", id="unknown-currency"),
        ],
    )
    def test_rejects(self, text, message):
        with pytest.raises(ValidationError, match=message):
            Money.parse(text)


class TestArithmetic:
    def test_adds_and_subtracts_exactly(self):
        assert euros("0.10") + euros("0.20") - euros("0.30") == Money.zero()

    def test_multiplication_rounds_half_up(self):
        assert euros("0.25") * Decimal("0.5") == euros("0.13")
        assert 3 * euros("0.25") == euros("0.75")

    def test_floats_are_refused(self):
        with pytest.raises(TypeError):
            euros("1.00") * 0.5
        with pytest.raises(TypeError, match="must be a Decimal, not float"):
            Money(0.5)

    def test_currencies_do_not_mix(self):
        with pytest.raises(CurrencyMismatch, match="cannot combine EUR with JPY"):
            euros("1.00") + Money.parse("100 JPY")


@pytest.mark.parametrize("parts", [1, 3], ids=["whole", "thirds"])
@pytest.mark.parametrize("amount", ["10.00", "0.05"])
def test_split_loses_nothing(amount, parts):
    shares = euros(amount).split(parts)

    assert len(shares) == parts
    assert Money.sum(shares) == euros(amount)
    assert max(shares) - min(shares) <= euros("0.01")
