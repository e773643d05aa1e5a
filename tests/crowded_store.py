"""A store of the size that the console's pages must stay quick at."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from typing import Any

from django.db import connection

from strategy_config.models import ChangeSequence, ConfigAudit, StrategyConfig, SymbolOverride
from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.strategies.registry import STRATEGIES
from tests.console_pages import AUDIT_ROWS, OVERRIDES
from tests.factories import NOON

# Elsewhere than on SQLite every row of history goes through a model, and the wire server that stands in for MongoDB is
# slow with many: enough of them for counts of queries, and no more.
FEWER = 300
BATCH_SIZE = 100
# SQLite's own: through the models it takes a minute.
_HISTORY = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)
    INSERT INTO strategy_config_audit
        (id, position, sequence, strategy_id, symbol, action, version, old_parameters, new_parameters, changes,
         changed_by, actor, channel, request_id, changed_at, reason, hash, previous_hash)
    SELECT printf('%%032x', n), n, n, s.strategy_id, '', 'UPDATE', (n + 7) / 8, '{"base_confidence": 0.6}',
        '{"base_confidence": 0.7}', '[{"parameter": "base_confidence", "old": 0.6, "new": 0.7}]',
        CASE n %% 2 WHEN 1 THEN 'alice' ELSE 'bob' END, 'trader', 'admin', '',
        datetime('2024-08-08 12:00:00', n || ' seconds'), 'tighter in low volatility',
        printf('%%064x', n), printf('%%064x', n - 1)
    FROM numbers JOIN (SELECT strategy_id, row_number() OVER (ORDER BY strategy_id) AS number FROM strategy_configs) s
        ON s.number = n %% 8 + 1
"""


def fill() -> None:
    """1,000 overrides, and 100,000 rows of history without the hashes of a chain; FEWER where they are dear."""
    count = FEWER if connection.vendor == "mongodb" else OVERRIDES
    own_values = {strategy_id: _own_value(strategy) for strategy_id, strategy in STRATEGIES.items()}
    overrides = [
        SymbolOverride(
            strategy_id=strategy_id,
            symbol=f"SYM{index // len(STRATEGIES):04}USDT",
            parameters=own,
            version=1,
            enabled=index % 10 > 0,
            created_at=NOON,
            updated_at=NOON,
            updated_by="alice",
            reason="a bulk",
        )
        for index, (strategy_id, own) in zip(range(count), cycle(own_values.items()), strict=False)
    ]
    SymbolOverride.objects.bulk_create(overrides, batch_size=BATCH_SIZE)
    for strategy_id, own in own_values.items():
        StrategyConfig.objects.filter(strategy_id=strategy_id).update(
            parameters=own, version=1, updated_at=NOON, updated_by="alice"
        )
    if connection.vendor == "sqlite":
        rows = AUDIT_ROWS
        with connection.cursor() as cursor:
            cursor.execute(_HISTORY, [rows])
    else:
        rows = FEWER
        ConfigAudit.objects.bulk_create(_history(rows), batch_size=BATCH_SIZE)
    ChangeSequence.objects.update(value=rows, position=rows, head_hash="0" * 64, position_hash="0" * 64)


def _own_value(strategy: StrategyClass) -> dict[str, Any]:
    """A parameter of the strategy at its default, which fits with all others."""
    spec = strategy.specs()[0]
    return {spec.name: spec.default}


def _history(rows: int) -> Iterator[ConfigAudit]:
    strategies = list(STRATEGIES)
    for number in range(1, rows + 1):
        yield ConfigAudit(
            position=number,
            sequence=number,
            strategy_id=strategies[number % len(strategies)],
            action="UPDATE",
            version=(number + 7) // len(strategies),
            old_parameters={"base_confidence": 0.6},
            new_parameters={"base_confidence": 0.7},
            changes=[{"parameter": "base_confidence", "old": 0.6, "new": 0.7}],
            changed_by="alice" if number % 2 else "bob",
            actor="trader",
            channel="admin",
            changed_at=NOON + timedelta(seconds=number),
            reason="tighter in low volatility",
            hash=f"{number:064x}",
            previous_hash=f"{number - 1:064x}",
        )
