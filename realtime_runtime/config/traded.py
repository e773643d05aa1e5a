"""What a runtime reads of a document: as little as it needs, and of one that is damaged what can still be read. Pure.

Members that are not named here may change, come and go without the runtime.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from strategy_core.configuration.wire_documents import Format, Switches
from strategy_core.configuration.wire_json import WireError
from strategy_core.market.decoding import UNREADABLE

T = TypeVar("T")


class TradedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of a `wire_documents.LayerConfig`."""

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: dict[str, Any]
    version: int
    sequence: int


class TradedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of a `wire_documents.Document`, the same in every format.

    ``wanted``: the switches that ``config`` and ``after`` have without halts.
    """

    config: TradedLayer
    global_version: int
    symbol_version: int
    expires_at_ms: int | None = None
    after: TradedLayer | None = None
    format: Format = 1
    wanted: Switches | None = None


class Outline(NamedTuple):
    """What can be read of a document that is not a whole one, each member by itself; None where it cannot."""

    strategy_id: str | None
    symbol: str | None
    is_enabled: bool | None
    sequence: int | None
    expires_at_ms: int | None
    is_enabled_after: bool | None


_decoder = msgspec.json.Decoder(TradedDocument)


def decode_document(raw: bytes) -> TradedDocument:
    """Raises WireError where ``raw`` is no document of a format that is read here."""
    try:
        document = _decoder.decode(raw)
    except UNREADABLE as exception:
        raise WireError(f"not a document of this format: {exception}") from None
    return document if document.wanted is None else _uncovered(document, document.wanted)


def _uncovered(document: TradedDocument, switches: Switches) -> TradedDocument:
    """The document with its own switches: halts are obeyed apart from them here."""
    after = None if document.after is None else replace(document.after, enabled=switches.after)
    return replace(document, config=replace(document.config, enabled=switches.now), after=after)


def outline_of(raw: bytes) -> Outline:
    """The switch and its surroundings, of whatever ``raw`` is."""
    document = _members(raw)
    config, after = _members(document.get("config")), _members(document.get("after"))
    return Outline(
        strategy_id=_member(config, "strategy_id", str),
        symbol=_member(config, "symbol", str),
        is_enabled=_member(config, "enabled", bool),
        sequence=_member(config, "sequence", int),
        expires_at_ms=_member(document, "expires_at_ms", int),
        is_enabled_after=_member(after, "enabled", bool),
    )


def _members(raw: bytes | msgspec.Raw | None) -> Mapping[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(b"" if raw is None else raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return {}


def _member(members: Mapping[str, msgspec.Raw], name: str, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(members.get(name, b""), type=kind)
    except UNREADABLE:
        return None
