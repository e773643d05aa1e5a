"""On-chain metrics: buys while coins leave the exchanges or the network grows, sells while coins arrive."""

from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

from strategy_core.market.messages import OnchainObservation
from strategy_core.strategies.base import (
    NO_DECISION,
    ONE_INTERVAL,
    Action,
    Decision,
    Decisions,
    Parameters,
    Strategy,
    SymbolMarket,
    parameter,
)

MAX_PERIODS = 168
GROWTH_OBSERVATIONS = 24
OBSERVATIONS_KEPT = 2 * MAX_PERIODS
"""Twice the longest window, because an observation without both flows does not fill a place in it."""


class OnchainMetricsParameters(Parameters):
    """Parameters of ``onchain_metrics``."""

    whale_threshold_btc: float = parameter(
        100.0,
        group="trigger",
        minimum=10.0,
        maximum=1000.0,
        unit="BTC",
        description="Least transfer that counts as a whale's, for BTCUSDT.",
    )
    whale_threshold_eth: float = parameter(
        1000.0,
        group="trigger",
        minimum=100.0,
        maximum=10_000.0,
        unit="ETH",
        description="Least transfer that counts as a whale's, for ETHUSDT.",
    )
    exchange_flow_threshold_percent: float = parameter(
        10.0,
        group="trigger",
        minimum=5.0,
        maximum=50.0,
        unit="%",
        description="Least mean net flow, as a share of all flow, that counts.",
    )
    min_signal_interval: int = parameter(
        3600,
        group="timing",
        minimum=1800,
        maximum=86_400,
        unit="s",
        description="Least event time between two signals on one symbol.",
        legacy_environment=("ONCHAIN_MIN_SIGNAL_INTERVAL",),
    )
    accumulation_periods: int = parameter(
        24,
        group="timing",
        minimum=1,
        maximum=MAX_PERIODS,
        unit="observations",
        description="Observations whose mean outflow can buy.",
    )
    distribution_periods: int = parameter(
        12,
        group="timing",
        minimum=1,
        maximum=MAX_PERIODS,
        unit="observations",
        description="Observations whose mean inflow can sell.",
    )
    base_confidence: float = parameter(
        0.77,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence without a whale's transfer.",
    )
    strong_signal_confidence: float = parameter(
        0.85,
        group="confidence",
        minimum=0.5,
        maximum=1.0,
        unit="confidence",
        description="Confidence where a whale moved the same way.",
    )
    network_growth_threshold: float = parameter(
        10.0,
        group="trigger",
        minimum=1.0,
        maximum=100.0,
        unit="%",
        description="Growth of active addresses over 24 observations that must be exceeded.",
        legacy_environment=("ONCHAIN_NETWORK_GROWTH_THRESHOLD",),
        is_addition=True,
    )
    volume_threshold: float = parameter(
        15.0,
        group="trigger",
        minimum=1.0,
        maximum=100.0,
        unit="%",
        description="Growth of the transaction volume over 24 observations that must be exceeded.",
        legacy_environment=("ONCHAIN_VOLUME_THRESHOLD",),
        is_addition=True,
    )


class _Flow(NamedTuple):
    """Mean net outflow in percent, and the largest transfers over the same observations (0: none known)."""

    outflow_percent: float
    to_exchange: float
    from_exchange: float


class _Finding(NamedTuple):
    action: Action
    pattern: Literal["accumulation", "distribution", "network_growth"]
    transfer: float
    details: dict[str, float]


