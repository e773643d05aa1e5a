"""Keeps the snapshot on disk in step with what is in force."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import structlog

from realtime_runtime.config import snapshot
from realtime_runtime.config.condition import ConfigCounters
from realtime_runtime.config.state import LiveConfig

DEBOUNCE_SECONDS = 0.5
RETRY_SECONDS = 30.0

log = structlog.get_logger(__name__)


class SnapshotKeeper:
    """``mark`` after each change, ``run`` as a task. ``refusal`` says why the file found at the start was not used."""

    def __init__(self, live: LiveConfig, counters: ConfigCounters, *, path: Path, prefix: str) -> None:
        self.refusal: str | None = None
        self._live = live
        self._counters = counters
        self._path = path
        self._prefix = prefix
        self._unsaved = asyncio.Event()

    def load(self) -> snapshot.Snapshot | None:
        """The last good configuration on disk; a file that cannot be used is logged and left aside."""
        try:
            return snapshot.read(self._path, prefix=self._prefix)
        except (snapshot.SnapshotError, OSError) as exception:
            self.refusal = str(exception)
            log.error("config.snapshot_ignored", path=str(self._path), error=self.refusal)
            return None

    def mark(self) -> None:
        """What is in force differs from the file."""
        self._unsaved.set()

    async def run(self) -> None:
        """Save the configuration after changes, at most twice a second, without holding up anything else."""
        while True:
            await self._unsaved.wait()
            await asyncio.sleep(DEBOUNCE_SECONDS)
            if not await self.save():
                await asyncio.sleep(RETRY_SECONDS)

    async def save(self) -> bool:
        """Save what has changed since the last time; false where that failed (logged, counted, to be tried again)."""
        if not self._unsaved.is_set():
            return True
        self._unsaved.clear()
        content = snapshot.Snapshot(
            prefix=self._prefix,
            sequence=self._live.sequence,
            saved_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            documents=self._live.documents,
        )
        try:
            await asyncio.to_thread(snapshot.write, self._path, content)
        except OSError as exception:
            self._counters.snapshot_failures += 1
            self._unsaved.set()
            log.error("config.snapshot_failed", path=str(self._path), error=str(exception))
            return False
        return True
