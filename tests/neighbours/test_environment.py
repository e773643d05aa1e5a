"""The environment of the original, as its ConfigMap gives it: both processes start, and say what nothing reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from embedded.servers import free_port
from realtime_runtime import settings
from tests.conftest import PROJECT_ROOT

ORIGINAL = {
    "ENVIRONMENT": "staging",
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "text",
    "NATS_CONSUMER_TOPIC": "binance.websocket.data",
    "NATS_TOPIC_INTENTS": "cio.intent.trading.*",
    "NATS_CONSUMER_NAME": "realtime-strategies-consumer",
    "TRADING_SYMBOLS": "BTCUSDT,ETHUSDT,BNBUSDT",
    "HEARTBEAT_INTERVAL_SECONDS": "60",
    "MESSAGE_TTL_SECONDS": "60",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "ORDERBOOK_SKEW_BUY_THRESHOLD": "1.3",
    "SPREAD_THRESHOLD_PERCENT": "0.6",
    "STRATEGY_ENABLED_BTC_DOMINANCE": "false",
}
UNREAD = {
    "NATS_CONSUMER_GROUP": "realtime-strategies-group",
    "RISK_STOP_LOSS_PERCENT": "1",
    "RISK_TAKE_PROFIT_PERCENT": "2",
    "CONFIG_RATE_LIMIT_PER_AGENT": "10",
    "CONFIG_RATE_LIMIT_COOLDOWN": "300",
    "TRADEENGINE_URL": "http://tradeengine.example",
    "TA_BOT_URL": "http://ta-bot.example",
    "NATS_PUBLISHER_TOPIC": "intent.trading",
    "ENABLE_OTEL": "false",
    "ORDERBOOK_SKEW_BUY_TRESHOLD": "1.4",
    "STRATEGY_ENABLED_ICEBERG": "false",
}


def test_runtime__with_the_originals_environment__takes_it_and_names_what_it_does_not_read() -> None:
    read = settings.read(ORIGINAL | UNREAD)
    assert read.nats_topic_intents == "cio.intent.trading"
    assert (read.heartbeat_interval_seconds, read.heartbeat_ttl_seconds) == (60.0, 180)
    assert read.log_format == "console"
    assert read.strategy_environment["orderbook_skew"].values == {"buy_threshold": 1.3}
    assert read.strategy_environment["cross_exchange_spread"].values == {"spread_threshold_percent": 0.6}
    assert not read.strategy_environment["btc_dominance"].enabled
    assert {each.variable for each in read.unread_variables} == UNREAD.keys()


@pytest.mark.parametrize("wildcard", ["", ".*", ".>"])
def test_subject__with_a_readers_wildcard__is_cut(wildcard: str) -> None:
    assert settings.read({"NATS_TOPIC_INTENTS": f"cio.intent.trading{wildcard}"}).nats_topic_intents == (
        "cio.intent.trading"
    )


def test_site__with_the_originals_environment__starts_and_names_what_it_does_not_read(tmp_path: Path) -> None:
    script = (
        "import json; from django.test import Client; import configsite.wsgi;"
        "answer = Client(SERVER_NAME='localhost').get('/info').json()['configuration']['config'];"
        "print('unread:', json.dumps([each['variable'] for each in answer['unread_variables']]))"
    )
    own = {
        "SECRET_KEY": "of a test",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=ORIGINAL | UNREAD | own,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shown = next(line for line in done.stdout.splitlines() if line.startswith("unread:"))
    assert all(f'"{name}"' in shown for name in UNREAD)
    logged = done.stdout + done.stderr
    assert logged.count("environment.unread") == len(UNREAD)
    assert "did you mean ORDERBOOK_SKEW_BUY_THRESHOLD?" in logged
