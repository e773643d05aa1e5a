"""One item of many that fails: it is logged and counted, and never stops the work on the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.redis.redis_client import SharedCacheUnavailableError
from strategy_config.store import metrics

Work = Literal["expiry", "document", "publication", "task_step", "halt"]

logger = structlog.get_logger(__name__)


@contextmanager
def contained(work: Work, **item: str | int | None) -> Iterator[None]:
    """Let the caller go on with the next item whatever goes wrong with this one, which ``item`` names in the log.

    Without the store or Redis no other item would do better: these errors pass.
    """
    try:
        yield
    except (StoreUnavailableError, SharedCacheUnavailableError):
        raise
    except Exception:
        logger.exception("item.failed", work=work, **item)
        metrics.item_failures.labels(work).inc()
