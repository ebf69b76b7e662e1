"""The command line: ``python -m shop --help``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterable, Sequence

from shop.cart import Cart
from shop.errors import ShopError, ValidationError
from shop.models import Order, Product
from shop.money import Money
from shop.orders import OrderService
from shop.payments import FakePaymentServer
from shop.pricing import quote
from shop.storage import Database

SAMPLE_PRODUCTS = [
    Product("mug", "Enamel mug", Money.parse("12.50"), stock=20),
    Product("notebook", "Dotted notebook", Money.parse("7.95"), stock=5),
    Product("sticker", "Round sticker", Money.parse("0.85"), stock=200),
    Product("t-shirt", "Organic T-shirt", Money.parse("24.00"), stock=8),
]


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        with Database(args.db) as database:
            database.create_schema()
            args.command(database, args)
    except ShopError as error:
        print(f"shop: {error}", file=sys.stderr)
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="shop", description="Run a very small shop.")
    parser.add_argument(
        "--db",
        default=os.environ.get("SHOP_DB", "shop.sqlite"),
        help="the database file (default: $SHOP_DB or shop.sqlite)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="fill the database with sample products")
    init.set_defaults(command=do_init)

    products = commands.add_parser("products", help="list the products")
    products.set_defaults(command=do_products)

    orders = commands.add_parser("orders", help="list the orders")
    orders.set_defaults(command=do_orders)

    basket = argparse.ArgumentParser(add_help=False)
    basket.add_argument("items", nargs="+", metavar="SKU[=QUANTITY]")
    basket.add_argument("--coupon", metavar="CODE")

    price = commands.add_parser("quote", parents=[basket], help="show the price of some items")
    price.set_defaults(command=do_quote)

    buy = commands.add_parser("buy", parents=[basket], help="order some items (pays fake money)")
    buy.add_argument("--email", required=True)
    buy.add_argument("--card", default="tok_demo", metavar="TOKEN")
    buy.set_defaults(command=do_buy)
    return parser


def do_init(database: Database, args: argparse.Namespace) -> None:
    with database.transaction():
        for product in SAMPLE_PRODUCTS:
            database.add_product(product)
    print(f"{len(SAMPLE_PRODUCTS)} products in {args.db}")


def do_products(database: Database, args: argparse.Namespace) -> None:
    for product in database.products():
        print(f"{product.sku:<10} {product.name:<18} {product.price!s:>10} {product.stock:>5}")


def do_orders(database: Database, args: argparse.Namespace) -> None:
    for order in database.orders():
        print(f"{order.id:>4} {order.placed_at:%Y-%m-%d} {order.status:<9} {order.total!s:>10}")


def do_quote(database: Database, args: argparse.Namespace) -> None:
    price = quote(fill_cart(database, args.items).lines, args.coupon)
    print(f"subtotal  {price.subtotal!s:>12}")
    if price.saving:
        print(f"saving    {price.saving * -1!s:>12}")
    print(f"shipping  {price.shipping!s:>12}")
    print(f"total     {price.total!s:>12}")


def do_buy(database: Database, args: argparse.Namespace) -> None:
    async def checkout() -> Order:
        async with FakePaymentServer() as server:
            service = OrderService(database, server.client())
            return await service.checkout(cart, args.email, args.card, args.coupon)

    cart = fill_cart(database, args.items)
    order = asyncio.run(checkout())
    print(f"order {order.id} is {order.status}: {order.total}")


def fill_cart(database: Database, items: Iterable[str]) -> Cart:
    cart = Cart()
    for item in items:
        sku, quantity = parse_item(item)
        cart.add(database.product(sku), quantity)
    return cart


def parse_item(text: str) -> tuple[str, int]:
    """Read what the command line says: ``mug=2``, or just ``mug``."""
    sku, _, quantity = text.partition("=")
    try:
        return sku, int(quantity or 1)
    except ValueError:
        raise ValidationError(f"not a quantity: {quantity!r}") from None
