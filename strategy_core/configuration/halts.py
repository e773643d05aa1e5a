"""Halts: stops apart from ``enabled``, each in force until a resume names its id. Used by both sides. Pure.

No complete read, snapshot, ENABLE, rollback or restart ends a halt, only its id in a resume; an id that was resumed
never halts again. What is unreadable stops more, never less: a scope that cannot be read is everything.

In Redis: hash ``<prefix>:halts`` (id -> ``Halt``) and hash ``<prefix>:resumed`` (id -> when), written by the site with
each halt and resume; stream ``<prefix>:halts:told``, in which runtimes pass on what reached them without the site.
"""

import hmac
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from strategy_core.market.symbols import is_symbol

RESUMED_LIMIT = 10_000
"""So many ended halts are remembered, here and in Redis, the oldest given up first."""
TOLD_CAP = 1_000
STRATEGY_ID_LENGTH = 64
BY_LENGTH = 100
REASON_LENGTH = 1_000
SIGNATURE_HEADER = "Halt-Signature"
CUT = "… (cut)"
FILE_CHANNEL = "file"
"""The channel of a halt that a runtime set itself because its file of halts was damaged: it holds for that one only."""
_UNREADABLE_REASON = "The record of this halt could not be read: everything is halted."


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a halt stops: a strategy, a symbol of all strategies, a strategy on a symbol; neither: everything."""

    strategy_id: str | None = None
    symbol: str | None = None

    def __str__(self) -> str:
        if self.strategy_id is None:
            return "everything" if self.symbol is None else f"{self.symbol} of all strategies"
        return self.strategy_id if self.symbol is None else f"{self.strategy_id} on {self.symbol}"


EVERYTHING = Scope()


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """One stop. ``id`` is a UUID, ``at`` ISO 8601 in UTC with milliseconds, ``channel`` how it came."""

    id: str
    scope: Scope = EVERYTHING
    at: str = ""
    by: str = ""
    reason: str = ""
    channel: str = ""


class Halts:
    """The halts in force, and the ids of the latest that have ended."""

    __slots__ = ("_everything", "_held", "_pairs", "_resumed", "_strategies", "_symbols")

    def __init__(self) -> None:
        self._held: dict[str, Halt] = {}
        self._resumed: dict[str, None] = {}
        self._compile()

    @property
    def held(self) -> tuple[Halt, ...]:
        """The halts in force, in the order in which they came."""
        return tuple(self._held.values())

    @property
    def resumed(self) -> tuple[str, ...]:
        """The ids that no longer halt, oldest first."""
        return tuple(self._resumed)

    def find(self, halt_id: str) -> Halt | None:
        """The halt of this id, where it is in force."""
        return self._held.get(halt_id)

    def holds(self, halt_id: str) -> bool:
        """Whether the halt of this id is in force."""
        return halt_id in self._held

    def is_resumed(self, halt_id: str) -> bool:
        """Whether the halt of this id has ended."""
        return halt_id in self._resumed

    def is_halted(self, strategy_id: str, symbol: str | None) -> bool:
        """Whether the strategy may send no signal on the symbol (None: on no symbol at all)."""
        return (
            self._everything
            or strategy_id in self._strategies
            or symbol in self._symbols
            or (strategy_id, symbol) in self._pairs
        )

    def add(self, halts: Iterable[Halt]) -> list[Halt]:
        """Put halts in force; returns those that are new and were not resumed."""
        new = []
        for halt in halts:
            if halt.id not in self._held and halt.id not in self._resumed:
                self._held[halt.id] = halt
                new.append(halt)
        if new:
            self._compile()
        return new

    def resume(self, ids: Iterable[str]) -> list[Halt]:
        """End the halts of these ids, also those that come later; returns those that were in force."""
        ended = []
        for halt_id in ids:
            self._resumed.setdefault(halt_id)
            if (halt := self._held.pop(halt_id, None)) is not None:
                ended.append(halt)
        while len(self._resumed) > RESUMED_LIMIT:
            del self._resumed[next(iter(self._resumed))]
        if ended:
            self._compile()
        return ended

    def _compile(self) -> None:
        scopes = [halt.scope for halt in self._held.values()]
        self._everything = EVERYTHING in scopes
        self._strategies = frozenset(scope.strategy_id for scope in scopes if scope.symbol is None)
        self._symbols = frozenset(scope.symbol for scope in scopes if scope.strategy_id is None)
        self._pairs = frozenset((scope.strategy_id, scope.symbol) for scope in scopes)


def is_halt_id(text: object) -> bool:
    """Whether ``text`` is a UUID in its usual form."""
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False


def read_halt(raw: bytes, *, fallback_id: str = "") -> Halt | None:
    """The halt in ``raw``. Where only its id (or ``fallback_id``) can be read, it halts everything; else None."""
    try:
        content: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        content = None
    members = content if isinstance(content, dict) else {}
    halt_id = members.get("id", fallback_id)
    if not is_halt_id(halt_id):
        halt_id = fallback_id
    if not is_halt_id(halt_id):
        return None
    if not members:
        return Halt(id=halt_id, reason=_UNREADABLE_REASON)
    return Halt(
        id=halt_id,
        scope=read_scope(members.get("scope")),
        at=cut_text(members.get("at"), 32),
        by=cut_text(members.get("by"), BY_LENGTH),
        reason=cut_text(members.get("reason"), REASON_LENGTH),
        channel=cut_text(members.get("channel"), 16),
    )


def read_halts(records: Iterable[bytes]) -> list[Halt]:
    """The halts in ``records``, those left out that have no id."""
    return [halt for raw in records if (halt := read_halt(raw)) is not None]


def read_scope(content: object) -> Scope:
    """The scope in decoded JSON, a symbol in any case; everything where it is none, or half of it is none.

    What is no symbol (BTC-USDT) would stop nothing that trades.
    """
    if not isinstance(content, dict):
        return EVERYTHING
    strategy_id, symbol = content.get("strategy_id"), content.get("symbol")
    if strategy_id is not None and not _is_name(strategy_id):
        return EVERYTHING
    if symbol is None:
        return Scope(strategy_id=strategy_id)
    if not (isinstance(symbol, str) and symbol.isascii() and is_symbol(symbol.upper())):
        return EVERYTHING
    return Scope(strategy_id=strategy_id, symbol=symbol.upper())


def wire_request(halt: Halt) -> bytes:
    """The body that asks a runtime for this halt over NATS."""
    members = {"id": halt.id, "scope": halt.scope, "at": halt.at, "by": halt.by, "reason": halt.reason}
    return msgspec.json.encode(members)


def signature_of(body: bytes, secret: bytes) -> str:
    """The HMAC-SHA256 of such a body in hexadecimal digits."""
    return hmac.new(secret, body, sha256).hexdigest()


def cut_text(text: object, length: int) -> str:
    """Text of at most ``length`` printable characters, marked where it was cut; "" for what is no text."""
    if not isinstance(text, str):
        return ""
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= length else clean[: length - len(CUT)] + CUT


def instant(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def ids_of(halts: Sequence[Halt]) -> list[str]:
    """The ids, in the same order."""
    return [halt.id for halt in halts]


def _is_name(text: object) -> bool:
    return isinstance(text, str) and text.isprintable() and 0 < len(text) <= STRATEGY_ID_LENGTH
