"""Which tests one process runs (`pytest -n 2 --dist loadscope`): those that share something costly, which starts once.

All others go one by one to the process that is free next. pytest-xdist's own groups (`--dist loadgroup`) do nothing
under pytest 9.
"""

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


class TogetherScheduling(LoadScopeScheduling):
    """The largest group first, then the rest in its order."""

    def _split_scope(self, nodeid: str) -> str:
        return next((path for path in TOGETHER if nodeid.startswith(path)), nodeid)
