"""From a message's bytes to signals: the hot path, shared by live trading, replay and simulation. Pure.

The engine reads no clock, awaits nothing and logs nothing; it counts. Time is event time, and what has
none takes the recorded time (replay) or the time of receipt (live).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strategy_core.configuration.price_points import PricePoint
from strategy_core.engine.active import ActiveConfigs
from strategy_core.engine.admission import Admission, stand_in_time
from strategy_core.engine.counters import EngineCounters
from strategy_core.engine.decisions import NO_SIGNALS, Decider
from strategy_core.engine.isolation import Failure, Isolation
from strategy_core.engine.pricing import DollarPrices
from strategy_core.engine.signals import SIMULATED, Signal
from strategy_core.engine.symbol_table import EmittedSignals, Plans, SymbolState
from strategy_core.market import observed
from strategy_core.market.analytics import SymbolAnalytics
from strategy_core.market.book import Book
from strategy_core.market.decoding import UNREADABLE
from strategy_core.market.event_kinds import DEPTH, EVENT_KINDS, EventKinds, ObservationKind
from strategy_core.market.messages import LAST_MILLISECOND, DepthMessage, Envelope
from strategy_core.market.observed import ObservedRecord
from strategy_core.market.plausibility import HIGH, LOW, MAX_REFERENCE_AGE_MS
from strategy_core.market.routing import Route, Router
from strategy_core.strategies.base import Strategy

MAX_SYMBOLS = 2_000
REPLAY_RESTART_MS = 5_000
"""A replay whose event time falls back by more than this has restarted: its symbol's state is dropped."""


