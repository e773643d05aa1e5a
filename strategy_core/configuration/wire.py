"""How configuration lies in Redis: keys and payloads (`publish_script` writes them). Used by both sides. Pure.

- hash ``<prefix>:config``: one field a strategy (``orderbook_skew``) and one a symbol's layer that was ever set
  (``orderbook_skew:BTCUSDT``), each a ``Document`` as JSON. A layer whose parameters were deleted keeps its document,
  with nothing of its own but its version. Hash ``<prefix>:sequences`` has the sequence of each field that is there, so
  that an older document never replaces a newer one, and a field that it alone has is known to be lost.
- ``<prefix>:sequence``: the last published sequence. Absent: nothing has been published here.
- stream ``<prefix>:changes``: one ``Change`` an accepted change under the id ``<sequence>-0``; a reload
  notice under ``<sequence>-<n>``. Capped, ids ascend, no sequence is left out: a set is one entry for all of its own.
  ``<prefix>:set:<sequence>``: the content of a set that is too large for the stream.
- halts: hashes ``<prefix>:halts`` and ``<prefix>:resumed``, stream ``<prefix>:halts:told`` (see ``halts``).
- ``<prefix>:repair``: present while a runtime asks the site to rewrite everything, because something is missing.
- ``<prefix>:runtime:<instance>``: ``Heartbeat`` with a time to live; stream ``<prefix>:acks``: ``Ack``;
  stream ``<prefix>:signals``: the latest signals.
- hash ``<prefix>:market``: one field a symbol, its ``BookMetrics``; ``<prefix>:pressure:<symbol>``: the records of its
  ``PressureHistory``, oldest first (``market.analytics`` has both). Only the runtime that owns the symbol writes them.
- list ``<prefix>:prices:<symbol>``: a price a second of event time, oldest first, each an ``encode_price``.

An entry of each of these streams has one field, ``p``: its payload as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError  # noqa: N812  (it is a class)
from typing import Any, Literal, NamedTuple

import msgspec

from strategy_core.market.decoding import UNREADABLE

Source = Literal["default", "environment", "global", "symbol", "refused"]
CHANGES_CAP = 10_000
ACKS_CAP = 10_000
SET_TTL_SECONDS = 86_400
SIGNALS_CAP = 10_000
HEARTBEAT_TTL_SECONDS = 15
CHANGES_SUBJECT = "config.changed"
GLOBAL = "global"
EVERY_STRATEGY = "all"
STREAM_FIELD = "p"


class WireError(ValueError):
    """A payload that is not what this module writes."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of everything under one prefix."""

    prefix: str

    @property
    def config(self) -> str:
        return f"{self.prefix}:config"

    @property
    def sequences(self) -> str:
        return f"{self.prefix}:sequences"

    @property
    def sequence(self) -> str:
        return f"{self.prefix}:sequence"

    @property
    def changes(self) -> str:
        return f"{self.prefix}:changes"

    @property
    def halts(self) -> str:
        """The halts in force, as the site knows them."""
        return f"{self.prefix}:halts"

    @property
    def resumed(self) -> str:
        """The ids of the latest halts that have ended."""
        return f"{self.prefix}:resumed"

    @property
    def told_halts(self) -> str:
        """The halts that reached a runtime without the site."""
        return f"{self.prefix}:halts:told"

    @property
    def repair(self) -> str:
        """What a runtime found missing, for a minute: the site then rewrites everything."""
        return f"{self.prefix}:repair"

    def change_set(self, sequence: int) -> str:
        """The ``SetContent`` of the set that ends with ``sequence``, for a day."""
        return f"{self.prefix}:set:{sequence}"

    @property
    def acks(self) -> str:
        return f"{self.prefix}:acks"

    @property
    def signals(self) -> str:
        return f"{self.prefix}:signals"

    def prices(self, symbol: str) -> str:
        return f"{self.prefix}:prices:{symbol}"

    @property
    def identities(self) -> str:
        """A counter that rises whenever a token, user or group changes: cached identities end with it."""
        return f"{self.prefix}:identities"

    def rate(self, bucket: str) -> str:
        """How much one caller may still ask for: see the site's rate limits."""
        return f"{self.prefix}:rate:{bucket}"

    def login(self, counter: str) -> str:
        """Attempts to log in, counted a user and address, and an address."""
        return f"{self.prefix}:login:{counter}"

    def share(self, name: str) -> str:
        """The lease of one share of the symbols: who trades it."""
        return f"{self.prefix}:share:{name}"

    def runtime(self, instance_id: str) -> str:
        return f"{self.prefix}:runtime:{instance_id}"

    @property
    def market(self) -> str:
        return f"{self.prefix}:market"

    def pressure(self, symbol: str) -> str:
        return f"{self.prefix}:pressure:{symbol}"

    @property
    def runtimes_pattern(self) -> str:
        return f"{self.prefix}:runtime:*"


class RefusedValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value that ``layer`` sets and that does not fit, so that another one is in force; ``message`` says why."""

    parameter: str
    layer: Source
    value: Any
    message: str


class LayerConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One layer, resolved: exactly the ``ConfigResponse`` of the HTTP contract.

    ``parameters`` are all of the strategy's, ``overrides`` the layer's own. ``version`` is the layer's
    (0: never set). ``source`` is "default", "environment" or the kind of the store. Times are ISO 8601 in UTC.
    ``refused`` is left out where it is empty.
    """

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: dict[str, Any]
    version: int
    source: str
    is_override: bool
    sources: dict[str, Source]
    overrides: dict[str, Any]
    created_at: str | None
    updated_at: str | None
    updated_by: str | None
    reason: str | None
    expires_at: str | None
    sequence: int
    refused: list[RefusedValue] = []


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """The switches of a document's ``config`` and ``after``."""

    now: bool
    after: bool


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What the hash holds for a layer.

    ``config`` holds now; from ``expires_at_ms`` (Unix, milliseconds) on, ``after`` holds instead.
    ``global_version``/``symbol_version`` go into signals; ``symbol_version`` is 0 for a global layer.
    ``wanted``: a halt covers the layer, so that both say ``enabled`` false on the wire, for runtimes of a version
    without halts; these are the switches of ``config`` and ``after`` themselves: ``decode_document`` puts them back.
    """

    config: LayerConfig
    global_version: int
    symbol_version: int
    expires_at_ms: int | None = None
    after: LayerConfig | None = None
    format: Literal[1] = 1
    wanted: Switches | msgspec.UnsetType = msgspec.UNSET

    def covered(self) -> "Document":
        """The document as a halt leaves it on the wire; itself where nothing of it is switched on."""
        switches = Switches(now=self.config.enabled, after=self.after is not None and self.after.enabled)
        if not (switches.now or switches.after):
            return self
        return msgspec.structs.replace(self._switched(Switches(now=False, after=False)), wanted=switches)

    def uncovered(self) -> "Document":
        """The document as it is without halts."""
        if isinstance(self.wanted, msgspec.UnsetType):
            return self
        return msgspec.structs.replace(self._switched(self.wanted), wanted=msgspec.UNSET)

    def _switched(self, switches: Switches) -> "Document":
        config = msgspec.structs.replace(self.config, enabled=switches.now)
        after = None if self.after is None else msgspec.structs.replace(self.after, enabled=switches.after)
        return msgspec.structs.replace(self, config=config, after=after)


class DocumentBytes(msgspec.Struct, frozen=True, kw_only=True):
    """A ``Document`` whose configs stay the bytes they are: for serving them unchanged.

    ``after`` is "null", or empty, where there is none: msgspec decodes no union with Raw. Where ``is_covered``, their
    switches are not those of the layer.
    """

    config: msgspec.Raw
    expires_at_ms: int | None = None
    after: msgspec.Raw = msgspec.Raw()
    wanted: Switches | None = None

    @property
    def is_covered(self) -> bool:
        """Whether a halt covers the layer: see ``Document``."""
        return self.wanted is not None


class SetMember(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a set."""

    sequence: int
    strategy_id: str
    symbol: str | None
    action: str
    version: int

    def touches(self, field: str) -> bool:
        """Whether the change altered the document of this field."""
        own = field_name(self.strategy_id, self.symbol)
        return field == own or (self.symbol is None and field.startswith(f"{own}:"))


