"""Takes messages from the intake through the engine, in slices, so that nothing else is ever kept waiting."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from realtime_runtime.messaging.bus import Bus
from realtime_runtime.messaging.intake import Intake, Message
from realtime_runtime.messaging.outgoing import Emission, OutgoingSignal
from realtime_runtime.messaging.progress import Progress
from realtime_runtime.reporting.signal_history import SignalHistory
from service_kit import tracing
from service_kit.timings import Timings
from strategy_core.engine.engine import Engine
from strategy_core.engine.signals import SIMULATED, Signal, encode, with_trace

SLICE_SECONDS = 0.001
MESSAGES_PER_CLOCK_READ = 16
BATCHES_PER_SAMPLE = 16
"""Under load every 257th message is measured, which costs the others some 0.05 us each."""
KEPT_LIMIT = 10_000
TRACE_SECONDS = 1.0
"""Of the measured messages one in this time is traced, beside those that belong to a trace; see `tracing`."""


class Consumer:
    """The only task that calls the engine. ``processed`` counts messages, ``signals`` what came of them.

    ``withheld`` counts the signals that were not sent because another runtime trades this share.
    """

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        bus: Bus,
        history: SignalHistory,
        *,
        instance_id: str,
        topic_intents: str,
        topic_simulated: str,
    ) -> None:
        self.processed = 0
        self.signals = 0
        self.withheld = 0
        self._emission = Emission.OPEN
        self._kept: deque[tuple[Sequence[Signal], float]] = deque(maxlen=KEPT_LIMIT)
        self.timings = Timings()
        self._batches = 0
        self._traced_at = -TRACE_SECONDS
        self._take = self._process_traced if tracing.is_on() else self._process
        self._engine = engine
        self._market = engine.market
        self._observe = engine.observation
        self._intake = intake
        self._bus = bus
        bus.drop_kept = self._drop_stopped
        self._history = history
        self._instance_id = instance_id
        self._topic_intents = topic_intents
        self._topic_simulated = topic_simulated
        self._worst_lag_ms = 0.0
        self._replies: list[str] = []

    async def run(self) -> None:
        """Process messages for ever."""
        while True:
            await self._intake.wait()
            await self.process_slice()
            await asyncio.sleep(0)

    async def finish(self) -> None:
        """Process what is queued; returns when nothing is. Bound it in time."""
        while self._intake.messages:
            await self.process_slice()
            await asyncio.sleep(0)

    async def process_slice(self) -> None:
        """Process messages for about a millisecond of processor time, then answer those that asked for it."""
        messages = self._intake.messages
        if messages:
            self._worst_lag_ms = max(self._worst_lag_ms, time.time() * 1000 - messages[0].received_ms)
        # The thread's own time: on a crowded machine the wall clock would end a slice that has hardly begun.
        deadline = time.thread_time() + SLICE_SECONDS
        take, next_message = self._take, messages.popleft
        while messages and time.thread_time() < deadline:
            self._batches += 1
            if not self._batches % BATCHES_PER_SAMPLE:
                self._process_measured(next_message())
            for _ in range(min(len(messages), MESSAGES_PER_CLOCK_READ)):
                take(next_message())
        self._replies.extend(self._intake.unanswered)
        self._intake.unanswered.clear()
        if self._replies:
            await self._answer()

    def take_worst_lag_ms(self) -> float:
        """The longest wait of a message in the intake since the last call, in milliseconds."""
        worst, self._worst_lag_ms = self._worst_lag_ms, 0.0
        return worst

    def _process(self, message: Message) -> None:
        payload, reply = message.payload, message.reply
        if reply and not payload:
            # A feed only asks where we stand: before its first message, for the counters to start from.
            self._replies.append(reply)
            return
        observation = message.observation
        if observation is None:
            signals = self._market(
                payload, received_ms=message.received_ms, is_replay=message.is_replay, subject_symbol=message.symbol
            )
        else:
            signals = self._observe(observation, payload, received_ms=message.received_ms, is_replay=message.is_replay)
        self.processed += 1
        if signals:
            self._emit(signals)
        if reply:
            self._replies.append(reply)

    def _process_measured(self, message: Message) -> None:
        """Process a message with a clock at hand; what its decoding takes shows by doing it once more."""
        started = time.perf_counter()
        if tracing.is_on() and started - self._traced_at >= TRACE_SECONDS:
            self._traced_at = started
            self._process_in_span(message)
        else:
            self._take(message)
        processed = time.perf_counter()
        self.timings.wait.observe(max(0.0, time.time() - message.received_ms / 1000))
        if message.observation is None and message.payload:
            decoding_from = time.perf_counter()
            if self._engine.decode_only(message.payload):
                decoding = time.perf_counter() - decoding_from
                self.timings.decode.observe(decoding)
                self.timings.decision.observe(max(0.0, processed - started - decoding))

    def _process_traced(self, message: Message) -> None:
        """Process a message; one that belongs to a trace gets a span in it."""
        if message.traceparent:
            self._process_in_span(message)
        else:
            self._process(message)

    def _process_in_span(self, message: Message) -> None:
        kind = "market" if message.observation is None else message.observation.name
        with tracing.span("market.process", kind="consumer", parent=message.traceparent, attributes={"kind": kind}):
            self._process(message)

    def set_emission(self, emission: Emission) -> None:
        """Say what becomes of signals from now on; those kept so far follow."""
        self._emission = emission
        kept, self._kept = self._kept, deque(maxlen=KEPT_LIMIT)
        for signals, decided_at in kept:
            self._emit(signals, decided_at)

    def _drop_stopped(self) -> int:
        """Give up the kept signals of what is stopped by now; how many."""
        before = sum(len(signals) for signals, _ in self._kept)
        left = [
            ([each for each in signals if not self._bus.is_stopped(each.strategy_id, each.symbol)], decided_at)
            for signals, decided_at in self._kept
        ]
        self._kept = deque((each for each in left if each[0]), maxlen=KEPT_LIMIT)
        return before - sum(len(signals) for signals, _ in self._kept)

    def _emit(self, signals: Sequence[Signal], decided_at: float | None = None) -> None:
        """Send, keep or count what was decided now, or at a monotonic instant before."""
        decided_at = time.monotonic() if decided_at is None else decided_at
        if self._emission is not Emission.OPEN:
            if self._emission is Emission.KEPT:
                self._kept.append((signals, decided_at))
            else:
                self.withheld += len(signals)
            return
        self.signals += len(signals)
        trace = tracing.traceparent()
        for signal in signals:
            payload = encode(signal)
            subject = f"{self._topic_for(signal)}.{signal.strategy_id}"
            stops = {"strategy_id": signal.strategy_id, "symbol": signal.symbol}
            self._bus.send(OutgoingSignal(subject, signal.id, with_trace(payload, trace), decided_at, trace, **stops))
            self._history.add(payload)

    def _topic_for(self, signal: Signal) -> str:
        """Simulated signals have a subject of their own: consumers of the other one trade on what they read."""
        return self._topic_simulated if signal.metadata.get("source") == SIMULATED else self._topic_intents

    async def _answer(self) -> None:
        replies, self._replies = self._replies, []
        progress = msgspec.json.encode(
            Progress(
                instance_id=self._instance_id,
                received=self._intake.received,
                processed=self.processed,
                dropped=self._intake.dropped,
                errors=self._engine.counters.errors,
            )
        )
        for reply in replies:
            await self._bus.answer(reply, progress)
