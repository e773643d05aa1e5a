"""The parts of one runtime, put together. Nothing is started here."""

import asyncio
import os
import uuid
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime_runtime.config.client import ConfigClient
from realtime_runtime.config.documents import Catalogue
from realtime_runtime.config.state import LiveConfig
from realtime_runtime.consumer import Consumer
from realtime_runtime.halts.halt_paths import HaltPaths
from realtime_runtime.halts.halt_telling import HaltTeller
from realtime_runtime.halts.halts_in_force import HaltsInForce
from realtime_runtime.messaging.bus import Bus
from realtime_runtime.messaging.intake import Intake
from realtime_runtime.messaging.outgoing import Emission
from realtime_runtime.reporting.activity import ActivityReporter
from realtime_runtime.reporting.heartbeat import HeartbeatWriter
from realtime_runtime.reporting.order_books import MarketPublisher
from realtime_runtime.reporting.price_history import PriceHistory
from realtime_runtime.reporting.signal_history import SignalHistory
from realtime_runtime.settings import Settings
from realtime_runtime.standby.pauses import PauseGate, Pauses
from realtime_runtime.standby.share import Holder, ShareKeeper
from realtime_runtime.standby.share_lease import RedisLease
from realtime_runtime.standby.share_voice import NatsVoice, SignalListener
from realtime_runtime.standby.warm_standby import Standby
from strategy_core.configuration.redis_keys import Keys
from strategy_core.engine.engine import Engine
from strategy_core.engine.last_signals import LastSignals

INTAKE_LIMIT = 10_000
REDIS_CONNECT_TIMEOUT_SECONDS = 1.0
REDIS_TIMEOUT_SECONDS = 2.0

Status = Literal["starting", "ok", "degraded", "failed"]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that makes up one runtime process."""

    settings: Settings
    config: ConfigClient
    engine: Engine
    intake: Intake
    bus: Bus
    halting: HaltsInForce
    halt_paths: HaltPaths
    halt_teller: HaltTeller
    consumer: Consumer
    history: SignalHistory
    heartbeat: HeartbeatWriter
    activity: ActivityReporter
    market: MarketPublisher
    prices: PriceHistory
    standby: Standby
    pauses: Pauses
    redis: Redis

    @property
    def status(self) -> Status:
        """Whether it trades: "starting" before the first attempts at Redis and NATS have ended, and while a start that
        knows no configuration waits for one; "failed" for good.
        """
        if self.bus.is_lost:
            return "failed"
        if not (self.config.attempted.is_set() and self.bus.attempted.is_set()) or self.config.condition.is_waiting:
            return "starting"
        is_well = self.config.degraded is None and self.bus.is_connected and self.halting.is_kept
        return "ok" if is_well else "degraded"


def assemble(settings: Settings) -> Runtime:
    """Put a runtime together; call it inside the event loop that will run it."""
    live = LiveConfig(Catalogue(settings.strategies, settings.strategy_environment))
    redis = Redis.from_url(
        settings.redis_url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=REDIS_CONNECT_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
    )
    engine = Engine(
        settings.strategies,
        live.active,
        owns_symbol=settings.owns_symbol,
        message_ttl_ms=int(settings.message_ttl_seconds * 1000),
    )
    intake = Intake(INTAKE_LIMIT)
    bus = Bus(
        intake,
        url=settings.nats_url,
        access=settings.nats_access,
        name=settings.nats_consumer_name,
        topic=settings.nats_consumer_topic,
        signal_ttl_seconds=settings.signal_ttl_seconds,
        is_stopped=live.active.is_stopped,
    )
    halting = HaltsInForce(
        live.active, settings.halts_path, instance_id=settings.instance_id, drop_waiting=bus.drop_stopped
    )
    halt_paths = HaltPaths(
        halting,
        bus,
        subject=f"{settings.nats_topic_control}.halt",
        secret=settings.halt_secret,
        trusts_broker=settings.halt_trusts_broker,
        instance_id=settings.instance_id,
    )
    keys = Keys(settings.redis_key_prefix)
    halt_teller = HaltTeller(redis, keys, halting, halt_paths)
    config = ConfigClient(
        live,
        redis_url=settings.redis_url,
        prefix=settings.redis_key_prefix,
        instance_id=settings.instance_id,
        ttl_seconds=settings.config_cache_ttl_seconds,
        snapshot_path=settings.config_snapshot_path,
        halting=halting,
        cold_start=settings.cold_start,
        cold_start_seconds=settings.cold_start_wait_seconds,
    )
    history = SignalHistory(redis, keys)
    consumer = Consumer(
        engine,
        intake,
        bus,
        history,
        instance_id=settings.instance_id,
        topic_intents=settings.nats_topic_intents,
        topic_simulated=settings.nats_topic_simulated_intents,
    )
    consumer.set_emission(Emission.KEPT)
    # What was decided before a stop does not leave after it, also where it is lifted before that.
    live.active.on_swap = bus.drop_stopped
    keeper = _share_keeper(settings, redis, keys, bus)
    pauses = Pauses()

    async def confirm_stops() -> None:
        await asyncio.gather(config.confirm_stops(), bus.catch_up())

    bus.gate = PauseGate(keeper, pauses, confirm_stops)
    last_signals = LastSignals(settings.strategies)
    topics = (settings.nats_topic_intents, settings.nats_topic_simulated_intents)
    standby = Standby(
        keeper,
        SignalListener(bus.client, topics, last_signals.note),
        last_signals,
        engine=engine,
        set_emission=consumer.set_emission,
        bus=bus,
        redis=redis,
        keys=keys,
    )
    heartbeat = HeartbeatWriter(redis, settings, config, engine, intake, consumer, is_standby=lambda: keeper.is_closed)
    activity = ActivityReporter(config, engine, intake, bus, consumer, heartbeat)
    market = MarketPublisher(redis, keys, engine, is_owner=lambda: standby.is_holder)
    prices = PriceHistory(redis, keys, engine, is_owner=lambda: standby.is_holder)
    return Runtime(
        settings=settings,
        config=config,
        engine=engine,
        intake=intake,
        bus=bus,
        halting=halting,
        halt_paths=halt_paths,
        halt_teller=halt_teller,
        consumer=consumer,
        history=history,
        heartbeat=heartbeat,
        activity=activity,
        market=market,
        prices=prices,
        standby=standby,
        pauses=pauses,
        redis=redis,
    )


def _share_keeper(settings: Settings, redis: Redis, keys: Keys, bus: Bus) -> ShareKeeper:
    """What decides whether this process trades its share or stands by."""
    me = Holder(instance_id=settings.instance_id, host=settings.host, pid=os.getpid(), token=uuid.uuid4().hex)
    lease = RedisLease(redis, keys.share(settings.share_name))
    return ShareKeeper(lease, NatsVoice(bus.client, settings.share_subject), me)
