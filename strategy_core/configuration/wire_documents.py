"""What Redis holds of a layer: documents, in the formats that are in use. Pure.

Format 1 names the values that a layer itself sets ``overrides``, as the HTTP contract does; format 2 names them
``own``. Both are read. A site writes format 2 once every live runtime says in its heartbeat that it reads it.
"""

from typing import Any, Literal

import msgspec

from strategy_core.configuration import wire_json
from strategy_core.configuration.layers import Source
from strategy_core.market.decoding import UNREADABLE

Format = Literal[1, 2]
FORMATS: tuple[Format, ...] = (1, 2)


class RefusedValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value that ``layer`` sets and that does not fit, so that another one is in force; ``message`` says why."""

    parameter: str
    layer: Source
    value: Any
    message: str


class LayerConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One layer, resolved: exactly the ``ConfigResponse`` of the HTTP contract.

    ``parameters`` are all of the strategy's, ``own`` those that the layer itself sets (clients know them as
    ``overrides``). ``version`` is the layer's (0: never set). ``source`` is "default", "environment" or the kind of the
    store. Times are ISO 8601 in UTC. ``refused`` is left out where it is empty.
    """

    strategy_id: str
    symbol: str | None
    enabled: bool
    parameters: dict[str, Any]
    version: int
    source: str
    is_override: bool
    sources: dict[str, Source]
    own: dict[str, Any] = msgspec.field(name="overrides")
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
    without halts; these are the switches of ``config`` and ``after`` themselves: `decode_document` puts them back.
    """

    config: LayerConfig
    global_version: int
    symbol_version: int
    expires_at_ms: int | None = None
    after: LayerConfig | None = None
    wanted: Switches | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_covered(self) -> bool:
        """Whether a halt covers the layer, so that the switches are not those of the layer."""
        return self.wanted is not msgspec.UNSET

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


def encode_document(document: Document, document_format: Format) -> bytes:
    """The document as JSON, in a format that its readers know."""
    if document_format == 1:
        return wire_json.encode(_Document1(**_members(document)))
    members = _members(document)
    for name in ("config", "after"):
        if members[name] is not None:
            members[name] = _LayerConfig2(**_members(members[name]))
    return wire_json.encode(_Document2(**members))


def decode_document(raw: bytes) -> Document:
    """The document as it is without halts, of either format. Raises WireError where ``raw`` is no Document."""
    return stored_document(raw).uncovered()


def stored_document(raw: bytes) -> Document:
    """The document as a halt may have left it on the wire. Raises WireError where ``raw`` is no Document."""
    found = _decode(raw)
    members = _members(found)
    if isinstance(found, _Document2):
        for name in ("config", "after"):
            if members[name] is not None:
                members[name] = LayerConfig(**_members(members[name]))
    return Document(**members)


def format_of(raw: bytes) -> int | None:
    """The format that ``raw`` says it is in; None where it says none."""
    try:
        return _decode_format(raw).format
    except UNREADABLE:
        return None


class _Formatted(msgspec.Struct):
    format: int | None = None


_decode_format = msgspec.json.Decoder(_Formatted).decode


class _Document1(Document, frozen=True, kw_only=True, tag_field="format", tag=1):
    """As format 1 writes it."""


class _LayerConfig2(LayerConfig, frozen=True, kw_only=True, omit_defaults=True):
    own: dict[str, Any] = msgspec.field(name="own")


class _Document2(Document, frozen=True, kw_only=True, tag_field="format", tag=2):
    """As format 2 writes it."""

    config: _LayerConfig2
    after: _LayerConfig2 | None = None


_decoder = msgspec.json.Decoder(_Document1 | _Document2)


def _decode(raw: bytes) -> _Document1 | _Document2:
    try:
        found: _Document1 | _Document2 = _decoder.decode(raw)
    except UNREADABLE as exception:
        raise wire_json.WireError(f"not a Document: {exception}") from None
    return found


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
