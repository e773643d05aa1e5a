"""The site that the benchmarks measure: that of the tests, as it runs, with one worker process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The tests' site asks the settings which store it is on.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "configsite.settings.test")

from tests.live_site import LiveSite  # noqa: E402  # after the variable that it reads

PREFIX = "bench"


@contextmanager
def running_site(folder: Path, redis_url: str, *, prepare: str = "") -> Iterator[LiveSite]:
    """Start it with its store in ``folder``, all documents published; it answers as admin.

    ``prepare`` is Python that runs in its environment before.
    """
    site = LiveSite(folder / "site", redis_url=redis_url, prefix=PREFIX, workers=1)
    if prepare:
        site.run_script(prepare)
    site.start()
    try:
        site.post("/api/v1/strategies/cache/refresh").raise_for_status()
        yield site
    finally:
        site.stop()