class OnchainMetrics(Strategy[OnchainMetricsParameters]):
    """Means over the last observations of the symbol's asset. An observation comes a few times an hour at most."""

    __slots__ = "_observations"

    id = "onchain_metrics"
    name = "On-Chain Metrics"
    description = "Follows coins into and out of exchanges, and the growth of the network, for BTC and ETH."
    category = "Market Logic"
    type = "fundamental"
    formula = (
        "net outflow = (outflow - inflow) / (outflow + inflow) in percent. Mean over accumulation_periods at or above "
        "exchange_flow_threshold_percent: BUY; mean over distribution_periods at or below its negative: SELL; "
        "otherwise BUY where active addresses and volume both grew over the last 24 observations by more than their "
        "thresholds. strong_signal_confidence where a whale's transfer went the same way within the periods looked at."
    )
    enabled_by_default = False
    parameters = OnchainMetricsParameters

    def __init__(self, market: SymbolMarket) -> None:
        super().__init__(market)
        self._observations: deque[OnchainObservation] = deque(maxlen=OBSERVATIONS_KEPT)

    def on_onchain(self, observation: OnchainObservation, parameters: OnchainMetricsParameters) -> Decisions:
        """Decide on one observation; see ``formula``. One with the time of the one before repeats it: left out.

        So is history that is already known. It decides nothing, and uses up no interval.
        """
        whale_threshold = _whale_threshold(self.market.symbol, parameters)
        observations = self._observations
        if whale_threshold is None or (observations and _is_known(observation, observations[-1])):
            return NO_DECISION
        observations.append(observation)
        if observation.is_history:
            return NO_DECISION
        finding = self._finding(parameters)
        if finding is None or self.market.last_price <= 0.0:
            return NO_DECISION
        last_ms = self.last_signals.get(ONE_INTERVAL)
        if last_ms is not None and abs(observation.time_ms - last_ms) < parameters.min_signal_interval * 1000:
            return NO_DECISION
        self.last_signals[ONE_INTERVAL] = observation.time_ms
        is_strong = finding.transfer >= whale_threshold
        return (
            Decision(
                action=finding.action,
                confidence=parameters.strong_signal_confidence if is_strong else parameters.base_confidence,
                price=self.market.last_price,
                signal_type=f"onchain_{finding.pattern}",
                details={
                    "pattern": finding.pattern,
                    **finding.details,
                    "largest_transfer": finding.transfer,
                    "whale_threshold": whale_threshold,
                },
            ),
        )

    def _finding(self, parameters: OnchainMetricsParameters) -> _Finding | None:
        threshold = parameters.exchange_flow_threshold_percent
        flow = self._flow(parameters.accumulation_periods)
        if flow is not None and flow.outflow_percent >= threshold:
            details = {"net_outflow_percent": flow.outflow_percent}
            return _Finding("buy", "accumulation", flow.from_exchange, details)
        flow = self._flow(parameters.distribution_periods)
        if flow is not None and flow.outflow_percent <= -threshold:
            details = {"net_outflow_percent": flow.outflow_percent}
            return _Finding("sell", "distribution", flow.to_exchange, details)
        addresses = _growth_percent(o.active_addresses for o in reversed(self._observations))
        volume = _growth_percent(o.transaction_volume for o in reversed(self._observations))
        if addresses > parameters.network_growth_threshold and volume > parameters.volume_threshold:
            recent = list(self._observations)[-GROWTH_OBSERVATIONS:]
            transfer = max((o.largest_transfer_from_exchange or 0.0 for o in recent), default=0.0)
            details = {"addresses_growth_percent": addresses, "volume_growth_percent": volume}
            return _Finding("buy", "network_growth", transfer, details)
        return None

    def _flow(self, periods: int) -> _Flow | None:
        """Over the latest ``periods`` observations that carry both flows; None before there are as many."""
        total = to_exchange = from_exchange = 0.0
        found = 0
        for observation in reversed(self._observations):
            to_exchange = max(to_exchange, observation.largest_transfer_to_exchange or 0.0)
            from_exchange = max(from_exchange, observation.largest_transfer_from_exchange or 0.0)
            inflow, outflow = observation.exchange_inflow, observation.exchange_outflow
            if inflow is None or outflow is None or inflow + outflow == 0.0:
                continue
            total += (outflow - inflow) / (outflow + inflow) * 100
            found += 1
            if found == periods:
                return _Flow(total / periods, to_exchange, from_exchange)
        return None


def _is_known(observation: OnchainObservation, newest: OnchainObservation) -> bool:
    if observation.is_history:
        return observation.time_ms <= newest.time_ms
    return observation.time_ms == newest.time_ms


def _whale_threshold(symbol: str, parameters: OnchainMetricsParameters) -> float | None:
    """The threshold of the symbol's asset, in coins; None for an asset that has none."""
    if symbol == "BTCUSDT":
        return parameters.whale_threshold_btc
    return parameters.whale_threshold_eth if symbol == "ETHUSDT" else None


def _growth_percent(latest_first: Iterator[float | None]) -> float:
    """Growth from the oldest to the newest of the last 24 known values; 0 before there are as many."""
    known = [value for value in latest_first if value is not None][:GROWTH_OBSERVATIONS]
    if len(known) < GROWTH_OBSERVATIONS or known[-1] == 0.0:
        return 0.0
    return (known[0] - known[-1]) / known[-1] * 100
