"""From a message's bytes to signals: the hot path, shared by live trading, replay and simulation. Pure.

The engine reads no clock, awaits nothing and logs nothing; it counts. Time is event time, and what has
none takes the recorded time (replay) or the time of receipt (live).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from realtime_runtime.config.active import ActiveConfig, ActiveConfigs
from realtime_runtime.config.wire import UNREADABLE, PricePoint
from realtime_runtime.counters import EngineCounters, count
from realtime_runtime.isolation import Failure, Isolation
from realtime_runtime.market.analytics import SymbolAnalytics
from realtime_runtime.market.book import Book
from realtime_runtime.market.messages import (
    LAST_MILLISECOND,
    Dominance,
    Envelope,
    ExchangePrice,
    OnchainObservation,
    Trade,
)
from realtime_runtime.market.routing import Kind, Route, Router, is_symbol
from realtime_runtime.plans import EmittedSignals, Plan, Plans, SymbolState
from realtime_runtime.signals import SIMULATED, Signal, UnusableDecisionError, build_signal
from realtime_runtime.strategies.base import Decision, Strategy

MAX_SYMBOLS = 2_000
REPLAY_RESTART_MS = 5_000
"""A replay whose event time falls back by more than this has begun anew: its symbol's state is dropped."""
DOMINANCE_SYMBOL = "BTCUSDT"

T = TypeVar("T")
NO_SIGNALS: Sequence[Signal] = ()
_DEPTH = Kind.DEPTH
_TRADE = Kind.TRADE
_decode_exchange_price = msgspec.json.Decoder(ExchangePrice, strict=False).decode
_decode_dominance = msgspec.json.Decoder(Dominance, strict=False).decode
_decode_onchain = msgspec.json.Decoder(OnchainObservation, strict=False).decode


