"""A small shop: products, carts, discounts, orders and payments."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # applications choose their own
