"""What other services hold against a change: all asked at once, two seconds in all, whatever they do meanwhile.

One event loop in a daemon thread asks them: a deadline there ends a request wherever it is (connecting, in the headers,
in the body), no thread is held by a service that drips, and none keeps the process from ending.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec
import structlog
from django.conf import settings

from strategy_config.api.resources.checks.peer_answers import NotUnderstoodError, Objection, objections
from strategy_config.api.resources.checks.under_way import begin, end, key_of

LIMIT_SECONDS = 2.0

# The loop ends what is late by itself; this is for a loop that cannot.
GRACE_SECONDS = 0.5

MAX_ANSWER_BYTES = 256 * 1024

MOST_REQUESTS = 64

HOP_HEADER = "X-Conflict-Check-Hop"

UNDER_WAY = "a check of the same change is already in progress, or timed out a moment ago"

Status = Literal["answered", "no_answer", "not_asked"]

T = TypeVar("T")

log = structlog.get_logger(__name__)

_free = threading.BoundedSemaphore(MOST_REQUESTS)


class ServiceOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service had its say; ``reason`` where it had not."""

    service: str
    status: Status
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Objections:
    """All objections, and for each service whether it had its say."""

    conflicts: list[Objection]
    services: list[ServiceOutcome]

    @property
    def warnings(self) -> list[str]:
        """A sentence for each service without a say."""
        return [
            f"{check.service} {'was not' if check.status == 'not_asked' else 'could not be'} asked for conflicts: "
            f"{check.reason}."
            for check in self.services
            if check.status != "answered"
        ]


def find_conflicts(
    *, strategy_id: str, symbol: str | None, parameters: Mapping[str, Any], hop: str | None
) -> Objections:
    """Ask every service of CONFLICT_CHECK_URLS. ``hop`` is the HOP_HEADER of the request that this is for.

    Nobody is asked for a request that is part of another check, nor about a change that it is being asked about.
    """
    services: Mapping[str, str] = settings.CONFLICT_CHECK_URLS
    if not services:
        return Objections([], [])
    if hop is not None and hop.strip() not in {"", "0"}:
        return _not_asked(services, "this check is part of another service's")
    key = key_of(strategy_id, symbol, parameters)
    free = begin(key, services)
    # `config_type` is what the data manager calls this kind of configuration; the others pass over it.
    content = {"strategy_id": strategy_id, "symbol": symbol, "parameters": parameters, "config_type": "strategy"}
    found = _ask_all({name: services[name] for name in free}, msgspec.json.encode(content))
    end(key, [check.service for check in found.services if check.status == "answered"])
    others = _not_asked([name for name in services if name not in free], UNDER_WAY)
    return Objections(found.conflicts, [*found.services, *others.services])


def _ask_all(services: Mapping[str, str], body: bytes) -> Objections:
    asked: dict[str, concurrent.futures.Future[list[Objection]] | None] = {}
    for name, url in services.items():
        asked[name] = _submit(_ask(name, url, body)) if _free.acquire(blocking=False) else None
    answers = [answer for answer in asked.values() if answer is not None]
    concurrent.futures.wait(answers, timeout=LIMIT_SECONDS + GRACE_SECONDS)
    conflicts: list[Objection] = []
    checks: list[ServiceOutcome] = []
    for name, answer in asked.items():
        if answer is None:
            reason = "too many checks are in progress"
            checks.append(ServiceOutcome(service=name, status="not_asked", reason=reason))
            continue
        problem = _problem(answer)
        if problem is None:
            conflicts.extend(answer.result())
            checks.append(ServiceOutcome(service=name, status="answered"))
        else:
            answer.cancel()
            log.warning("conflict_check.unanswered", service=name, error=problem)
            checks.append(ServiceOutcome(service=name, status="no_answer", reason=problem))
    return Objections(conflicts, checks)


def _not_asked(services: Iterable[str], reason: str) -> Objections:
    return Objections([], [ServiceOutcome(service=name, status="not_asked", reason=reason) for name in services])


async def _ask(service: str, url: str, body: bytes) -> list[Objection]:
    headers = {
        **{"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"},
        HOP_HEADER: "1",
    }
    address = f"{url.rstrip('/')}/api/v1/config/validate"
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(address, data=body, headers=headers, allow_redirects=False) as response,
    ):
        return objections(service, response.status, await _read(response))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES:
            raise NotUnderstoodError(f"its answer is longer than {MAX_ANSWER_BYTES // 1024} KiB")
    return bytes(answer)


def _problem(answer: concurrent.futures.Future[list[Objection]]) -> str | None:
    """Why the service has no say, None where it has; never the service's own words."""
    if not answer.done():
        return f"no answer within {LIMIT_SECONDS:g} s"
    exception = answer.exception()
    if exception is None:
        return None
    if isinstance(exception, NotUnderstoodError):
        return str(exception)
    return f"no answer within {LIMIT_SECONDS:g} s" if isinstance(exception, TimeoutError) else "it is unreachable"


def _submit(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run it in the loop; its place among MOST_REQUESTS is free when it is done, cancelled before it began included."""
    answer = asyncio.run_coroutine_threadsafe(work, _loop())
    answer.add_done_callback(lambda _: _free.release())
    return answer


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, started by the first check: a fork before that has nothing to lose."""
    with _starting:
        return _started()


@cache
def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="conflict-check", daemon=True).start()
    return loop
