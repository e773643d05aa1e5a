"""What a runtime reads of halts in Redis: everything with each complete read, news as they come."""

from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from realtime_runtime.config.connection import Command
from strategy_core.configuration import change_stream, redis_keys
from strategy_core.configuration.halts import TOLD_CAP, Halt, Halts, read_halt, read_halts
from strategy_core.engine.active import ActiveConfigs

log = structlog.get_logger(__name__)


class TakesHalts(Protocol):
    """Where halts go: see `realtime_runtime.halts.halts_in_force.HaltsInForce`."""

    @property
    def halts(self) -> Halts:
        """The halts in force."""

    async def take(self, halts: Sequence[Halt], resumed: Sequence[str] = ()) -> bool:
        """Put halts in force and end others; true when both will outlive a restart."""

    def await_telling(self, halts: Sequence[Halt]) -> None:
        """Have Redis told of these halts."""


class HaltsInMemory:
    """Takes halts for a client without a runtime around it: they hold, and are neither kept nor told."""

    def __init__(self, active: ActiveConfigs) -> None:
        self._active = active

    @property
    def halts(self) -> Halts:
        """The halts in force."""
        return self._active.halts

    async def take(self, halts: Sequence[Halt], resumed: Sequence[str] = ()) -> bool:
        """Put halts in force and end others."""
        ended, new = self.halts.resume(resumed), self.halts.add(halts)
        if ended or new:
            self._active.note_halts()
        return True

    def await_telling(self, halts: Sequence[Halt]) -> None:
        """There is nobody to tell them."""


class HaltReader:
    """Reads the union of ``<prefix>:halts`` and ``<prefix>:halts:told`` without ``<prefix>:resumed``.

    What is missing there ends nothing: a halt in force that Redis lacks is written there again. ``problem`` says
    why the halts cannot be read ("": they can).
    """

    def __init__(self, keys: redis_keys.Keys, target: TakesHalts) -> None:
        self.problem = ""
        self._keys = keys
        self._target = target
        self._told_id: bytes | None = None

    def commands(self) -> list[Command]:
        """What asks for all halts; the replies go to ``take``. What was resumed is asked for last.

        So a halt that is resumed meanwhile is at least among the resumed.
        """
        return [
            ("HGETALL", self._keys.halts),
            ("XREVRANGE", self._keys.told_halts, "+", "-", "COUNT", TOLD_CAP),
            ("HGETALL", self._keys.resumed),
        ]

    async def take(self, replies: Sequence[Any]) -> None:
        """Put in force what Redis has; what it refuses to say is logged once and left aside."""
        refused = [str(reply) for reply in replies if isinstance(reply, Exception)]
        if refused and not self.problem:
            log.error("halts.unreadable", error=refused[0])
        self.problem = refused[0] if refused else ""
        hashed, told, resumed = ([] if isinstance(reply, Exception) else reply for reply in replies)
        if isinstance(replies[1], Exception):
            self._told_id = None
        else:
            self._told_id = told[0][0] if told else b"0-0"
        known = {_text(hashed[at]): hashed[at + 1] for at in range(0, len(hashed), 2)}
        halts = [halt for field, raw in known.items() if (halt := read_halt(raw, fallback_id=field)) is not None]
        halts += _told(told)
        await self._target.take(halts, [_text(halt_id) for halt_id in resumed[::2]])
        if not refused:
            there = {halt.id for halt in halts}
            self._target.await_telling([halt for halt in self._target.halts.held if halt.id not in there])

    async def take_change(self, change: change_stream.Change) -> bool:
        """Put in force what an entry of the changes says of halts; false where that would not outlive a restart."""
        if not (change.halts or change.ids):
            return True
        return await self._target.take(read_halts(bytes(raw) for raw in change.halts), change.ids)

    def is_readable(self, change: change_stream.Change) -> bool:
        """Whether each halt of an entry names its id; where one does not, the hash has it under its id."""
        return len(read_halts(bytes(raw) for raw in change.halts)) == len(change.halts)

    def streams(self) -> dict[str, bytes]:
        """The stream to wait on and the last entry seen of it; empty where it cannot be read."""
        return {} if self._told_id is None else {self._keys.told_halts: self._told_id}

    async def take_news(self, entries: Sequence[Any]) -> None:
        """Put in force what came in on the stream."""
        if entries:
            self._told_id = entries[-1][0]
            await self._target.take(_told(entries))


def _told(entries: Sequence[Any]) -> list[Halt]:
    return read_halts(redis_keys.stream_payload(fields) for _, fields in entries)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
