"""The ways to halt this runtime without site, store and Redis: a NATS subject, and POST /halt on its own port.

Who is authenticated is never refused for the form of what was sent: what cannot be read of the scope halts everything,
and the answer says what is halted. Nothing here ends a halt.
"""

import asyncio
import hmac
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import msgspec
import structlog
from aiohttp import web
from nats.aio.msg import Msg

from realtime_runtime.halts.halts_in_force import HaltsInForce
from realtime_runtime.messaging.bus import Bus
from strategy_core.configuration.halts import (
    BY_LENGTH,
    REASON_LENGTH,
    SIGNATURE_HEADER,
    Halt,
    Scope,
    cut_text,
    instant,
    is_halt_id,
    read_scope,
    signature_of,
    wire_request,
)

SECRET_HEADER = "X-Halt-Secret"  # noqa: S105  (the name of a header)
MAX_BODY = 64 * 1024
BODY_SECONDS = 2.0
REFUSALS_A_LOG = 100
_REQUESTS = UUID("6b1a4a3e-8c0d-4d0e-9d5b-0c3f6f0a7c11")

log = structlog.get_logger(__name__)


class HaltAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to halt is answered. ``is_kept``: a restart stays halted. ``error`` "": it was taken."""

    halted: bool
    instance_id: str
    id: str = ""
    scope: Scope | None = None
    is_kept: bool = False
    error: str = ""


class HaltPaths:
    """Takes halts for one runtime; ``refused`` counts requests without the right to halt.

    ``subject`` is on which NATS brings them. Without a secret POST /halt refuses everybody, and so does NATS unless
    the broker alone is trusted.
    """

    def __init__(
        self, halting: HaltsInForce, bus: Bus, *, subject: str, secret: str, trusts_broker: bool, instance_id: str
    ) -> None:
        self.refused = 0
        self.subject = subject
        self._halting = halting
        self._bus = bus
        self._secret = secret.encode()
        self._trusts_broker = trusts_broker
        self._instance_id = instance_id
        if self.is_nats_on:
            bus.listen(subject, self.take_message)

    @property
    def is_nats_on(self) -> bool:
        """Whether halts are taken over NATS."""
        return bool(self._secret) or self._trusts_broker

    @property
    def is_http_on(self) -> bool:
        """Whether POST /halt can succeed."""
        return bool(self._secret)

    async def take_message(self, message: Msg) -> None:
        """Halt as a message on ``subject`` says, and answer where it asks for that."""
        signature = (message.headers or {}).get(SIGNATURE_HEADER, "")
        if not (self._trusts_broker or self._is_signed(message.data, signature)):
            answer = self._refuse(
                "nats", f"Sign the body: {SIGNATURE_HEADER} is its HMAC-SHA256 in hex by HALT_SECRET."
            )
        else:
            # All runtimes that a request reaches halt under one id.
            seed = uuid5(_REQUESTS, message.reply) if message.reply else uuid4()
            answer = await self._halt(message.data, "nats", default_id=str(seed))
        if message.reply:
            await self._bus.answer(message.reply, msgspec.json.encode(answer))

    async def take_request(self, request: web.Request) -> web.Response:
        """POST /halt: the secret in X-Halt-Secret, or as a bearer token; the body as on NATS, or none."""
        if not self._is_known(request):
            answer = self._refuse("http", f"Send HALT_SECRET in the header {SECRET_HEADER}.")
            return _response(401, answer, {"WWW-Authenticate": 'Bearer realm="halt"'})
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body_of(request)
        except TimeoutError:
            error = f"The body did not arrive within {BODY_SECONDS:g} s. Nothing was halted: send it again."
            return _response(408, HaltAnswer(halted=False, instance_id=self._instance_id, error=error))
        return _response(200, await self._halt(body, "http", default_id=str(uuid4())))

    async def share(self, halt: Halt) -> bool:
        """Tell the other runtimes over NATS; false where that has to be tried again."""
        if not self.is_nats_on:
            return True
        body = wire_request(halt)
        headers = {SIGNATURE_HEADER: signature_of(body, self._secret)} if self._secret else {}
        return await self._bus.publish(self.subject, body, headers)

    async def _halt(self, body: bytes, channel: str, *, default_id: str) -> HaltAnswer:
        halt = requested_halt(body, channel=channel, default_id=default_id, now_seconds=time.time())
        known = self._halting.halts.find(halt.id)
        if known is not None and known.scope != halt.scope:
            # The id is taken by a halt of something else: that stands, and so does this one. All choose the same id.
            halt = msgspec.structs.replace(halt, id=str(uuid5(_REQUESTS, f"{halt.id} {halt.scope}")))
        is_kept = await self._halting.take_direct(halt, is_shared=channel == "nats")
        is_halted = self._halting.halts.holds(halt.id)
        return HaltAnswer(
            halted=is_halted,
            instance_id=self._instance_id,
            id=halt.id,
            scope=halt.scope,
            is_kept=is_kept,
            error=""
            if is_halted
            else "The halt of this id was resumed and does not halt again: send a new id, or none.",
        )

    def _refuse(self, channel: str, message: str) -> HaltAnswer:
        self.refused += 1
        if self.refused % REFUSALS_A_LOG == 1:
            log.warning("halt.refused", channel=channel, refused=self.refused)
        if not self._secret:
            message = "HALT_SECRET is not set on this runtime, so nobody may halt it here."
        return HaltAnswer(halted=False, instance_id=self._instance_id, error=message)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        return bool(self._secret) and hmac.compare_digest(
            signature_of(body, self._secret).encode(), signature.strip().lower().encode()
        )

    def _is_known(self, request: web.Request) -> bool:
        given = request.headers.get(SECRET_HEADER)
        if given is None:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            given = given.strip() if scheme.lower() == "bearer" else ""
        return bool(self._secret) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._secret)


def requested_halt(body: bytes, *, channel: str, default_id: str, now_seconds: float) -> Halt:
    """The halt that a body asks for; ``default_id`` where it names no id."""
    try:
        content: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = None
    members = content if isinstance(content, dict) else {}
    halt_id = str(members.get("id", "")).lower()
    return Halt(
        id=halt_id if is_halt_id(halt_id) else default_id,
        scope=read_scope(members.get("scope")),
        at=cut_text(members.get("at"), 32) or instant(datetime.fromtimestamp(now_seconds, UTC)),
        by=cut_text(members.get("by"), BY_LENGTH) or f"unnamed, over {channel.upper()}",
        reason=cut_text(members.get("reason"), REASON_LENGTH),
        channel=channel,
    )


async def _body_of(request: web.Request) -> bytes:
    """The body; of one that is too long its beginning, which is then not JSON."""
    body = bytearray()
    while len(body) <= MAX_BODY and (chunk := await request.content.read(MAX_BODY)):
        body += chunk
    return bytes(body[:MAX_BODY])


def _response(status: int, answer: HaltAnswer, headers: dict[str, str] | None = None) -> web.Response:
    response = web.Response(
        status=status, body=msgspec.json.encode(answer), content_type="application/json", headers=headers
    )
    # What is left of a body is not read.
    response.force_close()
    return response
