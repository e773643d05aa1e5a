"""The scheduled tasks. A task may run twice at once: each step is guarded by a sequence in the database or Redis."""

import structlog
from celery import shared_task
from django.utils import timezone

from strategy_config.accounts import identities
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.history import integrity
from strategy_config.publication import publisher
from strategy_config.redis import redis_client
from strategy_config.resolution import item_failures
from strategy_config.services import expiries, misfit_history, old_runtimes, renamed_strategies, told_halts
from strategy_config.tasks.task_metrics import Outcome, audit_intact, measured, redis_may_evict

log = structlog.get_logger(__name__)


@shared_task(name="strategy_config.tasks.reconcile")
@measured
def reconcile() -> Outcome:
    """Record the values that have expired or no longer fit, and publish the changes that Redis has missed.

    No step stops the ones after it.
    """
    is_published = False
    try:
        with item_failures.contained("task_step", step="expire"):
            expiries.expire_due(at=timezone.now())
        with item_failures.contained("task_step", step="halts"):
            _take_in_halts()
        with item_failures.contained("task_step", step="take_over_renamed"):
            renamed_strategies.take_over_renamed(at=timezone.now())
        with item_failures.contained("task_step", step="record_misfits"):
            misfit_history.record(timezone.now())
        with item_failures.contained("task_step", step="publish"):
            is_published = publisher.publish_pending()
        with item_failures.contained("task_step", step="rewrite_in_another_format"):
            publisher.rewrite_in_another_format()
        with item_failures.contained("task_step", step="repair"):
            is_published = publisher.repair_where_asked() and is_published
        with item_failures.contained("task_step", step="announce"):
            identities.announce()
    except StoreUnavailableError as exception:
        log.warning("reconcile.postponed", error=str(exception))
        return "postponed"
    return "done" if is_published else "postponed"


def _take_in_halts() -> None:
    """Store the halts that reached runtimes without the site; they are read from Redis."""
    try:
        told_halts.take_in_told(at=timezone.now())
        old_runtimes.cover_old_runtimes(at=timezone.now())
    except RedisUnavailableError as exception:
        log.info("halts.postponed", error=str(exception))


@shared_task(name="strategy_config.tasks.rewrite")
@measured
def rewrite() -> Outcome:
    """Compare Redis with the database, and repair every difference."""
    try:
        publisher.rewrite_all(is_forced=False)
        note_eviction()
    except (StoreUnavailableError, RedisUnavailableError) as exception:
        log.warning("rewrite.postponed", error=str(exception))
        return "postponed"
    return "done"


def note_eviction() -> None:
    """Measure whether Redis may evict keys, and warn if it may."""
    policy = redis_client.maxmemory_policy()
    redis_may_evict.set(float("nan") if policy is None else policy != "noeviction")
    if policy not in {None, "noeviction"}:
        log.warning("shared_cache.may_evict", maxmemory_policy=policy)


@shared_task(name="strategy_config.tasks.verify_audit")
@measured
def verify_audit() -> Outcome:
    """Verify the whole history; a bad row is logged as an error, the checkpoint as information."""
    try:
        found = integrity.check()
    except StoreUnavailableError as exception:
        log.warning("audit.postponed", error=str(exception))
        return "postponed"
    audit_intact.set(found.bad is None)
    if found.bad is None:
        log.info("audit.verified", rows=found.rows, position=found.position, hash=found.hash)
    else:
        log.error("audit.broken", position=found.bad.position, problem=found.bad.problem, holds_to=found.position)
    return "done"
