"""Variables that are set but that nothing here reads: misspelt ones, and those of the original service. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from strategy_core.configuration.parameter_values import StrategyClass
from strategy_core.strategies.registry import STRATEGIES

_SWITCH_PREFIX = "STRATEGY_ENABLED_"
_LIKENESS = 0.75
_NO_SUCH_MODE = (
    "not read: signals are sent; switch strategies off, or set NATS_TOPIC_INTENTS to a subject that no one trades on"
)
_NO_SUCH_LIMIT = "not read; the original only displayed it"
_BY_URLS = "not read: name the services of conflict checks in CONFLICT_CHECK_URLS of the site"
OF_THE_ORIGINAL = MappingProxyType(
    {
        "BATCH_SIZE": "not read: messages are processed one by one",
        "BATCH_TIMEOUT": "not read: messages are processed one by one",
        "CIRCUIT_BREAKER_FAILURE_THRESHOLD": "not read: connections are retried indefinitely",
        "CIRCUIT_BREAKER_RECOVERY_TIMEOUT": "not read: connections are retried indefinitely",
        "CONFIG_RATE_LIMIT_COOLDOWN": "not read: see RATE_LIMIT_WRITES_PER_SECOND and RATE_LIMIT_WRITES_BURST",
        "CONFIG_RATE_LIMIT_PER_AGENT": "not read: see RATE_LIMIT_WRITES_PER_SECOND and RATE_LIMIT_WRITES_BURST",
        "DATA_MANAGER_URL": _BY_URLS,
        "DRY_RUN_MODE": _NO_SUCH_MODE,
        "ENABLE_OTEL": "not read: traces are on if OTEL_EXPORTER_OTLP_ENDPOINT is set; OTEL_SDK_DISABLED=true: off",
        "HEARTBEAT_ENABLED": "not read: the heartbeat is always on",
        "HEARTBEAT_INCLUDE_DETAILED_STATS": "not read: the heartbeat always has all details",
        "NATS_CONSUMER_GROUP": "not read: of several runtimes with the same share one trades, the others are standbys",
        "NATS_PUBLISHER_TOPIC": "not read: set NATS_TOPIC_INTENTS",
        "RISK_MAX_CONCURRENT_POSITIONS": _NO_SUCH_LIMIT,
        "RISK_MAX_DAILY_SIGNALS": _NO_SUCH_LIMIT,
        "RISK_MAX_DRAWDOWN_PERCENT": _NO_SUCH_LIMIT,
        "RISK_STOP_LOSS_PERCENT": "not read: a signal's stop comes from its strategy, else from its confidence",
        "RISK_TAKE_PROFIT_PERCENT": "not read: a signal's target comes from its strategy, else from its confidence",
        "SIMULATION_MODE": _NO_SUCH_MODE,
        "TA_BOT_URL": _BY_URLS,
        "TRADEENGINE_URL": _BY_URLS,
        "TRADING_ENABLE_SHORTS": _NO_SUCH_LIMIT,
        "TRADING_LEVERAGE": _NO_SUCH_LIMIT,
        "TRADING_MAX_POSITION_SIZE": _NO_SUCH_LIMIT,
    }
)
"""Variables that the original acted on, or that users expect to work, with what to do instead."""


@dataclass(frozen=True, slots=True)
class UnreadVariable:
    """A variable that changes nothing, and what to do about it."""

    variable: str
    message: str


def unread_variables(
    environ: Mapping[str, str], strategies: Mapping[str, StrategyClass] = STRATEGIES
) -> tuple[UnreadVariable, ...]:
    """The variables with a value that look as if they were for us and that nothing reads, by name."""
    return tuple(sorted(_unread(environ, strategies), key=lambda each: each.variable))


def _unread(environ: Mapping[str, str], strategies: Mapping[str, StrategyClass]) -> Iterator[UnreadVariable]:
    known = {name for strategy in strategies.values() for spec in strategy.specs() for name in spec.environment}
    known |= {strategy.enabled_variable() for strategy in strategies.values()}
    prefixes = (_SWITCH_PREFIX, *(f"{strategy_id.upper()}_" for strategy_id in strategies))
    for name, text in environ.items():
        if not text.strip() or name in known:
            continue
        if name.startswith(prefixes):
            nearest = get_close_matches(name, known, n=1, cutoff=_LIKENESS)
            yield UnreadVariable(name, f"not read; did you mean {nearest[0]}?" if nearest else "not read")
        elif name in OF_THE_ORIGINAL:
            yield UnreadVariable(name, OF_THE_ORIGINAL[name])