class Engine:
    """Runs every enabled strategy on every message, under the configuration in force when it arrives.

    A swap of ``config`` is seen at the next message. State is kept per (strategy, symbol) and outlives
    swaps. No input makes a method raise.
    """

    __slots__ = (
        "_config",
        "_is_replay",
        "_isolation",
        "_owns_symbol",
        "_plans",
        "_router",
        "_routes",
        "_source",
        "_states",
        "_ttl_ms",
        "counters",
        "last_event_ms",
    )

    def __init__(
        self,
        strategies: Mapping[str, type[Strategy[Any]]],
        config: ActiveConfigs,
        *,
        owns_symbol: Callable[[str], bool],
        message_ttl_ms: int,
        max_symbols: int = MAX_SYMBOLS,
    ) -> None:
        """``owns_symbol`` must always answer the same for a symbol. ``message_ttl_ms`` 0: nothing is too old."""
        self._config = config
        self._plans = Plans(strategies, config, max_symbols)
        self._states = self._plans.states
        self._isolation = Isolation()
        self._owns_symbol = owns_symbol
        self._router = Router(owns_symbol)
        self._routes = self._router.known
        self._ttl_ms = message_ttl_ms or LAST_MILLISECOND
        self._source: str | None = None
        self._is_replay = False
        self.counters = EngineCounters()
        self.last_event_ms = 0

    @property
    def market_source(self) -> str:
        """Where the last market message came from: "live", "replay" or "simulated"; "" before the first one."""
        if self._source is None:
            return ""
        return SIMULATED if self._source == SIMULATED else "replay" if self._is_replay else "live"

    @property
    def paused(self) -> Mapping[str, int]:
        """The strategies paused for failing, each with the event time at which it goes on."""
        return self._isolation.paused

    def symbols_seen(self) -> list[str]:
        """The symbols that state is kept for, in the order of their first sight."""
        return list(self._states)

    def analytics(self) -> Mapping[str, SymbolAnalytics]:
        """By symbol what is known of its books, for the symbols that a book was seen of."""
        return {symbol: state.analytics for symbol, state in self._states.items() if state.analytics.book is not None}

    def last_event_times(self) -> dict[str, int]:
        """Unix milliseconds of the latest market event of each symbol that state is kept for."""
        return {symbol: state.last_ms for symbol, state in self._states.items() if state.last_ms}

    def last_prices(self) -> dict[str, PricePoint]:
        """The last price of each symbol that has one, at the event time of its latest market event."""
        return {
            symbol: PricePoint(state.last_ms, state.market.last_price)
            for symbol, state in self._states.items()
            if state.last_ms and state.market.last_price > 0.0
        }

    def take_failures(self) -> list[Failure]:
        """The latest exceptions out of strategies since the last call: (strategy_id, symbol, exception), bounded."""
        return self._isolation.take_failures()

    def restore_intervals(self, emitted: EmittedSignals) -> None:
        """Run the intervals between signals from those that another runtime sent, and forget this engine's own."""
        self._plans.restore_intervals(emitted)

    def market(
        self, payload: bytes, *, received_ms: int, is_replay: bool, subject_symbol: str | None = None
    ) -> Sequence[Signal]:
        """Take one market message in its envelope; ``received_ms`` is the host's clock in Unix milliseconds.

        ``subject_symbol``: the symbol that the NATS subject names, where it does.
        """
        counters = self.counters
        counters.received += 1
        route = self._routes.get(payload[: payload.find(b'"', 12)])
        if route is None:
            try:
                route = self._router.find(payload)
            except UNREADABLE:
                counters.malformed += 1
                return NO_SIGNALS
        decode = route.decode
        if decode is None:
            self._set_aside(route)
            return NO_SIGNALS
        if subject_symbol is not None and subject_symbol != route.symbol and not self._owns_symbol(subject_symbol):
            counters.foreign += 1
            return NO_SIGNALS
        try:
            envelope = decode(payload)
        except UNREADABLE as exception:
            self._refuse(exception)
            return NO_SIGNALS
        return self._market_event(route, envelope, received_ms, is_replay)

    def decode_only(self, payload: bytes) -> bool:
        """Decode a market message whose stream is known, and do nothing with it: for who measures what that takes.

        False where it is not decoded.
        """
        route = self._router.known.get(self._router.prefix(payload))
        if route is None or route.decode is None:
            return False
        try:
            route.decode(payload)
        except UNREADABLE:
            return False
        return True

    def exchange_price(self, payload: bytes, *, received_ms: int, is_replay: bool) -> Sequence[Signal]:
        """Take a price of a symbol on another exchange."""
        price = self._decode(_decode_exchange_price, payload)
        if price is None:
            return NO_SIGNALS
        if not is_replay and not -self._ttl_ms <= received_ms - price.time_ms <= self._ttl_ms:
            self._refuse_untimely(received_ms - price.time_ms)
            return NO_SIGNALS
        return self._observation("exchange_price", price, price.symbol)

    def dominance(self, payload: bytes, *, received_ms: int, is_replay: bool) -> Sequence[Signal]:
        """Take an observation of bitcoin's dominance. It comes rarely, and is never too old."""
        observation = self._decode(_decode_dominance, payload)
        return NO_SIGNALS if observation is None else self._observation("dominance", observation, DOMINANCE_SYMBOL)

    def onchain(self, payload: bytes, *, received_ms: int, is_replay: bool) -> Sequence[Signal]:
        """Take an on-chain observation of an asset, for <ASSET>USDT. It comes rarely, and is never too old."""
        observation = self._decode(_decode_onchain, payload)
        if observation is None:
            return NO_SIGNALS
        return self._observation("onchain", observation, f"{observation.asset}USDT")

    def _market_event(
        self, route: Route, envelope: Envelope[Any], received_ms: int, is_replay: bool
    ) -> Sequence[Signal]:
        """Bring a decoded market message before the strategies of its symbol."""
        counters = self.counters
        event = envelope.data
        symbol = route.symbol
        if event.symbol and event.symbol != symbol:
            symbol = event.symbol
            if not self._accepts(symbol):
                return NO_SIGNALS
        state = self._states.get(symbol)
        time_ms: int = event.time_ms
        if time_ms == 0:
            event.time_ms = time_ms = _stand_in_time(envelope, state, received_ms, is_replay)
        if not is_replay and not -self._ttl_ms <= received_ms - time_ms <= self._ttl_ms:
            self._refuse_untimely(received_ms - time_ms)
            return NO_SIGNALS
        is_depth = route.kind is _DEPTH
        if is_depth:
            bids, asks = event.bids, event.asks
            try:
                event = Book(
                    event.futures_bids if bids is None else bids, event.futures_asks if asks is None else asks, time_ms
                )
            except ValueError:
                counters.bad_input += 1
                return NO_SIGNALS
        if state is None:
            state = self._plans.add(symbol, counters.received)
        if time_ms > state.last_ms:
            state.last_ms = time_ms
        elif is_replay and time_ms < state.last_ms - REPLAY_RESTART_MS:
            state = self._restart(symbol)
            state.last_ms = time_ms
        market = state.market
        market.seen = counters.received
        self.last_event_ms = time_ms
        self._source = envelope.source
        self._is_replay = is_replay
        if state.generation != self._config.generation or time_ms >= self._isolation.resume_at_ms:
            self._refresh(state, time_ms)
        if is_depth:
            counters.decoded["depth"] += 1
            if not state.has_traded:
                market.last_price = event.mid
            analytics = state.analytics
            analytics.book = event
            if time_ms // 1000 != analytics.second:
                analytics.sample(event)
            plan = state.depth
        else:
            market.last_price = event.price
            state.has_traded = True
            if route.kind is _TRADE:
                counters.decoded["trade"] += 1
                plan = state.trade
            else:
                counters.decoded["ticker"] += 1
                plan = state.ticker
        return self._decide(plan, event, time_ms, state, envelope.source)

    def _observation(self, kind: str, observation: Any, symbol: str) -> Sequence[Signal]:
        """Bring a decoded observation before the strategies of its symbol."""
        time_ms: int = observation.time_ms
        if not self._accepts(symbol):
            return NO_SIGNALS
        seen = self.counters.received
        state = self._states.get(symbol) or self._plans.add(symbol, seen)
        state.market.seen = seen
        self._refresh(state, time_ms)
        self.counters.decoded[kind] += 1
        return self._decide(getattr(state, kind), observation, time_ms, state, observation.source)

    def _decide(self, plan: Plan, event: Any, time_ms: int, state: SymbolState, source: str) -> Sequence[Signal]:
        """Run a plan; a strategy that raises costs the others nothing."""
        signals: list[Signal] | None = None
        for react, parameters, strategy_id, config in plan:
            try:
                decisions = react(event, parameters)
                if decisions:
                    signals = [] if signals is None else signals
                    is_simulated = SIMULATED in (source, self._source)
                    for decision in decisions:
                        self._emit(signals, decision, strategy_id, config, time_ms, state, is_simulated)
            except Exception as exception:
                self._fail(Failure(strategy_id, state.market.symbol, exception), time_ms)
        return NO_SIGNALS if signals is None else signals

    def _emit(
        self,
        signals: list[Signal],
        decision: Decision,
        strategy_id: str,
        config: ActiveConfig,
        time_ms: int,
        state: SymbolState,
        is_simulated: bool,
    ) -> None:
        try:
            signal = build_signal(
                decision,
                strategy_id=strategy_id,
                symbol=state.market.symbol,
                time_ms=time_ms,
                current_price=state.market.last_price,
                config=config,
                is_simulated=is_simulated,
            )
        except UnusableDecisionError:
            count(self.counters.unusable_decisions, strategy_id)
            return
        count(self.counters.signals, (strategy_id, signal.action))
        signals.append(signal)

    def _fail(self, failure: Failure, time_ms: int) -> None:
        count(self.counters.strategy_errors, failure.strategy_id)
        if self._isolation.record(failure, time_ms):
            self._plans.invalidate()

    def _refresh(self, state: SymbolState, time_ms: int) -> None:
        """End the pauses that are over, and make the symbol's plans anew where they are stale."""
        if time_ms >= self._isolation.resume_at_ms:
            self._isolation.resume(time_ms)
            self._plans.invalidate()
        if state.generation != self._config.generation:
            self._plans.rebuild(state, self._isolation.paused)

    def _restart(self, symbol: str) -> SymbolState:
        """Begin a symbol anew, as a second replay must: it then decides what the first one decided."""
        self._plans.forget(symbol)
        self._isolation.end_pauses()
        self._plans.invalidate()
        return self._plans.add(symbol, self.counters.received)

    def _accepts(self, symbol: str) -> bool:
        """Whether a symbol that no stream name has vouched for is a symbol and ours; counts it where it is not."""
        if not is_symbol(symbol):
            self.counters.bad_input += 1
            return False
        if not self._owns_symbol(symbol):
            self.counters.foreign += 1
            return False
        return True

    def _decode(self, decode: Callable[[bytes], T], payload: bytes) -> T | None:
        self.counters.received += 1
        try:
            return decode(payload)
        except UNREADABLE as exception:
            self._refuse(exception)
            return None

    def _refuse(self, exception: Exception) -> None:
        if isinstance(exception, msgspec.ValidationError):
            self.counters.bad_input += 1
        else:
            self.counters.malformed += 1

    def _refuse_untimely(self, age_ms: int) -> None:
        """Count it: too old is stale; from as far in the future is an error, since it would hold up all intervals."""
        if age_ms > 0:
            self.counters.stale += 1
        else:
            self.counters.bad_input += 1

    def _set_aside(self, route: Route) -> None:
        """Count a message that is not decoded."""
        counters = self.counters
        if route.kind is Kind.UNUSED:
            count(counters.unused, route.stream_type)
        elif route.kind is Kind.FOREIGN:
            counters.foreign += 1
        elif route.kind is Kind.INVALID:
            counters.bad_input += 1
        else:
            counters.count_unknown(route.stream_type)


def _stand_in_time(envelope: Envelope[Any], state: SymbolState | None, received_ms: int, is_replay: bool) -> int:
    """The event time of a message that carries none (spot partial depth; a trade's own time comes first).

    In a replay the clock of the host says nothing: without a recorded time the symbol's last one stands in.
    """
    event = envelope.data
    if isinstance(event, Trade) and event.trade_time_ms:
        return event.trade_time_ms
    if not is_replay:
        return received_ms
    return envelope.ts or (0 if state is None else state.last_ms) or received_ms
