"""What the API answers to whoever follows changes, as models like those of `answers`."""

from strategy_config.api.answers import Answer, AuditAction, Instant, Metadata, Success


class Change(Answer):
    """One accepted change, as it also goes to NATS; symbol null: the global layer."""

    sequence: int
    strategy_id: str
    symbol: str | None
    action: AuditAction
    version: int
    changed_by: str
    reason: str
    changed_at: Instant


class ChangesMetadata(Metadata):
    """``latest``: the last sequence that there is. Where the page ends before it, ask again from its last one."""

    count: int
    latest: int


class Changes(Success):
    data: list[Change]
    metadata: ChangesMetadata
