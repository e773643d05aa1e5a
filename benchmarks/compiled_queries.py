"""What compiled queries save beside the ORM, on SQLite: ``python -m benchmarks.compiled_queries``.

One row found, updated and inserted, and a whole change of a layer (its transaction, its row of the history, its
publication), each once with `strategy_config.store.compiled_queries` and once with the same three functions on the ORM.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
from django.conf import settings
from django.core.management import call_command
from django.db import models, transaction

from benchmarks.measure import interleave, machine, noise, table
from embedded.servers import Valkey

CALLS = 500
CHANGES = 100
RUNS = 9
STRATEGY = "orderbook_skew"
SYMBOL = "BTCUSDT"


def main() -> None:
    """Run everything and print it."""
    print(machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Valkey(Path(folder) / "valkey") as valkey:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.test")
        settings.REDIS_URL = valkey.url
        settings.DATABASES["default"]["NAME"] = str(Path(folder) / "site.sqlite3")
        django.setup()
        call_command("migrate", verbosity=0)
        report()
    print(noise())


def report() -> None:
    """Each case with both, by turns."""
    cases = {"find": _find, "update": _update, "insert": _insert, "a whole change": _change}
    ways = {"compiled": _compiled, "ORM": _orm}
    samples = interleave(
        {
            (case, way): partial(_timed, act, in_that_way)
            for case, act in cases.items()
            for way, in_that_way in ways.items()
        },
        runs=RUNS,
    )
    rows = []
    for case in cases:
        both = [samples[case, way] for way in ways]
        figures = [figure for each in both for figure in (f"{each.median * 1e6:,.0f}", f"{each.spread:.0%}")]
        rows.append((case, *figures, f"{both[1].ratio(both[0]):.2f}"))
    print(table((f"SQLite, CPU µs each, {RUNS} runs", "compiled", "spread", "ORM", "spread", "ORM / compiled"), rows))


def _timed(act: Callable[[], int], way: Callable[[], Any]) -> float:
    with way():
        started = time.process_time()
        calls = act()
        return (time.process_time() - started) / calls


def _find() -> int:
    from strategy_config.models import StrategyConfig
    from strategy_config.store import compiled_queries

    for _ in range(CALLS):
        compiled_queries.find(StrategyConfig, strategy_id=STRATEGY)
    return CALLS


def _update() -> int:
    from strategy_config.models import StrategyConfig
    from strategy_config.store import compiled_queries

    row = StrategyConfig.objects.get(strategy_id=STRATEGY)
    with transaction.atomic():
        for _ in range(CALLS):
            compiled_queries.update(row)
    return CALLS


def _insert() -> int:
    from django.utils import timezone

    from strategy_config.models import ConfigAudit
    from strategy_config.store import compiled_queries

    with transaction.atomic():
        for version in range(1, CALLS + 1):
            row = ConfigAudit(strategy_id=STRATEGY, symbol="OTHER", version=version, changed_at=timezone.now())
            compiled_queries.insert(row)
        transaction.set_rollback(True)
    return CALLS


def _change() -> int:
    from django.utils import timezone

    from strategy_config.history.origins import Origin
    from strategy_config.services import layers

    for number in range(CHANGES):
        origin = Origin("bench", "bench", "command", request_id="", at=timezone.now())
        layers.merge_layer(
            strategy_id=STRATEGY, symbol=SYMBOL, parameters={"buy_threshold": 1.2 + number % 2 * 0.1}, origin=origin
        )
    return CHANGES


@contextmanager
def _compiled() -> Iterator[None]:
    yield


@contextmanager
def _orm() -> Iterator[None]:
    from strategy_config.store import compiled_queries

    with patch.multiple(compiled_queries, find=_orm_find, update=_orm_update, insert=_orm_insert):
        yield


def _orm_find(model: Any, *, is_locked: bool = False, **columns: Any) -> Any:
    rows = model._default_manager.filter(**columns)
    return next(iter(rows.select_for_update() if is_locked else rows), None)


def _orm_update(row: models.Model, *names: str) -> None:
    row.save(force_update=True, update_fields=names or None)


def _orm_insert(row: models.Model) -> None:
    row.save(force_insert=True)


if __name__ == "__main__":
    main()
