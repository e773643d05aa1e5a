"""One item of many that fails: it is logged and counted, and never stops the work on the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import structlog
from prometheus_client import Counter

from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError

Work = Literal["expiry", "document", "publication", "task_step", "halt"]

log = structlog.get_logger(__name__)
_failures = Counter(
    "configsite_item_failures",
    "Items that failed while the others succeeded: an expiry, a document, a publication, a task's step.",
    ["work"],
)
for _work in get_args(Work):
    # From the start on, so that Prometheus sees the first failure as a rise.
    _failures.labels(_work)


@contextmanager
def contained(work: Work, **item: str | int | None) -> Iterator[None]:
    """Let the caller go on with the next item whatever goes wrong with this one, which ``item`` names in the log.

    Without the store or Redis no other item would do better: these errors pass.
    """
    try:
        yield
    except (StoreUnavailableError, RedisUnavailableError):
        raise
    except Exception:
        log.exception("item.failed", work=work, **item)
        _failures.labels(work).inc()
