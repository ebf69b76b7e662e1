"""Everything that can go wrong in a way the caller should handle."""


class ShopError(Exception):
    """Base class: its message is fit to be shown to a customer."""


class ValidationError(ShopError, ValueError):
    """A value does not make sense, whatever the state of the shop."""


class CurrencyMismatch(ShopError, TypeError):
    """Two amounts of different currencies were combined."""


class NotFound(ShopError, LookupError):
    """No product or order goes by that name."""


class OutOfStock(ShopError):
    """There is less in stock than was asked for."""


class CouponError(ShopError):
    """The coupon is unknown, not yet valid or no longer valid."""


class PaymentDeclined(ShopError):
    """The payment server refused the card."""


class GatewayUnavailable(ShopError):
    """The payment server could not be reached, or made no sense."""
