"""The runtime's settings: defaults, every refusal by name, symbols shared among replicas."""

from pathlib import Path

import pytest

from realtime_runtime import settings
from service_kit.environment import SettingsError


def test_settings__of_an_empty_environment__are_the_documented_defaults() -> None:
    read = settings.read({"HOSTNAME": "trader-0"})
    assert read.nats_consumer_topic == "binance.websocket.data"
    assert read.nats_topic_intents == "cio.intent.trading"
    assert read.nats_topic_simulated_intents == "simulated.cio.intent.trading"
    assert read.redis_key_prefix == "strategies"
    assert read.config_cache_ttl_seconds == 60.0
    assert read.message_ttl_seconds == read.signal_ttl_seconds == 60.0
    assert read.heartbeat_interval_seconds == 5.0
    assert read.health_check_port == 8081
    assert (read.replicas, read.ordinal) == (1, 0)
    assert read.trading_symbols == frozenset()
    assert read.environment_problems == ()
    assert read.instance_id.startswith("trader-0-")


BAD = {
    "REDIS_URL": ["http://localhost", "localhost:6379", "redis://", "redis://host:port"],
    "NATS_URL": ["redis://localhost", "nats://"],
    "REDIS_KEY_PREFIX": ["two words"],
    "CONFIG_CACHE_TTL_SECONDS": ["0", "-1", "nan", "inf", "soon"],
    "HEARTBEAT_INTERVAL_SECONDS": ["0", "3601", "x"],
    "MESSAGE_TTL_SECONDS": ["-1", "nan"],
    "HEALTH_CHECK_PORT": ["65536", "-1", "8081.0", "²"],
    "RUNTIME_REPLICAS": ["0", "two", "1.5"],
    "NATS_CONSUMER_TOPIC": ["a..b", "a.*.b", "a b", ">"],
    "NATS_TOPIC_INTENTS": ["a.*.b", "a b", ">", "a.*.>"],
    "NATS_TOPIC_SIMULATED_INTENTS": ["a.>", "a b"],
    "SIGNAL_TTL_SECONDS": ["-1", "nan"],
    "TRADING_SYMBOLS": ["BTCUSDT,B!", "BTC", "ÄTHUSDT"],
    "LOG_LEVEL": ["LOUD"],
    "LOG_FORMAT": ["xml"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_settings__with_an_unusable_variable__name_it(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings.read({name: text})
    assert list(raised.value.problems) == [name]


def test_settings__of_signals__follow_those_they_belong_to() -> None:
    read = settings.read({"NATS_TOPIC_INTENTS": "intents.>", "MESSAGE_TTL_SECONDS": "7"})
    assert (read.nats_topic_intents, read.nats_topic_simulated_intents) == ("intents", "simulated.intents")
    assert read.signal_ttl_seconds == 7.0
    own = settings.read({"SIGNAL_TTL_SECONDS": "0", "NATS_TOPIC_SIMULATED_INTENTS": "cio.intent.trading"})
    assert (own.signal_ttl_seconds, own.nats_topic_simulated_intents) == (0.0, own.nats_topic_intents)


@pytest.mark.parametrize(("interval", "ttl_seconds"), [("5", 15), ("0.1", 15), ("5.5", 17), ("60", 180)])
def test_heartbeat__counts_for_three_intervals_at_least(interval: str, ttl_seconds: int) -> None:
    assert settings.read({"HEARTBEAT_INTERVAL_SECONDS": interval}).heartbeat_ttl_seconds == ttl_seconds


@pytest.mark.parametrize("name", ["NATS_CREDS_FILE", "NATS_NKEY_SEED_FILE"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"BEGIN NATS USER JWT-\nx\nBEGIN USER NKEY SEED-\nx\n", b"SUAB"])
def test_settings__with_a_file_that_proves_nothing__name_it(name: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "user"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        settings.read({name: str(file)})
    assert list(raised.value.problems) == [name]


def test_settings__with_several_unusable_variables__name_all_and_show_no_secret() -> None:
    with pytest.raises(SettingsError) as raised:
        settings.read({"REDIS_URL": "http://me:hunter2@host", "NATS_URL": "x://me:hunter2@host", "LOG_LEVEL": "?"})
    assert set(raised.value.problems) == {"REDIS_URL", "NATS_URL", "LOG_LEVEL"}
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(settings.read({"REDIS_URL": "redis://me:hunter2@host"}))


@pytest.mark.parametrize(
    ("environ", "ordinal"),
    [
        ({"RUNTIME_REPLICAS": "3", "RUNTIME_ORDINAL": "2"}, 2),
        ({"RUNTIME_REPLICAS": "3", "HOSTNAME": "runtime-1"}, 1),
        ({"RUNTIME_REPLICAS": "3", "HOSTNAME": "runtime-1", "RUNTIME_ORDINAL": "0"}, 0),
        ({"RUNTIME_REPLICAS": "1", "HOSTNAME": "runtime-7"}, 0),
    ],
)
def test_ordinal__from_the_variable_or_the_pod_name(environ: dict[str, str], ordinal: int) -> None:
    assert settings.read(environ).ordinal == ordinal


@pytest.mark.parametrize(
    "environ",
    [
        {"RUNTIME_REPLICAS": "3", "HOSTNAME": "laptop"},
        {"RUNTIME_REPLICAS": "3", "HOSTNAME": "runtime-3"},
        {"RUNTIME_REPLICAS": "3", "RUNTIME_ORDINAL": "-1"},
    ],
)
def test_ordinal__unknown_or_beyond_the_replicas__named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="RUNTIME_ORDINAL"):
        settings.read(environ)


def test_symbols__among_replicas__each_belongs_to_exactly_one() -> None:
    replicas = [settings.read({"RUNTIME_REPLICAS": "4", "RUNTIME_ORDINAL": str(ordinal)}) for ordinal in range(4)]
    symbols = [f"SYM{number}USDT" for number in range(400)]
    owners = [[replica.ordinal for replica in replicas if replica.owns_symbol(symbol)] for symbol in symbols]
    assert {len(each) for each in owners} == {1}
    assert all(60 <= sum(each == [ordinal] for each in owners) <= 140 for ordinal in range(4))


def test_symbols__where_nats_shares_them_out__each_belongs_to_exactly_one_by_its_hash() -> None:
    topic = {"NATS_CONSUMER_TOPIC": "binance.share.{ordinal}.>", "RUNTIME_REPLICAS": "4"}
    replicas = [settings.read(topic | {"RUNTIME_ORDINAL": str(ordinal)}) for ordinal in range(4)]
    assert [replica.nats_consumer_topic for replica in replicas] == [
        f"binance.share.{ordinal}.>" for ordinal in range(4)
    ]
    symbols = [f"SYM{number}USDT" for number in range(400)]
    owners = [[replica.ordinal for replica in replicas if replica.owns_symbol(symbol)] for symbol in symbols]
    assert {len(each) for each in owners} == {1}
    assert all(60 <= sum(each == [ordinal] for each in owners) <= 140 for ordinal in range(4))


def test_symbols__listed__no_others_are_traded() -> None:
    read = settings.read({"TRADING_SYMBOLS": "btcusdt, ETHUSDT ,"})
    assert [read.owns_symbol(symbol) for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT")] == [True, True, False]


def test_strategy_variables__unusable__reported_and_never_raised() -> None:
    read = settings.read({"ORDERBOOK_SKEW_TOP_LEVELS": "many", "STRATEGY_ENABLED_TRADE_MOMENTUM": "perhaps"})
    assert {problem.variable for problem in read.environment_problems} == {
        "ORDERBOOK_SKEW_TOP_LEVELS",
        "STRATEGY_ENABLED_TRADE_MOMENTUM",
    }
