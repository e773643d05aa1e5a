"""The live feed as a process: its settings, its sources side by side, and its end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from embedded.servers import NatsServer
from realtime_runtime.command_line import main
from realtime_runtime.feeds.live import live_settings
from service_kit.environment import SettingsError
from tests.feeds.conftest import STOP_SECONDS
from tests.feeds.servers.binance import SimulatedBinance
from tests.feeds.servers.http import JsonServer
from tests.feeds.test_binance import TRADE, trade
from tests.feeds.test_cli import COMMAND, finish
from tests.feeds.test_onchain import METRICS, day
from tests.piped_process import start_piped
from tests.waiting import eventually


def start_live(server: NatsServer, topic: str, **environ: str) -> subprocess.Popen[str]:
    own = {"NATS_URL": server.url, "NATS_CONSUMER_TOPIC": topic, "LOG_FORMAT": "json", "TRADING_SYMBOLS": "BTCUSDT"}
    own["FEED_HEALTH_PORT"] = "0"
    return start_piped([*COMMAND, "live"], os.environ | own | environ, stderr=subprocess.STDOUT)


async def start_on_trades(server: NatsServer, topic: str, binance: SimulatedBinance) -> subprocess.Popen[str]:
    """A feed of BTCUSDT's trades alone, once the exchange has its subscription."""
    process = start_live(
        server, topic, FEED_SOURCES="binance", BINANCE_SPOT_WS_URL=binance.url, BINANCE_STREAMS="trade"
    )
    await eventually(lambda: binance.streams == [TRADE])
    return process


async def end_of(process: subprocess.Popen[str]) -> list[str]:
    """The names of the events of a feed that was asked to end; it has, well, and within 5 s by its own log."""
    output = await finish(process)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    entries = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    asked, ended = (datetime.fromisoformat(entry["timestamp"]) for entry in entries[-2:])
    assert (ended - asked).total_seconds() < STOP_SECONDS
    return [entry["event"] for entry in entries]


@pytest.mark.parametrize(
    ("environ", "name", "problem"),
    [
        ({"FEED_SOURCES": "binance,weather"}, "FEED_SOURCES", "must be some of binance, exchanges"),
        ({"BINANCE_MARKETS": "spot,usdm"}, "BINANCE_USDM_TOPIC", "must differ from the spot topic"),
        ({"BINANCE_BOOK_SPEED": "0ms"}, "BINANCE_BOOK_SPEED", "only usdm has 0ms"),
        ({"BINANCE_STREAMS": "trade,kline_1m"}, "BINANCE_STREAMS", "no use for kline_1m"),
        ({"BINANCE_STREAMS": "trade,nonsense"}, "BINANCE_STREAMS", "no use for nonsense"),
        ({"BINANCE_SPOT_WS_URL": "https://x.example"}, "BINANCE_SPOT_WS_URL", "ws:// or wss://"),
        ({"PRICE_EXCHANGES": "binance"}, "PRICE_EXCHANGES", "must be some of coinbase"),
        ({"PRICE_EXCHANGE_URLS": "kraken"}, "PRICE_EXCHANGE_URLS", "exchange=URL"),
        ({"PRICE_USD_AS_USDT": "maybe"}, "PRICE_USD_AS_USDT", "true or false"),
        ({"DOMINANCE_INTERVAL_SECONDS": "0"}, "DOMINANCE_INTERVAL_SECONDS", "between 0.1 and 86400"),
        ({"FEED_HEALTH_PORT": "high"}, "FEED_HEALTH_PORT", "between 0 and 65535"),
        ({"TRADING_SYMBOLS": "BTC/USDT"}, "TRADING_SYMBOLS", "not a symbol: BTC/USDT"),
    ],
)
def test_live_settings__unusable__stop_the_start_by_name(
    environ: dict[str, str],
    name: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SettingsError) as raised:
        live_settings.read(environ)
    assert problem in raised.value.problems[name]
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert main(["feed", "live"]) == 2
    assert problem in capsys.readouterr().err


