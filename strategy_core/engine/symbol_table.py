"""Which strategies see an event of a symbol, with which parameters: worked out once, run for every message. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from strategy_core.engine.active import ActiveConfig, ActiveConfigs
from strategy_core.market.analytics import SymbolAnalytics
from strategy_core.market.event_kinds import EVENT_KINDS, EventKind
from strategy_core.market.observed import ObservedRecord
from strategy_core.market.plausibility import PriceRecord
from strategy_core.strategies.base import Decisions, Parameters, Strategy, SymbolMarket

Step = tuple[Callable[[Any, Any], Decisions], Parameters, str, ActiveConfig]
"""(the strategy's bound method, its parameters on the symbol, its id, the configuration these come from)."""
Plan = tuple[Step, ...]
EmittedSignals = Mapping[tuple[str, str], Mapping[str, int]]
"""By (strategy, symbol) and interval (`Strategy.interval_of`): the event time of the last signal, in milliseconds."""
STALE = -1


class SymbolState:
    """All that is kept for one symbol: what its strategies share, the strategies, and by kind of event a plan.

    The plans hold for the configurations of ``generation``; ``STALE`` matches none. ``last_ms`` is the
    latest event time of a market message. ``prices`` and ``observed`` judge what comes next.
    """

    __slots__ = ("analytics", "generation", "instances", "last_ms", "market", "observed", "plans", "prices")

    def __init__(self, symbol: str) -> None:
        self.market = SymbolMarket(symbol)
        self.analytics = SymbolAnalytics()
        self.instances: dict[str, Strategy[Any]] = {}
        self.generation = STALE
        self.prices = PriceRecord()
        self.observed = ObservedRecord()
        self.last_ms = 0
        self.plans: Mapping[str, Plan] = {}


class Plans:
    """The states of all symbols, bounded: ``max_symbols`` of them, and of each strategy its own limit.

    Where a bound is passed, the symbol that was seen least recently loses its state. A strategy that is
    switched off keeps its warm state until then.
    """

    __slots__ = ("_config", "_emitted", "_kinds", "_max_symbols", "_recency", "_strategies", "_table", "states")

    def __init__(
        self,
        strategies: Mapping[str, type[Strategy[Any]]],
        config: ActiveConfigs,
        max_symbols: int,
        kinds: Sequence[EventKind] = EVENT_KINDS.every,
    ) -> None:
        self._kinds = kinds
        self._strategies = tuple(
            (strategy, [kind for kind in kinds if kind.is_read_by(strategy)]) for strategy in strategies.values()
        )
        self._config = config
        self._max_symbols = max_symbols
        self._table = Recency()
        self._recency = {strategy_id: Recency() for strategy_id in strategies}
        self._emitted: EmittedSignals = {}
        self.states: dict[str, SymbolState] = {}

    def restore_intervals(self, emitted: EmittedSignals) -> None:
        """Run the intervals between signals from ``emitted`` alone, also those of symbols not seen yet."""
        self._emitted = emitted
        for symbol, state in self.states.items():
            for strategy_id, instance in state.instances.items():
                instance.last_signals.clear()
                instance.last_signals.update(emitted.get((strategy_id, symbol), {}))

    def add(self, symbol: str, seen: int) -> SymbolState:
        """A fresh state for a symbol that has none; ``seen`` makes it the latest one."""
        state = SymbolState(symbol)
        state.market.seen = seen
        self.states[symbol] = state
        self._table.members[symbol] = state.market
        while len(self._table.members) > self._max_symbols:
            self.forget(self._table.pop_oldest())
        return state

    def forget(self, symbol: str) -> None:
        """Drop all that is kept for a symbol."""
        del self.states[symbol]
        self._table.members.pop(symbol, None)
        for recency in self._recency.values():
            recency.members.pop(symbol, None)

    def invalidate(self) -> None:
        """Rebuild every plan before its next run."""
        for state in self.states.values():
            state.generation = STALE

    def rebuild(self, state: SymbolState, paused: Collection[str]) -> None:
        """Make the plans of a symbol, which must be the latest one seen, under the configurations now in force."""
        steps: dict[str, list[Step]] = {kind.name: [] for kind in self._kinds}
        for strategy, kinds in self._strategies:
            strategy_id = strategy.id
            symbol = state.market.symbol
            config = self._config.lookup(strategy_id, symbol)
            if not config.enabled or strategy_id in paused or self._config.halts.is_halted(strategy_id, symbol):
                continue
            instance = state.instances.get(strategy_id) or self._instantiate(strategy, state)
            self._make_room(strategy)
            parameters = config.parameters.record
            for kind in kinds:
                steps[kind.name].append((getattr(instance, kind.method), parameters, strategy_id, config))
        state.plans = {name: tuple(plan) for name, plan in steps.items()}
        state.generation = self._config.generation

    def _instantiate(self, strategy: type[Strategy[Any]], state: SymbolState) -> Strategy[Any]:
        instance = strategy(state.market)
        instance.last_signals.update(self._emitted.get((strategy.id, state.market.symbol), {}))
        state.instances[strategy.id] = instance
        self._recency[strategy.id].members[state.market.symbol] = state.market
        return instance

    def _make_room(self, strategy: type[Strategy[Any]]) -> None:
        limit = max(1, strategy.symbol_limit(self._config.lookup(strategy.id, None).parameters))
        recency = self._recency[strategy.id]
        while len(recency.members) > limit:
            loser = self.states[recency.pop_oldest()]
            del loser.instances[strategy.id]
            loser.generation = STALE


class Recency:
    """A set of symbols that gives up its least recently seen one in amortised O(log n), without work on a sight.

    A symbol's sight is a store to ``SymbolMarket.seen``. The members are sorted by it only when the last
    sorting is used up: who is still where that sorting saw it is older than all who are not.
    """

    __slots__ = ("_oldest_last", "members")

    def __init__(self) -> None:
        self.members: dict[str, SymbolMarket] = {}
        self._oldest_last: list[tuple[int, str]] = []

    def pop_oldest(self) -> str:
        """Remove and name the least recently seen member; there must be one."""
        while True:
            while self._oldest_last:
                seen, symbol = self._oldest_last.pop()
                market = self.members.get(symbol)
                if market is not None and market.seen == seen:
                    del self.members[symbol]
                    return symbol
            self._oldest_last = sorted(((m.seen, s) for s, m in self.members.items()), reverse=True)
