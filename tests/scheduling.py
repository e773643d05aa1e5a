"""Which tests one process runs (`pytest -n 2 --dist loadscope`): those that share something costly, which starts once.

All others go one by one to the process that is free next. pytest-xdist's own groups (`--dist loadgroup`) do nothing
under pytest 9.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/api/",
    "tests/contract/test_acceptance.py",
    "tests/e2e/",
    "tests/embedded/test_mongo.py",
    "tests/monitoring/test_stack.py",
    "tests/security/test_logins.py",
    "tests/security/test_rate_limits.py",
    "tests/strategy_config/test_mongodb_lost.py",
)
# Tests that take long each: one that came last would be waited for by the other process.
EARLY = (
    "tests/contract/test_fuzz.py",
    "tests/embedded/test_run.py",
    "tests/integration/test_integrity.py",
    "tests/security/test_secrets.py",
)


class TogetherScheduling(LoadScopeScheduling):
    """The largest group first, then the rest in its order."""

    def _split_scope(self, nodeid: str) -> str:
        return next((path for path in TOGETHER if nodeid.startswith(path)), nodeid)


def put_long_ones_first(items: list[pytest.Item]) -> None:
    """Move what is in EARLY to the front; the rest keeps its order."""
    items.sort(key=lambda item: not item.nodeid.startswith(EARLY))