class Engine:
    """Runs every enabled strategy on every message, under the configuration in force when it arrives.

    A swap of ``config`` is seen at the next message. State is kept per (strategy, symbol) and outlives
    swaps. No input makes a method raise.
    """

    __slots__ = (
        "_admission",
        "_config",
        "_decide",
        "_dollars",
        "_is_replay",
        "_isolation",
        "_owns_symbol",
        "_plans",
        "_router",
        "_routes",
        "_source",
        "_states",
        "_timeliness",
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
        kinds: EventKinds = EVENT_KINDS,
    ) -> None:
        """``owns_symbol`` must always answer the same for a symbol. ``message_ttl_ms`` 0: nothing is too old."""
        self._config = config
        self._plans = Plans(strategies, config, max_symbols, kinds.every)
        self._states = self._plans.states
        self._isolation = Isolation()
        self._owns_symbol = owns_symbol
        self._router = Router(owns_symbol, kinds.streams)
        self._routes = self._router.known
        self._ttl_ms = message_ttl_ms or LAST_MILLISECOND
        self._source: str | None = None
        self._is_replay = False
        self.counters = EngineCounters(kinds)
        self._admission = Admission(self.counters, owns_symbol, self._ttl_ms)
        self._timeliness = self._admission.timeliness
        self._dollars = DollarPrices(self._states)
        self._decide = Decider(self.counters, self._isolation, self._dollars, self._plans.invalidate).run
        self.last_event_ms = 0

    @property
    def market_source(self) -> str:
        """Where the last market message came from: "live", "replay" or "simulated"; "" before the first one."""
        if self._source is None:
            return ""
        if self._source == SIMULATED:
            return SIMULATED
        return "replay" if self._is_replay else "live"

    @property
    def paused(self) -> Mapping[str, int]:
        """The strategies paused for failing, each with the event time at which it resumes."""
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
            self._admission.set_aside(route)
            if route.reference is not None:
                self._dollars.take_foreign(route, payload, received_ms)
            return NO_SIGNALS
        if subject_symbol is not None and subject_symbol != route.symbol and not self._owns_symbol(subject_symbol):
            counters.foreign += 1
            return NO_SIGNALS
        try:
            envelope = decode(payload)
        except UNREADABLE as exception:
            lenient = self._admission.reread(route, payload, exception)
            if lenient is None:
                return NO_SIGNALS
            envelope = lenient
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

    def observation(
        self, kind: ObservationKind, payload: bytes, *, received_ms: int, is_replay: bool
    ) -> Sequence[Signal]:
        """Take one message that came beside the market streams.

        It fills the windows of strategies at any time; without a recent market event of its symbol nothing is traded
        on it.
        """
        counters = self.counters
        counters.received += 1
        try:
            observation = kind.decode(payload)
        except UNREADABLE as exception:
            self._admission.refuse(exception)
            return NO_SIGNALS
        time_ms: int = observation.time_ms
        if kind.is_perishable and not is_replay and not self._is_fresh(kind, time_ms, received_ms):
            return NO_SIGNALS
        symbol = kind.symbol_of(observation)
        if not self._admission.accepts(symbol):
            return NO_SIGNALS
        now_ms = self.last_event_ms if is_replay else received_ms
        if not observed.is_time(time_ms, now_ms):
            counters.untimely[kind.name] += 1
            return NO_SIGNALS
        state = self._states.get(symbol)
        record = ObservedRecord() if state is None else state.observed
        if not kind.is_plausible(record, observation, _recent_price(state, time_ms)):
            counters.implausible[kind.name] += 1
            return NO_SIGNALS
        if state is None:
            state = self._plans.add(symbol, counters.received)
            state.observed = record
        state.market.seen = counters.received
        self._refresh(state, time_ms)
        counters.decoded[kind.name] += 1
        source = SIMULATED if SIMULATED in (observation.source, self._source) else ""
        return self._decide_on(kind, observation, state, now_ms, source)

    def _is_fresh(self, kind: ObservationKind, time_ms: int, received_ms: int) -> bool:
        """Whether a live observation is within the time to live; counts it where it is not."""
        age_ms = received_ms - time_ms
        if age_ms > self._ttl_ms:
            self.counters.stale += 1
            return False
        if age_ms < -self._ttl_ms:
            self.counters.untimely[kind.name] += 1
            return False
        return True

    def _decide_on(
        self, kind: ObservationKind, observation: Any, state: SymbolState, now_ms: int, source: str
    ) -> Sequence[Signal]:
        """Bring an observation before the strategies of its symbol."""
        plan, time_ms, market = state.plans[kind.name], observation.time_ms, state.market
        if state.last_ms and abs(now_ms - state.last_ms) <= self._ttl_ms:
            return self._decide(plan, observation, time_ms, state, source, True)
        self.counters.without_market[kind.name] += 1
        # Without a price no strategy decides, and none uses up its interval.
        price, market.last_price = market.last_price, 0.0
        try:
            return self._decide(plan, observation, time_ms, state, source, True)
        finally:
            market.last_price = price

    def _market_event(
        self, route: Route, envelope: Envelope[Any], received_ms: int, is_replay: bool
    ) -> Sequence[Signal]:
        """Bring a decoded market message before the strategies of its symbol.

        In one piece for speed: what `admission` judges is looked at here first, since nearly every message is timely,
        in order and near the last price (``python -m benchmarks.engine``: calls for it cost 0.4 us of 11 us).
        """
        counters = self.counters
        event = envelope.data
        symbol = route.symbol
        if event.symbol and event.symbol != symbol:
            symbol = event.symbol
            if not self._admission.accepts(symbol):
                return NO_SIGNALS
        state = self._states.get(symbol)
        time_ms: int = event.time_ms
        is_dated = True
        if time_ms == 0:
            # The usual case first: a spot book, recorded.
            time_ms = envelope.ts if is_replay else 0
            if time_ms == 0 or type(event) is not DepthMessage:
                event.time_ms = time_ms = stand_in_time(envelope, state, received_ms, is_replay)
            is_dated = is_replay or time_ms != received_ms
        if not is_replay:
            timeliness, ttl_ms = self._timeliness, self._ttl_ms
            if timeliness.is_calm and -ttl_ms <= received_ms - time_ms <= ttl_ms:
                if is_dated:
                    timeliness.timely_ms = received_ms
            elif not self._admission.is_timely(route, time_ms, received_ms, is_dated):
                return NO_SIGNALS
        is_depth = route.kind is DEPTH
        if is_depth:
            bids, asks = event.bids, event.asks
            if bids is None or asks is None:
                if self._admission.is_difference(route, event):
                    return NO_SIGNALS
                bids = event.futures_bids if bids is None else bids
                asks = event.futures_asks if asks is None else asks
            try:
                event = Book(bids, asks, time_ms)
            except ValueError:
                counters.bad_input += 1
                return NO_SIGNALS
        if state is None:
            state = self._plans.add(symbol, counters.received)
        elif is_replay and time_ms < state.last_ms - REPLAY_RESTART_MS:
            state = self._restart(symbol)
        market, prices = state.market, state.prices
        last_price = market.last_price
        if is_depth:
            mid = event.mid
            if (
                prices.is_disturbed or time_ms < prices.book_ms or not LOW * last_price <= mid <= HIGH * last_price
            ) and not self._admission.takes_book(event, state, received_ms, is_replay, is_dated):
                return NO_SIGNALS
            prices.book_ms = time_ms
            if time_ms > prices.reference_until_ms:
                market.last_price = mid
            analytics = state.analytics
            analytics.book = event
            if time_ms // 1000 != analytics.second:
                analytics.sample(event)
        else:
            price = event.price
            if (
                prices.is_disturbed or time_ms < prices.traded_ms or not LOW * last_price <= price <= HIGH * last_price
            ) and not self._admission.takes_price(route, event, state, received_ms, is_replay):
                return NO_SIGNALS
            if time_ms >= prices.traded_ms:
                market.last_price = prices.traded = price
                prices.traded_ms = time_ms
                prices.reference_until_ms = time_ms + MAX_REFERENCE_AGE_MS
        if time_ms > state.last_ms:
            state.last_ms = time_ms
        market.seen = counters.received
        self.last_event_ms = time_ms
        self._source = source = envelope.source
        self._is_replay = is_replay
        if state.generation != self._config.generation or time_ms >= self._isolation.resume_at_ms:
            self._refresh(state, time_ms)
        name = route.name
        counters.decoded[name] += 1
        return self._decide(state.plans[name], event, time_ms, state, source)

    def _refresh(self, state: SymbolState, time_ms: int) -> None:
        """End the pauses that are over, and rebuild the symbol's plans if they are stale."""
        if time_ms >= self._isolation.resume_at_ms:
            self._isolation.resume(time_ms)
            self._plans.invalidate()
        if state.generation != self._config.generation:
            self._plans.rebuild(state, self._isolation.paused)

    def _restart(self, symbol: str) -> SymbolState:
        """Reset a symbol, as a second replay must: it then makes the same decisions as the first."""
        self._plans.forget(symbol)
        self._isolation.end_pauses()
        self._plans.invalidate()
        return self._plans.add(symbol, self.counters.received)


def _recent_price(state: SymbolState | None, time_ms: int) -> float:
    """The symbol's own price where it is known and recent at ``time_ms``, else 0."""
    if state is None or abs(time_ms - state.last_ms) > MAX_REFERENCE_AGE_MS:
        return 0.0
    return state.market.last_price
