"""Servers that let nobody in without a name: certificates, a Redis with users and with TLS, the runtime's fixtures."""

import asyncio
import shutil
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import trustme

from embedded.servers import HOST, Valkey, free_port
from tests.conftest import PROJECT_ROOT
from tests.live_site import LiveSite
from tests.runtime.conftest import environ, running_app

__all__ = ["environ", "running_app"]
PASSWORDS = {"runtime": "RUNTIME_PASSWORD", "web": "WEB_PASSWORD", "worker": "WORKER_PASSWORD"}
OBSERVER = "observer"
USERS_FILE = PROJECT_ROOT / "docs" / "redis-users.acl"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files of a server on the loopback interface, of who vouches for it, and of somebody else who does not."""

    ca: Path
    other_ca: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    made = Certificates(folder / "ca.pem", folder / "other.pem", folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    server = authority.issue_cert(HOST, "localhost")
    authority.cert_pem.write_to_path(made.ca)
    trustme.CA().cert_pem.write_to_path(made.other_ca)
    server.cert_chain_pems[0].write_to_path(made.certificate)
    server.private_key_pem.write_to_path(made.key)
    return made


@dataclass(frozen=True, slots=True)
class GuardedRedis:
    """A Redis with the users of docs/redis-users.acl; ``url("web")`` has the user's name and password in it."""

    server: Valkey
    port: int
    scheme: str = "redis"

    def url(self, user: str) -> str:
        return f"{self.scheme}://{user}:{PASSWORDS[user]}@{HOST}:{self.port}/0"

    def denials(self) -> list[tuple[str, str]]:
        """What the users tried in vain, each a user and the command, key or channel; the newest first.

        But for what redis-py says of itself, where it may: Redis 7.0 does not know that command.
        """
        with redis.Redis(port=self.server.port, username=OBSERVER, password="any") as client:
            found = [(entry["username"], entry["object"]) for entry in client.acl_log()]
        return [each for each in found if each[1] != "client|setinfo"]


@pytest.fixture
def guarded_redis(tmp_path: Path, redis_prefix: str) -> Iterator[GuardedRedis]:
    """A Valkey with the documented users, their keys under this test's prefix."""
    users = tmp_path / "users.acl"
    documented = USERS_FILE.read_text().replace("strategies:", f"{redis_prefix}:")
    users.write_text(f"{documented}user {OBSERVER} on nopass +acl|log\n")
    with Valkey(tmp_path / "guarded", arguments=("--aclfile", str(users))) as server:
        yield GuardedRedis(server, server.port)


class TlsFront:
    """Ends TLS in front of a server that speaks plain text, as stunnel would; runs in a thread of its own."""

    def __init__(self, certificates: Certificates, behind: int) -> None:
        self.port = free_port()
        self._behind = behind
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.certificate, certificates.key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)

    def __enter__(self) -> "TlsFront":
        self._thread.start()
        serving = asyncio.start_server(self._serve, HOST, self.port, ssl=self._context)
        asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader_behind, writer_behind = await asyncio.open_connection(HOST, self._behind)
        await asyncio.gather(_pump(reader, writer_behind), _pump(reader_behind, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        # The other side is gone, and with it what was on its way.
        return
    finally:
        writer.close()


class TlsRedis(Valkey):
    """A redis-server of the machine, which unlike Valkey's wheel was built with TLS; `arguments` switch it on."""

    def command(self, port: int) -> list[str]:
        return [str(shutil.which("redis-server")), *super().command(port)[1:]]


@pytest.fixture(params=["behind a TLS front", "redis-server"])
def tls_redis(
    request: pytest.FixtureRequest, tmp_path: Path, redis_prefix: str, certificates: Certificates
) -> Iterator[GuardedRedis]:
    """A Redis with users over TLS: Valkey behind a front, and where the machine has one a redis-server with its own."""
    users = tmp_path / "users.acl"
    users.write_text(USERS_FILE.read_text().replace("strategies:", f"{redis_prefix}:"))
    start: Callable[..., Valkey] = Valkey
    tls: tuple[str, ...] = ()
    port = free_port()
    if request.param == "redis-server":
        if shutil.which("redis-server") is None:
            pytest.skip("no redis-server on this machine (Debian: apt install redis-server)")
        start, files = TlsRedis, (certificates.certificate, certificates.key, certificates.ca)
        names = ("--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file")
        tls = tuple(word for pair in zip(names, map(str, files), strict=True) for word in pair)
        tls += ("--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no")
    with start(tmp_path / "tls", port=port, arguments=("--aclfile", str(users), *tls)) as server:
        if tls:
            yield GuardedRedis(server, port, "rediss")
            return
        with TlsFront(certificates, port) as front:
            yield GuardedRedis(server, front.port, "rediss")


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Redis of a file's `guarded_site`, to be killed; `at_the_start` brings it back."""
    with Valkey(tmp_path_factory.mktemp("own-valkey")) as server:
        yield server


def guarded_site(
    folders: pytest.TempPathFactory, prepared: LiveSite, valkey: Valkey, environment: Mapping[str, str]
) -> Iterator[LiveSite]:
    """A running site for the tests of one file."""
    site = LiveSite(
        folders.mktemp("guarded-site"),
        redis_url=valkey.url,
        prefix=f"guarded-{uuid.uuid4().hex[:8]}",
        prepared=(prepared.store, prepared.tokens),
        environment=environment,
    )
    yield site.start()
    site.stop()


def at_the_start(site: LiveSite, valkey: Valkey) -> LiveSite:
    """The site where nothing has been counted so far."""
    valkey.start()
    site.wait_until_ready()
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return site
