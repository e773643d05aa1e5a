"""The folder of the inputs, and what runs one of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded.servers import NatsServer, Valkey
from tests.conftest import PROJECT_ROOT
from tests.faults.processes import RuntimeProcess, Worker
from tests.found_faults import former_names
from tests.live_site import LiveSite
from tests.waiting import until

RUN_SECONDS = 240
# Left out of what a script inherits: the tests' own settings.
SETTINGS = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "MONGODB_URI")
Run = Callable[..., str]


@pytest.fixture
def run(fault_inputs: Path) -> Run:
    """Run a script in its own process: what it printed, its log included. It ends well, or by one of ``ends_by``."""

    def run(name: str, *arguments: str, cwd: Path = PROJECT_ROOT, ends_by: tuple[str, ...] = ()) -> str:
        inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        done = subprocess.run(
            [sys.executable, "-m", former_names.__name__, str(fault_inputs / name), *arguments],
            env=inherited | {"PYTHONPATH": str(PROJECT_ROOT)},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_SECONDS,
        )
        is_well = any(error in done.stdout for error in ends_by) if ends_by else done.returncode == 0
        assert is_well, done.stdout
        print(done.stdout)
        return done.stdout

    return run


class Product:
    """What `make run` has up, and the folder in which a script finds its addresses."""

    def __init__(self, folder: Path, site: LiveSite, runtime: RuntimeProcess, nats: NatsServer) -> None:
        self.folder = folder
        self.site = site
        self.runtime = runtime
        self.nats = nats
        state = {"url": site.url, "token": site.token, "redis_url": site.redis_url, "nats_url": nats.url}
        (folder / "var").mkdir()
        (folder / "var" / "run.json").write_text(json.dumps(state))


@pytest.fixture(scope="module")
def product(prepared_site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Site, worker and runtime on servers of their own, under the prefix that the scripts know."""
    folder = tmp_path_factory.mktemp("product")
    with Valkey(folder / "valkey") as valkey, NatsServer(folder / "nats") as nats:
        site = LiveSite(
            folder / "site",
            redis_url=valkey.url,
            prefix="strategies",
            prepared=(prepared_site.store, prepared_site.tokens),
        ).start()
        servers = {"REDIS_URL": valkey.url, "REDIS_KEY_PREFIX": "strategies", "NATS_URL": nats.url}
        try:
            with RuntimeProcess(servers, folder) as runtime, Worker(site, folder):
                site.wait_until_ready()
                until(lambda: runtime.status() == "ok")
                yield Product(folder, site, runtime, nats)
        finally:
            site.stop()
