"""The whole check of the history: the store in itself, and against what Redis remembers of it."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.history import checkpoints, positions, verification
from strategy_config.history.checkpoints import Checkpoint, Witness
from strategy_config.history.verification import Verification

log = structlog.get_logger(__name__)


def check(
    from_position: int = 0,
    *,
    against: Iterable[Checkpoint] = (),
    is_redis_asked: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Verify the history, also against what Redis has kept and against ``against``; where it holds, keep that it did.

    Redis being away makes the check a smaller one, and no failure. Raises StoreUnavailableError.
    """
    seen = _witness() if is_redis_asked else None
    known = seen or Witness()
    relayed = positions.relayed_sequence()
    wanted = replace(known, checkpoints=(*known.checkpoints, *against))
    found = verification.verify(from_position, witness=wanted, progress=progress)
    if seen is not None and found.bad is None:
        _keep(found, relayed, seen)
    return found


def _witness() -> Witness | None:
    try:
        return checkpoints.witness()
    except RedisUnavailableError as exception:
        log.warning("audit.checkpoints_unknown", error=str(exception))
        return None


def _keep(found: Verification, relayed: int, seen: Witness) -> None:
    try:
        checkpoint = Checkpoint(found.position, found.hash)
        is_published = seen.sequence is not None and seen.sequence <= positions.last_sequence()
        farthest = max(relayed, seen.relayed or 0)
        checkpoints.keep(checkpoint, relayed=farthest, known=seen.checkpoints, is_published=is_published)
    except RedisUnavailableError as exception:
        log.warning("audit.checkpoint_not_kept", error=str(exception))


def forget_checkpoints() -> bool:
    """Forget what Redis remembers of the history, because it was replaced on purpose; false while Redis is down."""
    try:
        checkpoints.forget()
    except RedisUnavailableError:
        return False
    return True
