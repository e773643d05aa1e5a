"""What the stream of changes carries, and what others are told of a change. Pure."""

from typing import Literal

import msgspec

from strategy_core.configuration import wire_json
from strategy_core.configuration.redis_keys import field_name

CHANGES_SUBJECT = "config.changed"
GLOBAL = "global"
EVERY_STRATEGY = "all"


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
    here or, too large for the stream, under `Keys.change_set`. Who does not know sets sees a gap, and reads all.
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


decode_change = wire_json.decoder(Change)
decode_set = wire_json.decoder(SetContent)