class SetContent(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of a set and, by field, all documents that they altered, as of the last of them."""

    members: list[SetMember]
    documents: dict[str, msgspec.Raw]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One stream entry: an accepted change, a halt or a resume, or (``kind`` reload) the notice to reload everything.

    ``documents`` maps each field that the change touched to its document. Where they are too many for the stream,
    ``fields`` names them instead, to be read from the hash.
    ``first_sequence``: a set, all changes from there to ``sequence``, to be swapped in together. Its ``content`` is
    here or, too large for the stream, under ``Keys.change_set``. Who does not know sets sees a gap, and reads all.
    ``is_partial``: a notice that does not say that what is there is all there is.
    ``halts`` are the records of a halt, ``ids`` those that a resume ends.
    ``published_at_ms`` is the site's clock in Unix milliseconds, with fractions. ``request_id`` is that of the request
    which made the change, ``traceparent`` the trace in which it was published, where there is one.
    """

    sequence: int
    kind: Literal["change", "reload", "halt", "resume"]
    strategy_id: str | None = None
    symbol: str | None = None
    action: str | None = None
    version: int | None = None
    changed_by: str | None = None
    reason: str | None = None
    changed_at: str | None = None
    documents: dict[str, msgspec.Raw] = {}
    fields: list[str] = []
    halts: list[msgspec.Raw] = []
    ids: list[str] = []
    is_partial: bool = False
    first_sequence: int | None = None
    content: SetContent | None = None
    published_at_ms: float = 0.0
    request_id: str | None = None
    traceparent: str | None = None


class ChangeEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An accepted change as it is told to others: over NATS on ``subject``, and by the API. ``changed_at`` in UTC.

    A halt and a resume have a ``halt_id``, no version, and for strategy and symbol what is halted (None: all).
    """

    sequence: int
    strategy_id: str | None
    symbol: str | None
    action: str
    version: int | None
    changed_by: str
    reason: str
    changed_at: str
    halt_id: str | None = None

    @property
    def subject(self) -> str:
        """The NATS subject: ``config.changed.<strategy or all>.<symbol or global>``."""
        return f"{CHANGES_SUBJECT}.{self.strategy_id or EVERY_STRATEGY}.{self.symbol or GLOBAL}"


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime's answer to one sequence. ``latency_ms`` is from publication to application, host clocks."""

    sequence: int
    instance_id: str
    status: Literal["applied", "rejected"]
    error: str | None = None
    latency_ms: float | None = None
    field: str | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime says of itself every few seconds.

    ``lag_ms``: the longest that a market message waited between its receipt and its processing since the heartbeat
    before. ``errors``: messages that could not be decoded and strategy calls that raised, since the start.
    ``replica`` is "<ordinal>/<replicas>". ``halts`` are the ids of the halts in force; None: a version without halts.
    ``standby``: another runtime trades this share, this one only keeps warm. ``sequence`` is the last change that it
    applied, ``refused`` the number of documents that stand refused, ``formats`` those of documents that it reads.
    """

    instance_id: str
    host: str
    version: str
    started_at: str
    sent_at: str
    sequence: int
    lag_ms: float
    messages_per_second: float
    symbols: list[str]
    strategies: list[str]
    errors: int
    dropped: int
    signals: int
    config_stale_seconds: float
    market_source: str
    replica: str
    halts: list[str] | None = None
    standby: bool = False
    refused: int = 0
    formats: tuple[int, ...] = (1,)


class PricePoint(NamedTuple):
    """A symbol's last price at an event time in Unix milliseconds."""

    time_ms: int
    price: float


_PRICE = Struct("<qd")


def encode_price(point: PricePoint) -> bytes:
    """Sixteen bytes: a signed integer and a double."""
    return _PRICE.pack(*point)


def decode_price(raw: bytes) -> PricePoint:
    """Raises WireError where ``raw`` is no price."""
    try:
        return PricePoint(*_PRICE.unpack(raw))
    except StructError:
        raise WireError("not a price") from None


def field_name(strategy_id: str, symbol: str | None) -> str:
    """The hash field of a layer."""
    return strategy_id if symbol is None else f"{strategy_id}:{symbol}"


_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Document, DocumentBytes, SetContent, Change, Ack, Heartbeat)
}


def encode(payload: msgspec.Struct) -> bytes:
    """The payload as JSON."""
    return _encoder.encode(payload)


def stream_payload(fields: Sequence[bytes]) -> bytes:
    """The payload of a stream's entry as Redis sends its fields; b"" where it has none."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    return pairs.get(STREAM_FIELD.encode(), b"")


def decode_document(raw: bytes) -> Document:
    """The document as it is without halts. Raises WireError where ``raw`` is no Document."""
    document: Document = _decode(Document, raw)
    return document.uncovered()


def decode_document_bytes(raw: bytes) -> DocumentBytes:
    """Raises WireError where ``raw`` is no Document."""
    return _decode(DocumentBytes, raw)  # type: ignore[no-any-return]  # the decoder's table is untyped


def decode_change(raw: bytes) -> Change:
    """Raises WireError where ``raw`` is no Change."""
    return _decode(Change, raw)  # type: ignore[no-any-return]  # the decoder's table is untyped


def decode_set(raw: bytes) -> SetContent:
    """Raises WireError where ``raw`` is no SetContent."""
    return _decode(SetContent, raw)  # type: ignore[no-any-return]  # the decoder's table is untyped


def decode_ack(raw: bytes) -> Ack:
    """Raises WireError where ``raw`` is no Ack."""
    return _decode(Ack, raw)  # type: ignore[no-any-return]  # the decoder's table is untyped


def decode_heartbeat(raw: bytes) -> Heartbeat:
    """Raises WireError where ``raw`` is no Heartbeat."""
    return _decode(Heartbeat, raw)  # type: ignore[no-any-return]  # the decoder's table is untyped


def _decode(kind: type, raw: bytes) -> Any:
    try:
        return _decoders[kind].decode(raw)
    except UNREADABLE as exception:
        raise WireError(f"not a {kind.__name__}: {exception}") from None
