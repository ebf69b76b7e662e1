"""The payment client against a fake server on a real (loopback) socket."""

import asyncio
import os

import pytest

from shop.errors import GatewayUnavailable, PaymentDeclined
from shop.money import Money
from shop.payments import DECLINED_CARD, FakePaymentServer, Fault, PaymentClient

pytestmark = pytest.mark.network

AMOUNT = Money.parse("29.90")


def test_charge():
    async def scenario():
        async with FakePaymentServer() as server:
            receipt = await server.client().charge("order-1", AMOUNT, "tok_visa")
            return receipt, server.charges

    receipt, charges = asyncio.run(scenario())

    assert receipt.amount == AMOUNT
    assert receipt.reference == "fake-order-1"
    assert charges == {"order-1": AMOUNT}


def test_declined_card_is_not_charged():
    async def scenario():
        async with FakePaymentServer() as server:
            with pytest.raises(PaymentDeclined, match="insufficient funds"):
                await server.client().charge("order-1", AMOUNT, DECLINED_CARD)
            return server.charges

    assert asyncio.run(scenario()) == {}


def test_lost_reply_is_retried_without_charging_twice(caplog):
    async def scenario():
        async with FakePaymentServer(Fault.DROP, Fault.DROP) as server:
            client = server.client(backoff=0.001)
            await client.charge("order-1", AMOUNT, "tok_visa")
            return server

    server = asyncio.run(scenario())

    assert server.connections == 3
    assert server.charges == {"order-1": AMOUNT}
    assert "attempt 1 of 3 failed: connection closed before the reply" in caplog.text
    assert "attempt 2 of 3 failed" in caplog.text
    assert "attempt 3 of 3" not in caplog.text


@pytest.mark.parametrize(
    ("fault", "timeout", "message"),
    [
        pytest.param(Fault.GARBLE, 5, "sent nonsense", id="garble"),
        pytest.param(Fault.SILENCE, 0.05, "unavailable", id="silence"),
    ],
)
def test_broken_server(fault, timeout, message):
    async def scenario():
        async with FakePaymentServer(fault) as server:
            client = server.client(attempts=1, timeout=timeout)
            await client.charge("order-1", AMOUNT, "tok_visa")

    with pytest.raises(GatewayUnavailable, match=message):
        asyncio.run(scenario())


def test_server_that_is_gone():
    async def scenario():
        async with FakePaymentServer() as server:
            client = server.client(attempts=2, backoff=0)
        await client.charge("order-1", AMOUNT, "tok_visa")

    with pytest.raises(GatewayUnavailable) as failure:
        asyncio.run(scenario())

    assert isinstance(failure.value.__cause__, OSError)


def test_concurrent_charges():
    keys = [f"order-{number}" for number in range(20)]

    async def scenario():
        async with FakePaymentServer() as server:
            client = server.client()
            return await asyncio.gather(*(client.charge(key, AMOUNT, "tok_visa") for key in keys))

    assert [receipt.key for receipt in asyncio.run(scenario())] == keys


@pytest.mark.skipif(
    "SHOP_PAYMENT_SANDBOX" not in os.environ,
    reason="set SHOP_PAYMENT_SANDBOX to HOST:PORT to try a real payment server",
)
def test_real_sandbox():
    host, _, port = os.environ["SHOP_PAYMENT_SANDBOX"].rpartition(":")
    client = PaymentClient(host, int(port))

    receipt = asyncio.run(client.charge("smoke-test", AMOUNT, "tok_visa"))

    assert receipt.reference
