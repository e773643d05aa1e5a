"""Announces a halt to runtimes while the database is down: over Redis, where the worker finds it later, and NATS."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog
from django.conf import settings
from nats import errors

from service_kit.nats_connection import CheckedClient, NatsAccess
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client
from strategy_core.configuration import redis_keys
from strategy_core.configuration.halts import SIGNATURE_HEADER, TOLD_CAP, Halt, signature_of, wire_request

NATS_SECONDS = 2.0

log = structlog.get_logger(__name__)


def tell(halt: Halt) -> tuple[str, ...]:
    """Inform the runtimes; returns the channels that worked, () if neither did."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="halt") as executor:
        over_nats = executor.submit(_over_nats, halt) if _is_nats_used() else None
        told = ["redis"] if _over_redis(halt) else []
        if over_nats is not None and over_nats.result():
            told.append("nats")
    log.warning("halt.told_without_store", id=halt.id, scope=str(halt.scope), told_over=told)
    return tuple(told)


def _is_nats_used() -> bool:
    return bool(settings.NATS_URL and (settings.HALT_SECRET or settings.HALT_TRUST_BROKER))


def _over_redis(halt: Halt) -> bool:
    key, payload = redis_client.keys().told_halts, msgspec.json.encode(halt)
    try:
        redis_client.run(
            lambda client: client.xadd(key, {redis_keys.STREAM_FIELD: payload}, maxlen=TOLD_CAP, approximate=True),
            is_patient=True,
        )
    except RedisUnavailableError as exception:
        log.error("halt.untold", over="redis", id=halt.id, error=str(exception))
        return False
    return True


def _over_nats(halt: Halt) -> bool:
    """Whether a runtime has answered that it is halted."""
    try:
        return asyncio.run(_ask(halt))
    except (errors.Error, OSError, TimeoutError) as exception:
        log.error("halt.untold", over="nats", id=halt.id, error=f"{type(exception).__name__}: {exception}")
    except Exception:
        # Whatever came back: what Redis was told stands, and is not answered as a failure.
        log.exception("halt.untold", over="nats", id=halt.id)
    return False


async def _ask(halt: Halt) -> bool:
    access = NatsAccess(
        ca_file=settings.NATS_CA_FILE,
        creds_file=settings.NATS_CREDS_FILE,
        nkey_seed_file=settings.NATS_NKEY_SEED_FILE,
    )
    body, secret, client = wire_request(halt), settings.HALT_SECRET.encode(), CheckedClient()
    headers = {SIGNATURE_HEADER: signature_of(body, secret)} if secret else None
    try:
        async with asyncio.timeout(NATS_SECONDS):
            await client.connect(
                settings.NATS_URL, name="realtime-strategies-halt", allow_reconnect=False, **access.options()
            )
            subject = f"{settings.NATS_TOPIC_CONTROL}.halt"
            answer = await client.request(subject, body, timeout=NATS_SECONDS, headers=headers)
    finally:
        await client.close()
    return msgspec.json.decode(answer.data, type=_Answer).halted


class _Answer(msgspec.Struct):
    halted: bool = False
