"""All that the runtime has to do with NATS: market data in, signals out."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

import structlog
from nats import errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from realtime_runtime.messaging.intake import Intake
from realtime_runtime.messaging.nats_parser import MarketClient
from realtime_runtime.messaging.outgoing import Gate, OpenGate, OutgoingSignal
from service_kit.nats_connection import NatsAccess, NatsLostError, lasting
from service_kit.outage import Outage
from service_kit.timings import WAIT_BOUNDS, Histogram
from strategy_core.market.event_kinds import EVENT_KINDS, ObservationKind

OUTBOX_LIMIT = 100_000
OUTBOX_BATCH = 500
CONFIRM_TIMEOUT_SECONDS = 2
RETRY_SECONDS = 0.2

log = structlog.get_logger(__name__)


class NotConfirmedError(errors.Error):
    """This process stood still while it sent signals: whether it may still send them has to be asked first."""


class Bus:
    """One connection to NATS, kept for ever. Market messages go to ``intake``, signals wait in an outbox.

    A signal stays in the outbox until the server has confirmed it: what was on its way when a connection broke goes
    out again after the next one, under the same id. One that has waited longer than ``signal_ttl_seconds`` (0: no
    limit) is too old to trade on: it is given up and counted in ``signals_expired``. ``attempted`` is set when the
    first attempt to connect has ended, well or not. ``confirmation`` is how long the server took to confirm each
    batch of signals. Nothing is sent but through ``gate``; ``signals_withheld`` waited when it closed for good.
    ``drop_kept`` gives up the signals of what is stopped that are not in the outbox yet.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        url: str,
        name: str,
        topic: str,
        signal_ttl_seconds: float = 0.0,
        access: NatsAccess = NatsAccess(),  # noqa: B008  (frozen)
        is_stopped: Callable[[str, str], bool] = lambda strategy_id, symbol: False,
        observations: Sequence[ObservationKind] = EVENT_KINDS.observations,
    ) -> None:
        """``is_stopped`` (strategy, symbol) is asked before a signal goes out."""
        self.attempted = asyncio.Event()
        self.signals_sent = 0
        self.signals_dropped = 0
        self.signals_expired = 0
        self.signals_halted = 0
        self.signals_withheld = 0
        self.gate: Gate = OpenGate()
        self.reconnects = 0
        self.confirmation = Histogram(WAIT_BOUNDS)
        self._url = url
        self._access = access
        self._name = name
        self._topic = topic
        self._observations = observations
        self._client = MarketClient(intake.put)
        self._subscriptions: list[Subscription] = []
        self._listeners: dict[str, Callable[[Msg], Awaitable[None]]] = {}
        self.is_stopped = is_stopped
        self.drop_kept: Callable[[], int] = lambda: 0
        self._outbox: deque[OutgoingSignal] = deque()
        self._in_flight: list[OutgoingSignal] = []
        self._outbox_filled = asyncio.Event()
        self._sending = asyncio.Lock()
        self._closed = asyncio.Event()
        self._is_closing = False
        self._is_subscribed = False
        self._outage = Outage("nats.error")
        self._signal_ttl_seconds = signal_ttl_seconds
        self._is_expiry_logged = False

    @property
    def client(self) -> MarketClient:
        """The client behind this connection, for requests and subscriptions of others."""
        return self._client

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected

    @property
    def is_subscribed(self) -> bool:
        """Whether the server has taken the subscriptions (it gets them again with every reconnection)."""
        return self._is_subscribed

    @property
    def is_lost(self) -> bool:
        """Whether the connection is closed for good."""
        return self._closed.is_set() and not self._is_closing

    @property
    def refusal(self) -> str:
        """Why the server refuses this process's credentials; empty where it does not."""
        return self._client.refusal

    @property
    def outbox_size(self) -> int:
        """Signals not yet confirmed by the server."""
        return len(self._outbox) + len(self._in_flight)

    async def run(self) -> None:
        """Connect, subscribe, and stay; raises NatsLostError when the client gives the connection up."""
        await self._client.connect(
            self._url,
            name=self._name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            **lasting(self._access),
        )
        await self._subscribe(self._topic, None)
        for kind in self._observations:
            await self._subscribe(kind.subscription, kind)
        for subject, take in self._listeners.items():
            await self._client.subscribe(subject, cb=take)
        await self._confirm_subscriptions()
        self._outage.worked()
        self.attempted.set()
        log.info("nats.connected", topic=self._topic)
        await self._closed.wait()
        raise NatsLostError

    def listen(self, subject: str, take: Callable[[Msg], Awaitable[None]]) -> None:
        """Have ``take`` called with each message on ``subject``, one after another; to be asked for before ``run``."""
        self._listeners[subject] = take

    def drop_stopped(self) -> int:
        """Give up the waiting signals of what is stopped by now; how many.

        Those that were sent and wait for their confirmation are not sent again.
        """
        kept = deque(signal for signal in self._outbox if not self._is_stopped(signal))
        dropped = len(self._outbox) - len(kept) + self.drop_kept()
        self._outbox = kept
        in_flight = [signal for signal in self._in_flight if not self._is_stopped(signal)]
        if len(in_flight) != len(self._in_flight):
            # Else the next connection would bring them; the others of the batch are sent again.
            self._client.discard_unsent()
        self._in_flight = in_flight
        self.signals_halted += dropped
        return dropped

    def send(self, signal: OutgoingSignal) -> None:
        """Put a signal into the outbox; full, that gives up the oldest one, with a count and a log."""
        if len(self._outbox) >= OUTBOX_LIMIT:
            self._outbox.popleft()
            if self.signals_dropped % 1_000 == 0:
                log.error("signals.dropped", limit=OUTBOX_LIMIT, dropped=self.signals_dropped + 1)
            self.signals_dropped += 1
        self._outbox.append(signal)
        self._outbox_filled.set()

    def withhold(self) -> None:
        """Give up the signals that wait: another runtime sends its own."""
        self.signals_withheld += len(self._outbox)
        self._outbox.clear()

    async def run_outbox(self) -> None:
        """Send signals for ever, as they come and as the connection allows."""
        while True:
            await self._outbox_filled.wait()
            self._outbox_filled.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send what is in the outbox as soon as there is a connection; returns when it is empty. Bound it in time."""
        while self._outbox:
            self._expire()
            if self.gate.is_closed:
                self.withhold()
                return
            if not (self.is_connected and await self.gate.may_publish() and await self._send_batch()):
                await asyncio.sleep(RETRY_SECONDS)

    async def publish(self, subject: str, payload: bytes, headers: dict[str, str]) -> bool:
        """Publish once; false where the server has not confirmed it."""
        if not self.is_connected:
            return False
        try:
            await self._client.publish(subject, payload, headers=headers)
            await self._client.flush(CONFIRM_TIMEOUT_SECONDS)
        except (errors.Error, OSError, TimeoutError) as exception:
            log.warning("nats.publish_failed", subject=subject, error=f"{type(exception).__name__}: {exception}")
            return False
        return True

    async def catch_up(self) -> None:
        """Return when all that the server had for this process at the time of the call was taken in.

        Without an answer it returns after ``CONFIRM_TIMEOUT_SECONDS``.
        """
        try:
            await self._client.flush(CONFIRM_TIMEOUT_SECONDS)
        except (errors.Error, OSError, TimeoutError) as exception:
            log.debug("nats.not_caught_up", error=f"{type(exception).__name__}: {exception}")

    async def answer(self, reply: str, payload: bytes) -> None:
        """Report progress to a feed. It is of use only now: without a connection it is not kept."""
        if not self.is_connected:
            return
        try:
            await self._client.publish(reply, payload)
        except errors.Error as exception:
            log.debug("nats.answer_failed", error=str(exception))

    async def stop_intake(self) -> None:
        """Take no more messages: unsubscribe from everything, as far as there is a connection."""
        for subscription in self._subscriptions:
            try:
                await subscription.unsubscribe()
            except (errors.Error, OSError) as exception:
                log.debug("nats.unsubscribe_failed", error=str(exception))
        self._client.messages.forget()
        self._subscriptions.clear()

    async def close(self) -> None:
        """Close the connection."""
        self._is_closing = True
        await self._client.close()

    async def _subscribe(self, subject: str, observation: ObservationKind | None) -> None:
        self._client.messages.observations[subject] = observation
        self._subscriptions.append(await self._client.subscribe(subject))

    async def _confirm_subscriptions(self) -> None:
        """Wait for the server to take them; where the connection breaks meanwhile, the next one brings them anew."""
        try:
            await self._client.flush(CONFIRM_TIMEOUT_SECONDS)
        except (errors.Error, OSError, TimeoutError) as exception:
            log.warning("nats.subscriptions_unconfirmed", error=f"{type(exception).__name__}: {exception}")
        self._is_subscribed = True

    def _expire(self) -> None:
        """Give up the signals that are too old to trade on; said once an outage."""
        if not self._signal_ttl_seconds:
            return
        outbox, oldest = self._outbox, time.monotonic() - self._signal_ttl_seconds
        before = len(outbox)
        while outbox and outbox[0].decided_at < oldest:
            outbox.popleft()
        if expired := before - len(outbox):
            self.signals_expired += expired
            if not self._is_expiry_logged:
                self._is_expiry_logged = True
                log.error("signals.expired", expired=expired, limit_seconds=self._signal_ttl_seconds)

    async def _send_batch(self) -> bool:
        """Send some signals and have the server confirm them; false where that failed and they wait again."""
        async with self._sending:
            batch = self._in_flight = list(islice(self._outbox, OUTBOX_BATCH))
            for _ in batch:
                self._outbox.popleft()
            started, published, connection = time.perf_counter(), 0, self._client.connection
            try:
                for signal in batch:
                    if not self.gate.is_confirmed:
                        raise NotConfirmedError
                    # Asked right before each: a stop may come while the ones before it are written.
                    if not self._is_stopped(signal):
                        await self._client.publish(signal.subject, signal.payload, headers=signal.headers)
                        published += 1
                await self._client.flush(CONFIRM_TIMEOUT_SECONDS)
                if self._client.connection != connection:
                    # What was written before the connection broke was discarded with it.
                    raise errors.ConnectionReconnectingError
            except (errors.Error, OSError, TimeoutError) as exception:
                self._put_back(batch)
                self._client.discard_unsent()
                log.warning("signals.unconfirmed", signals=len(batch), error=f"{type(exception).__name__}: {exception}")
                return False
            except asyncio.CancelledError:
                self._put_back(batch)
                raise
            self._in_flight = []
            self.signals_sent += published
            self.signals_halted += len(batch) - published
            self.confirmation.observe(time.perf_counter() - started)
            self._is_expiry_logged = False
            return True

    def _put_back(self, batch: list[OutgoingSignal]) -> None:
        """What was on its way waits again, but for what was stopped meanwhile."""
        self.signals_halted += len(batch) - len(self._in_flight)
        self._outbox.extendleft(reversed(self._in_flight))
        self._in_flight = []

    def _is_stopped(self, signal: OutgoingSignal) -> bool:
        return self.is_stopped(signal.strategy_id, signal.symbol)

    async def _on_error(self, exception: Exception) -> None:
        self.attempted.set()
        self._outage.failed(exception)
        if self.is_connected:
            # Each error is news then (a refused permission, say); while it is not, the first tells all.
            self._outage.worked()

    async def _on_disconnected(self) -> None:
        # What is not confirmed is the outbox's alone: the library's buffer knows no age.
        self._client.discard_unsent()
        if not self._is_closing:
            log.warning("nats.disconnected")

    async def _on_reconnected(self) -> None:
        self.reconnects += 1
        self._outage.worked()
        log.info("nats.reconnected", signals_waiting=len(self._outbox), signals_expired=self.signals_expired)

    async def _on_closed(self) -> None:
        self._closed.set()
