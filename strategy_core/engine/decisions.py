"""Runs a symbol's plan on an event and makes signals of what the strategies decide. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from strategy_core.engine.active import ActiveConfig
from strategy_core.engine.counters import EngineCounters, count
from strategy_core.engine.isolation import Failure, Isolation
from strategy_core.engine.pricing import DollarPrices
from strategy_core.engine.signals import SIMULATED, Signal, UnusableDecisionError, build_signal, default_quantity
from strategy_core.engine.symbol_table import Plan, SymbolState
from strategy_core.market.contracts import contract_of
from strategy_core.strategies.base import Decision

NO_SIGNALS: Sequence[Signal] = ()
UNKNOWN_QUOTE = "unknown"


class Decider:
    """A strategy that raises costs the others nothing; ``invalidate`` is called where that pauses it.

    No signal is made without a price of the symbol (``last_price`` 0), nor where its worth in dollars is not known.
    """

    __slots__ = ("_counters", "_dollars", "_invalidate", "_isolation")

    def __init__(
        self,
        counters: EngineCounters,
        isolation: Isolation,
        dollars: DollarPrices,
        invalidate: Callable[[], None],
    ) -> None:
        self._counters = counters
        self._isolation = isolation
        self._dollars = dollars
        self._invalidate = invalidate

    def run(
        self, plan: Plan, event: Any, time_ms: int, state: SymbolState, source: str, is_observation: bool = False
    ) -> Sequence[Signal]:
        """Bring an event of ``time_ms`` before the strategies of a plan."""
        signals: list[Signal] | None = None
        for react, parameters, strategy_id, config in plan:
            try:
                decisions = react(event, parameters)
                if decisions:
                    signals = [] if signals is None else signals
                    for decision in decisions:
                        signal = self._signal(decision, strategy_id, config, time_ms, state, source, is_observation)
                        if signal is not None:
                            signals.append(signal)
            except Exception as exception:
                self._fail(Failure(strategy_id, state.market.symbol, exception), time_ms)
        return NO_SIGNALS if signals is None else signals

    def _signal(
        self,
        decision: Decision,
        strategy_id: str,
        config: ActiveConfig,
        time_ms: int,
        state: SymbolState,
        source: str,
        is_observation: bool,
    ) -> Signal | None:
        """The signal of a decision; None, counted, where it cannot be traded."""
        symbol, last_price = state.market.symbol, state.market.last_price
        if last_price <= 0.0:
            return None
        quantity = self._quantity(symbol, decision.price, state.last_ms) if decision.price > 0.0 else 0.0
        if quantity is None:
            return None
        try:
            signal = build_signal(
                decision,
                strategy_id=strategy_id,
                symbol=symbol,
                time_ms=time_ms,
                decided_ms=state.last_ms,
                is_observation=is_observation,
                current_price=last_price,
                quantity=quantity,
                config=config,
                is_simulated=source == SIMULATED,
            )
        except UnusableDecisionError:
            count(self._counters.unusable_decisions, strategy_id)
            return None
        count(self._counters.signals, (strategy_id, signal.action))
        return signal

    def _quantity(self, symbol: str, price: float, time_ms: int) -> float | None:
        """The default quantity at a price in quote units; None, counted, where the quote's worth is not known."""
        contract = contract_of(symbol)
        unit_dollars = None if contract is None else self._dollars.unit_dollars(contract, price, time_ms)
        if contract is None or unit_dollars is None:
            count(self._counters.unpriced, UNKNOWN_QUOTE if contract is None else contract.quote)
            return None
        return default_quantity(contract, unit_dollars)

    def _fail(self, failure: Failure, time_ms: int) -> None:
        count(self._counters.strategy_errors, failure.strategy_id)
        if self._isolation.record(failure, time_ms):
            self._invalidate()
