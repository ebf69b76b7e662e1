"""The shopping cart."""

from __future__ import annotations

from shop.errors import NotFound, ValidationError
from shop.models import LineItem, Product
from shop.money import Money


class Cart:
    """Products and quantities, in the order they were first added."""

    def __init__(self) -> None:
        self._lines: dict[str, LineItem] = {}

    def add(self, product: Product, quantity: int = 1) -> None:
        if quantity < 1:
            raise ValidationError(f"cannot add {quantity} of {product.sku}")
        line = self._lines.get(product.sku)
        already = line.quantity if line else 0
        self._lines[product.sku] = LineItem(product, already + quantity)

    def remove(self, sku: str) -> None:
        if self._lines.pop(sku, None) is None:
            raise NotFound(f"not in the cart: {sku}")

    @property
    def lines(self) -> list[LineItem]:
        return list(self._lines.values())

    @property
    def quantities(self) -> dict[str, int]:
        return {sku: line.quantity for sku, line in self._lines.items()}

    @property
    def subtotal(self) -> Money:
        return Money.sum(line.total for line in self.lines)

    def __len__(self) -> int:
        return sum(self.quantities.values())

    def __contains__(self, sku: object) -> bool:
        return sku in self._lines
