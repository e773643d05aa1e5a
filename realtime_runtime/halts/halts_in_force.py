"""What a runtime does with halts: in force at once, its waiting signals dropped, on disk, then passed on."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import structlog

from realtime_runtime.halts import halt_file
from strategy_core.configuration.halts import EVERYTHING, FILE_CHANNEL, Halt, Halts, ids_of, instant
from strategy_core.engine.active import ActiveConfigs

RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class HaltsInForce:
    """The halts of one runtime. ``load`` first, then ``run`` as a task.

    ``untold`` are the halts that Redis is not known to have, ``unshared`` those that other runtimes may not know of;
    ``news`` is set when there is something in either. ``taken`` counts halts since the start, ``write_failures``
    attempts to keep them.
    """

    def __init__(self, active: ActiveConfigs, path: Path, *, instance_id: str, drop_waiting: Callable[[], int]) -> None:
        self.untold: dict[str, Halt] = {}
        self.unshared: dict[str, Halt] = {}
        self.news = asyncio.Event()
        self.taken = 0
        self.write_failures = 0
        self._active = active
        self._path = path
        self._instance_id = instance_id
        self._drop_waiting = drop_waiting
        self._writing = asyncio.Lock()
        self._revision = self._kept_revision = 0
        self._unkept = asyncio.Event()

    @property
    def halts(self) -> Halts:
        """The halts in force; changed through this class only."""
        return self._active.halts

    @property
    def is_kept(self) -> bool:
        """Whether the file holds what is in force."""
        return self._kept_revision == self._revision

    def load(self) -> None:
        """Put in force what the file holds. A damaged file halts everything here, as a halt of its own."""
        try:
            held, resumed = halt_file.read(self._path)
        except halt_file.HaltFileError as exception:
            log.error("halts.file_damaged", path=str(self._path), error=str(exception))
            halt_file.set_aside(self._path)
            self._put_in_force([self._own_halt(exception)], [])
            return
        self.halts.resume(resumed)
        self.halts.add(held)
        if held:
            self._active.note_halts()
            self.await_telling(held)
            log.warning("halts.loaded", halts=[str(halt.scope) for halt in held], ids=ids_of(held))

    async def take(self, halts: Sequence[Halt], resumed: Iterable[str] = ()) -> bool:
        """Put in force and end what Redis says; true when the file holds the result."""
        self._put_in_force([halt for halt in halts if halt.channel != FILE_CHANNEL], resumed)
        return await self._keep()

    async def take_direct(self, halt: Halt, *, is_shared: bool) -> bool:
        """Put in force what came without the site, and have it told; true when the file holds it.

        ``is_shared``: the other runtimes have got it too.
        """
        new = {each.id: each for each in self._put_in_force([halt], ())}
        self.untold.update(new)
        if not is_shared:
            self.unshared.update(new)
        if new:
            self.news.set()
        return await self._keep()

    def await_telling(self, halts: Iterable[Halt]) -> None:
        """Have Redis told of these halts, as far as they are in force."""
        self.untold.update((halt.id, halt) for halt in halts if self.halts.holds(halt.id))
        if self.untold:
            self.news.set()

    async def run(self) -> None:
        """Try again for ever to keep what could not be written."""
        while True:
            await self._unkept.wait()
            if not await self._keep():
                await asyncio.sleep(RETRY_SECONDS)

    def _put_in_force(self, halts: Sequence[Halt], resumed: Iterable[str]) -> list[Halt]:
        known = len(self.halts.resumed)
        ended = self.halts.resume(resumed)
        new = self.halts.add(halts)
        if new or ended or len(self.halts.resumed) != known:
            self._revision += 1
            self._unkept.set()
        for halt in ended:
            self.untold.pop(halt.id, None)
            self.unshared.pop(halt.id, None)
            log.warning("halt.ended", id=halt.id, scope=str(halt.scope))
        if new or ended:
            self._active.note_halts()
        if new:
            dropped = self._drop_waiting()
            self.taken += len(new)
            for halt in new:
                log.warning(
                    "halt.in_force",
                    id=halt.id,
                    scope=str(halt.scope),
                    by=halt.by,
                    reason=halt.reason,
                    channel=halt.channel,
                    signals_dropped=dropped,
                )
        return new

    async def _keep(self) -> bool:
        """Write the file where it does not hold what is in force; false where that failed."""
        async with self._writing:
            if self.is_kept:
                self._unkept.clear()
                return True
            revision, content = self._revision, halt_file.encode(self.halts)
            try:
                await asyncio.to_thread(halt_file.write, self._path, content)
            except OSError as exception:
                self.write_failures += 1
                log.error("halts.file_failed", path=str(self._path), error=str(exception))
                return False
            self._kept_revision = revision
            return True

    def _own_halt(self, exception: Exception) -> Halt:
        return Halt(
            id=str(uuid4()),
            scope=EVERYTHING,
            at=instant(datetime.fromtimestamp(time.time(), UTC)),
            by=self._instance_id,
            reason=f"The file of halts of {self._instance_id} is damaged ({exception}). Look at what was halted, then "
            "resume.",
            channel=FILE_CHANNEL,
        )
