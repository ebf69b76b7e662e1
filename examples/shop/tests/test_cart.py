"""The oldest tests of the shop, in the style of the standard library."""

import unittest

from shop.cart import Cart
from shop.errors import NotFound, ValidationError
from shop.models import Product
from shop.money import Money


class CartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mug = Product("mug", "Enamel mug", Money.parse("12.50"))
        cls.sticker = Product("sticker", "Round sticker", Money.parse("0.85"))

    def setUp(self):
        self.cart = Cart()

    def test_same_product_is_one_line(self):
        self.cart.add(self.mug)
        self.cart.add(self.sticker, 10)
        self.cart.add(self.mug, 2)

        self.assertEqual(self.cart.quantities, {"mug": 3, "sticker": 10})
        self.assertEqual(self.cart.subtotal, Money.parse("46.00"))

    def test_remove(self):
        self.cart.add(self.mug)
        self.cart.remove("mug")

        self.assertNotIn("mug", self.cart)

    def test_remove_what_is_not_there(self):
        with self.assertRaisesRegex(NotFound, "not in the cart: mug"):
            self.cart.remove("mug")

    def test_refused_quantity_leaves_the_cart_alone(self):
        self.cart.add(self.mug, 98)
        for quantity in (0, -1, 2):
            with self.assertRaises(ValidationError):
                self.cart.add(self.mug, quantity)

        self.assertEqual(len(self.cart), 98)