def test_live_settings__keys__are_not_shown() -> None:
    environ = {"COINGECKO_API_KEY": "s3cret", "COINMETRICS_API_KEY": "s3cret", "WHALE_ALERT_API_KEY": "s3cret"}
    assert "s3cret" not in repr(live_settings.read(environ))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_feed_live__signal__ends_within_5_seconds_with_0(
    number: signal.Signals,
    nats_server: NatsServer,
    nats_subject: str,
    binance: SimulatedBinance,
    listen: Callable[[str], Any],
) -> None:
    arrivals = await listen(nats_subject)
    process = await start_on_trades(nats_server, nats_subject, binance)
    await binance.send(TRADE, trade(1))
    await eventually(lambda: bool(arrivals.messages))
    process.send_signal(number)
    events = await end_of(process)
    assert events[0] == "feed.started"
    assert events[-2:] == ["feed.signal", "feed.stopped"]


async def test_feed_live__nats_away_at_the_end__ends_within_5_seconds(
    fresh_nats: NatsServer, nats_subject: str, binance: SimulatedBinance
) -> None:
    process = await start_on_trades(fresh_nats, nats_subject, binance)
    fresh_nats.stop()
    await binance.send(TRADE, trade(1))
    process.send_signal(signal.SIGTERM)
    await end_of(process)


async def test_feed_live__nats_hangs_at_the_end__ends_within_5_seconds(
    fresh_nats: NatsServer, nats_subject: str, binance: SimulatedBinance
) -> None:
    process = await start_on_trades(fresh_nats, nats_subject, binance)
    fresh_nats.pause()
    # More than the sockets between them hold: closing the connection would wait for the server to take it.
    for number in range(1, 101):
        await binance.send(TRADE, trade(number) | {"padding": "x" * 200_000})
    process.send_signal(signal.SIGTERM)
    await end_of(process)


async def test_feed_live__nats_never_there__ends_within_5_seconds(nats_server: NatsServer, nats_subject: str) -> None:
    process = start_live(nats_server, nats_subject, FEED_SOURCES="binance", NATS_URL="nats://127.0.0.1:1")
    assert process.stdout is not None
    assert "trying again until it works" in await asyncio.to_thread(process.stdout.readline)
    process.send_signal(signal.SIGTERM)
    await end_of(process)


async def test_feed_live__ended_while_it_loads_a_library__does_not_wait_for_it(
    nats_server: NatsServer, nats_subject: str
) -> None:
    process = start_live(nats_server, nats_subject, FEED_SOURCES="exchanges", PRICE_EXCHANGES="coinbase")
    assert process.stdout is not None
    assert "feed.started" in await asyncio.to_thread(process.stdout.readline)
    process.send_signal(signal.SIGTERM)
    await end_of(process)


@pytest.mark.slow
async def test_feed_live__debugging__logs_no_key(nats_server: NatsServer, nats_subject: str) -> None:
    async with JsonServer() as server:
        server.answers[METRICS] = {"data": [day("btc", 1, AdrActCnt="1")]}
        environ = {"FEED_SOURCES": "onchain", "ONCHAIN_INTERVAL_SECONDS": "0.1", "COINMETRICS_URL": server.url}
        process = start_live(
            nats_server, nats_subject, **environ, COINMETRICS_API_KEY="s3cret", LOG_LEVEL="DEBUG", LOG_FORMAT="json"
        )
        await eventually(lambda: server.asked(METRICS) >= 2, 60)
        process.send_signal(signal.SIGTERM)
        output = await finish(process)
    assert [query["api_key"] for _, query, _ in server.requests] == ["s3cret"] * len(server.requests)
    assert "feed.started" in output
    assert "s3cret" not in output


def test_feed_live__large_libraries__are_not_imported_before_their_source_runs() -> None:
    large = {"ccxt", "requests"}
    code = f"import sys, realtime_runtime.command_line; print(sorted({large!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
