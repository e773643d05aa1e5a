"""Halts hold whatever they are asked for with, and whenever the process ends."""

from pathlib import Path

import pytest

from realtime_runtime import settings
from realtime_runtime.assembly import assemble
from strategy_core.configuration.halts import EVERYTHING, Scope
from tests.runtime.conftest import Environ, RunningApp
from tests.runtime.test_halts import BOTH, SKEW, Asking, servers

__all__ = ["servers"]  # a fixture of the neighbours


@BOTH
async def test_halt__under_an_id_that_halts_something_else__holds_beside_it(
    servers: Environ, running_app: RunningApp, ask: Asking
) -> None:
    async with running_app(servers) as app:
        _, narrow = await ask(app, {"scope": {"symbol": "ETHUSDT"}})
        for _ in range(2):
            _, answer = await ask(app, {"id": narrow["id"], "scope": {}})
            assert answer["halted"] is True
            assert answer["scope"] == {}
        assert {halt.scope for halt in app.runtime.halting.halts.held} == {EVERYTHING, Scope(symbol="ETHUSDT")}


@BOTH
@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTC/USDT", " BTCUSDT", "ВTCUSDT"])  # noqa: RUF001  (Cyrillic)
async def test_halt__of_what_is_no_symbol__halts_everything_and_says_so(
    servers: Environ, running_app: RunningApp, ask: Asking, symbol: str
) -> None:
    async with running_app(servers) as app:
        _, answer = await ask(app, {"scope": {"symbol": symbol}})
        assert answer["scope"] == {}
        assert app.runtime.halting.halts.is_halted(SKEW, "BTCUSDT")


def test_file__damaged_and_the_process_ends_before_it_is_written_anew__the_next_start_halts_too(
    environ: Environ, tmp_path: Path
) -> None:
    path = tmp_path / "halts.json"
    path.write_bytes(b"\0" * 100)
    for _ in range(2):
        runtime = assemble(settings.read(environ | {"HALTS_PATH": str(path)}))
        runtime.halting.load()
        assert runtime.halting.halts.is_halted(SKEW, "BTCUSDT")
    assert path.with_name("halts.json.damaged").read_bytes() == b"\0" * 100
