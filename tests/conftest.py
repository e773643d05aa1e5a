"""Fixtures that every test may use: real servers, a key prefix of one's own, the recorded market data."""

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker
from xdist.remote import Producer

from embedded.mongo import MongoWireServer
from embedded.servers import NatsServer, Valkey
from strategy_config.store import circuit_breaker
from tests.live_site import LiveSite
from tests.mongo_store import CleanState
from tests.scheduling import TogetherScheduling, put_long_ones_first
from tests.site_store import SiteStore

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# A line a request buries what failed.
logging.getLogger("httpx").setLevel(logging.WARNING)
# How long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TogetherScheduling | None:
    return TogetherScheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_long_ones_first(items)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One Valkey for the whole session. Keep to `redis_prefix`; a test that stops it takes `fresh_valkey`."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One nats-server for the whole session. Use subjects of your own; a test that stops it takes `fresh_nats`."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def fresh_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A running Valkey of this test's own, to be stopped, killed or paused."""
    with Valkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def fresh_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A running nats-server of this test's own, to be stopped, killed or paused."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture(autouse=True)
def _closed_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no outage of another test's store keep this one from its own."""
    for name in ("STORE", "WRITES"):
        monkeypatch.setattr(
            circuit_breaker, name, circuit_breaker.Breaker(name.lower(), "The database is unreachable.")
        )


@pytest.fixture
def redis_prefix() -> str:
    """A key prefix that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def nats_subject() -> str:
    """A subject (or the beginning of some) that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of recorded market data: MARKET_DATA_DIR, else ../shared/data beside the project."""
    folder = Path(os.environ.get("MARKET_DATA_DIR") or PROJECT_ROOT.parent / "shared" / "data")
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip(f"no recorded market data in {folder} (set MARKET_DATA_DIR)")
    return folder


@pytest.fixture(scope="session")
def fault_inputs() -> Path:
    """The folder of the inputs by which faults were found: FAULT_INPUTS_DIR, else ../shared/review/inputs."""
    folder = Path(os.environ.get("FAULT_INPUTS_DIR") or PROJECT_ROOT.parent / "shared" / "review" / "inputs")
    if not (folder / "README.txt").is_file():
        pytest.skip(f"no inputs of found faults in {folder} (set FAULT_INPUTS_DIR)")
    return folder


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB with transactions: MONGODB_TEST_URI, else a wire server for the whole session."""
    if uri := os.environ.get("MONGODB_TEST_URI"):
        yield uri
    else:
        with MongoWireServer(tmp_path_factory.mktemp("mongo")) as server:
            yield server.url


@pytest.fixture(scope="session", autouse=True)
def _store_under_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """With TEST_STORE=mongodb everything that a test starts or asks for finds its store on `mongodb_uri`.

    The databases that the sites under test had on a server are gone at the end.
    """
    if settings.IS_ON_MONGODB:
        uri = request.getfixturevalue("mongodb_uri")
        os.environ["MONGODB_URI"] = uri
        settings.DATABASES["default"]["HOST"] = uri
        connections["default"].settings_dict["HOST"] = uri
    yield
    SiteStore.drop_all()


@pytest.fixture(scope="session")
def django_db_setup(_store_under_test: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    if settings.IS_ON_MONGODB:
        with django_db_blocker.unblock():
            CleanState().replace_flush()


@pytest.fixture(scope="session")
def prepared_site(tmp_path_factory: pytest.TempPathFactory) -> LiveSite:
    """A site that never starts: its migrated store, with users and tokens, is what the others begin with."""
    return LiveSite(tmp_path_factory.mktemp("prepared-site"), redis_url="redis://127.0.0.1:1/0", prefix="none")


@pytest.fixture
def live_site(
    prepared_site: LiveSite, valkey: Valkey, redis_prefix: str, tmp_path: Path
) -> Iterator[Callable[..., LiveSite]]:
    """Starts sites: ``live_site(workers=1, environment={...}, redis_url=...)``; all end with the test."""
    started: list[LiveSite] = []

    def start(*, workers: int = 1, redis_url: str | None = None, **options: Any) -> LiveSite:
        site = LiveSite(
            tmp_path / f"site-{len(started)}",
            redis_url=redis_url or valkey.url,
            prefix=redis_prefix,
            workers=workers,
            prepared=(prepared_site.store, prepared_site.tokens),
            **options,
        )
        started.append(site)
        return site.start()

    yield start
    for site in started:
        site.stop()
