"""How far the history was verified piece by piece, remembered in Redis for the history page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.history import positions, verification
from strategy_config.history.checkpoints import Checkpoint, verified_key
from strategy_config.history.verification import Verification
from strategy_config.redis import redis_client

VERIFIED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class ChainState:
    """How far the history was verified: ``at`` None, never (or Redis cannot tell)."""

    checkpoint: Checkpoint
    head: int
    at: datetime | None


def chain_state() -> ChainState:
    """What was verified last; raises StoreUnavailableError."""
    try:
        checkpoint, at = _remembered()
    except RedisUnavailableError:
        checkpoint, at = Checkpoint(), None
    return ChainState(checkpoint, positions.last_position(), at)


def verify_on(at: datetime) -> tuple[Verification, int]:
    """Verify the next rows after what was verified last, and remember how far; answers also the last position.

    A bad row is never passed. What is remembered is a convenience: ``manage.py verify_audit`` walks everything.
    Raises RedisUnavailableError, StoreUnavailableError.
    """
    checkpoint, _ = _remembered()
    found = verification.verify_next(checkpoint, limit=VERIFIED_AT_ONCE)
    if found.bad is None:
        told: dict[Any, Any] = {"position": found.position, "hash": found.hash, "at": at.isoformat()}
        redis_client.run(lambda client: client.hset(verified_key(), mapping=told))
    return found, positions.last_position()


def _remembered() -> tuple[Checkpoint, datetime | None]:
    raw: Any = redis_client.run(lambda client: client.hgetall(verified_key()))
    if not raw:
        return Checkpoint(), None
    # Before there were positions, the sequence was that.
    position = int(raw.get(b"position") or raw[b"sequence"])
    return Checkpoint(position, raw[b"hash"].decode()), datetime.fromisoformat(raw[b"at"].decode())
