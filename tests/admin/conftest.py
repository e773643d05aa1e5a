"""Clients of each group, and a store of the size that the pages must stay quick at."""

from collections.abc import Callable
from itertools import cycle

import pytest
from django.db import connection
from django.test import Client

from realtime_runtime.strategies.registry import STRATEGIES
from strategy_config.models import ChangeSequence, StrategyConfig, SymbolOverride
from tests.factories import NOON, UserFactory
from tests.strategy_config.conftest import cache

__all__ = ["cache"]

OVERRIDES = 1_000
AUDIT_ROWS = 100_000
# SQLite's own: through the models it takes a minute.
_HISTORY = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
    INSERT INTO strategy_config_audit
        (id, sequence, strategy_id, symbol, action, version, old_parameters, new_parameters, changes, changed_by,
         actor, channel, request_id, changed_at, reason, hash, previous_hash)
    SELECT printf('%%032x', n), n, s.strategy_id, '', 'UPDATE', (n + 7) / 8, '{"base_confidence": 0.6}',
        '{"base_confidence": 0.7}', '[{"parameter": "base_confidence", "old": 0.6, "new": 0.7}]',
        CASE n %% 2 WHEN 1 THEN 'alice' ELSE 'bob' END, 'trader', 'admin', '',
        datetime('2024-08-08 12:00:00', n || ' seconds'), 'tighter in low volatility',
        printf('%%064x', n), printf('%%064x', n - 1)
    FROM numbers JOIN (SELECT strategy_id, row_number() OVER (ORDER BY strategy_id) AS number FROM strategy_configs) s
        ON s.number = n %% 8 + 1
"""


@pytest.fixture
def login(db: None) -> Callable[[str], Client]:
    """A client that is logged in as a member of the group."""

    def client(group: str) -> Client:
        user = UserFactory(username=group, groups=(group,), is_staff=True)
        found = Client()
        found.force_login(user)
        return found

    return client


@pytest.fixture
def crowded_store(db: None) -> None:
    """1,000 overrides and 100,000 rows of history (without the hashes of a chain)."""
    strategies = cycle(STRATEGIES)
    overrides = [
        SymbolOverride(
            strategy_id=next(strategies),
            symbol=f"SYM{index // len(STRATEGIES):04}USDT",
            parameters={"base_confidence": 0.6 + index % 30 / 100},
            version=1,
            enabled=index % 10 > 0,
            created_at=NOON,
            updated_at=NOON,
            updated_by="alice",
            reason="a bulk",
        )
        for index in range(OVERRIDES)
    ]
    SymbolOverride.objects.bulk_create(overrides, batch_size=500)
    StrategyConfig.objects.update(parameters={"base_confidence": 0.7}, version=1, updated_at=NOON, updated_by="alice")
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, [AUDIT_ROWS])
    ChangeSequence.objects.update(value=AUDIT_ROWS, head_hash="0" * 64)
