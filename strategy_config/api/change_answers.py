"""What the API answers to whoever follows changes, as models like those of `answers`."""

from typing import Literal

from strategy_config.api.answers import Answer, AuditAction, Instant, Metadata, Success


class Change(Answer):
    """One accepted change, as it also goes to NATS; symbol null: the global layer.

    A halt and a resume have a ``halt_id``, no version, and for strategy and symbol what is halted (null: all).
    """

    sequence: int
    strategy_id: str | None
    symbol: str | None
    action: AuditAction | Literal["HALT", "RESUME"]
    version: int | None
    changed_by: str
    reason: str
    changed_at: Instant
    halt_id: str | None = None


class ChangesMetadata(Metadata):
    """``latest``: the last sequence that there is. Where the page ends before it, ask again from its last one."""

    count: int
    latest: int


class Changes(Success):
    data: list[Change]
    metadata: ChangesMetadata
