"""Payments: an asynchronous client, and a fake server to try it on.

The protocol is one JSON object per line: the client connects, sends a request,
reads the reply and hangs up. Every request carries a key of the client's
choice; a server charges only once per key, which makes retrying safe.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol, Self

from shop.errors import GatewayUnavailable, PaymentDeclined
from shop.money import Money

logger = logging.getLogger(__name__)

DECLINED_CARD = "tok_declined"


@dataclass(frozen=True)
class Receipt:
    key: str
    amount: Money
    reference: str


class Payments(Protocol):
    """What the shop needs of a payment provider."""

    async def charge(self, key: str, amount: Money, card: str) -> Receipt: ...


class PaymentClient:
    def __init__(
        self,
        host: str,
        port: int,
        *,
        attempts: int = 3,
        timeout: float = 5.0,
        backoff: float = 0.2,
    ) -> None:
        self.host = host
        self.port = port
        self.attempts = max(attempts, 1)
        self.timeout = timeout
        self.backoff = backoff

    async def charge(self, key: str, amount: Money, card: str) -> Receipt:
        """Charge the card, trying again if the connection fails."""
        request = {
            "key": key,
            "amount": amount.minor,
            "currency": amount.currency,
            "card": card,
        }
        reply = await self._request(request)
        match reply:
            case {"status": "approved", "reference": str(reference)}:
                return Receipt(key, amount, reference)
            case {"status": "declined", "reason": str(reason)}:
                raise PaymentDeclined(f"payment declined: {reason}")
            case _:
                raise GatewayUnavailable(f"unexpected reply: {reply!r}")

    async def _request(self, request: dict[str, Any]) -> Any:
        for attempt in range(1, self.attempts + 1):
            try:
                line = await self._exchange(json.dumps(request))
                return json.loads(line)
            except OSError as error:  # which includes TimeoutError
                logger.warning(
                    "payment %s: attempt %d of %d failed: %s",
                    request["key"],
                    attempt,
                    self.attempts,
                    error or type(error).__name__,
                )
                if attempt == self.attempts:
                    raise GatewayUnavailable(
                        "payment server unavailable, try again later"
                    ) from error
            except ValueError as error:
                raise GatewayUnavailable("payment server sent nonsense") from error
            await asyncio.sleep(self.backoff * attempt)
        raise AssertionError("unreachable")

    async def _exchange(self, line: str) -> bytes:
        async with asyncio.timeout(self.timeout):
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                writer.write(line.encode() + b"\n")
                await writer.drain()
                reply = await reader.readline()
            finally:
                await _close(writer)
        if not reply.endswith(b"\n"):
            raise ConnectionError("connection closed before the reply")
        return reply


class Fault(Enum):
    """What a fake server can do to a connection instead of behaving."""

    DROP = auto()  #: carry out the request, but hang up before replying
    GARBLE = auto()  #: reply with something that is not JSON
    SILENCE = auto()  #: never reply at all


class FakePaymentServer:
    """A payment server in this very process, on a free loopback port.

    Faults are used up one per connection; after that, it behaves. It approves
    every card but `DECLINED_CARD`.
    """

    host = "127.0.0.1"

    def __init__(self, *faults: Fault) -> None:
        self.charges: dict[str, Money] = {}
        self.connections = 0
        self._faults = list(faults)
        self._open: dict[asyncio.Task, asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, port=0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.close()
        if self._open:
            await asyncio.wait(list(self._open))
        await self._server.wait_closed()

    def client(self, **options: Any) -> PaymentClient:
        return PaymentClient(self.host, self.port, **options)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            with suppress(ConnectionError):
                await self._answer(reader, writer)
        finally:
            await _close(writer)
            del self._open[task]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._faults.pop(0) if self._faults else None
        line = await reader.readline()
        if not line:
            return
        if fault is Fault.SILENCE:
            await reader.read()  # until the client hangs up
            return
        reply = json.dumps(self._handle(json.loads(line)))
        if fault is Fault.DROP:
            return
        if fault is Fault.GARBLE:
            reply = reply[::-1]
        writer.write(reply.encode() + b"\n")
        await writer.drain()

    def _handle(self, request: dict[str, Any]) -> dict[str, str]:
        if request["card"] == DECLINED_CARD:
            return {"status": "declined", "reason": "insufficient funds"}
        key = request["key"]
        self.charges.setdefault(key, Money.from_minor(request["amount"], request["currency"]))
        return {"status": "approved", "reference": f"fake-{key}"}


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
