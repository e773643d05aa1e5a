"""Redis and NATS over TLS, with passwords, nkeys and credentials, against real servers; and nobody else's servers."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nats
import nkeys
import pytest
import redis
from kombu import Connection
from nats import errors
from nats.aio.client import Client

from embedded.servers import HOST, NatsServer, free_port
from service_kit.nats_connection import CheckedClient, NatsAccess
from service_kit.redis_url import trusting
from tests.live_site import LiveSite
from tests.runtime.conftest import Environ, RunningApp, get_json
from tests.runtime.market import is_listening
from tests.security.conftest import Certificates, GuardedRedis
from tests.waiting import eventually


async def test_redis__over_tls__serves_site_runtime_and_clock(
    tls_redis: GuardedRedis,
    certificates: Certificates,
    live_site: Callable[..., LiveSite],
    environ: Environ,
    nats_server: NatsServer,
    running_app: RunningApp,
    redis_prefix: str,
) -> None:
    trusted = {"REDIS_CA_FILE": str(certificates.ca)}
    site = live_site(redis_url=tls_redis.url("web"), environment=trusted)
    body = {"parameters": {"buy_threshold": 1.3}, "changed_by": "jane"}
    written = site.post("/api/v1/strategies/orderbook_skew/config", body).json()
    assert written["metadata"]["published"] is True
    variables = environ | trusted | {"REDIS_URL": tls_redis.url("runtime"), "NATS_URL": nats_server.url}
    async with running_app(variables) as app:
        await is_listening(app)
        await eventually(lambda: app.runtime.config.live.sequence == 1)
    with Connection(trusting(tls_redis.url("worker"), str(certificates.ca))) as broker:
        broker.ensure_connection(max_retries=1)


@pytest.mark.parametrize("trusted", ["other_ca", None])
def test_redis__whose_certificate_is_not_trusted__is_refused(
    tls_redis: GuardedRedis, certificates: Certificates, trusted: str | None
) -> None:
    url = trusting(tls_redis.url("web"), str(getattr(certificates, trusted)) if trusted else "")
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        client.ping()


@pytest.mark.parametrize(
    ("url", "ca_file", "expected"),
    [
        ("redis://h:1/0", "/ca", "redis://h:1/0"),
        ("rediss://h:1/0", "", "rediss://h:1/0?ssl_cert_reqs=required"),
        ("rediss://u:p%2F@h:1/0", "/c a", "rediss://u:p%2F@h:1/0?ssl_cert_reqs=required&ssl_ca_certs=%2Fc+a"),
        ("rediss://h/0?ssl_ca_certs=x", "/ca", "rediss://h/0?ssl_ca_certs=x&ssl_cert_reqs=required"),
    ],
)
def test_redis_url__with_tls__names_the_check(url: str, ca_file: str, expected: str) -> None:
    assert trusting(url, ca_file) == expected


def _jwt(claims: dict[str, Any], issuer: Any) -> str:
    """A NATS JWT as the server reads it: claims with an issuer and an id, signed with Ed25519."""

    def encode(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    claims = {**claims, "iss": issuer.public_key.decode(), "iat": 0, "jti": ""}
    digest = hashlib.new("sha512_256", json.dumps(claims).encode()).digest()
    claims["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    header = encode(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode())
    signed = f"{header}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(issuer.sign(signed.encode()))}"


def _key(prefix: int) -> tuple[Any, bytes]:
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    return nkeys.from_seed(bytearray(seed)), bytes(seed)


def _keys(prefix: int, count: int) -> list[tuple[Any, bytes]]:
    return [_key(prefix) for _ in range(count)]


def _with_credentials(folder: Path) -> tuple[str, NatsAccess]:
    """A server that believes one operator, and the credentials file of a user of its account."""
    (operator, _), (system, _), (account, _) = (_key(nkeys.PREFIX_BYTE_OPERATOR), *_keys(nkeys.PREFIX_BYTE_ACCOUNT, 2))
    user, seed = _key(nkeys.PREFIX_BYTE_USER)
    names = [key.public_key.decode() for key in (operator, system, account, user)]
    unlimited = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1)
    operator_jwt = _jwt({"sub": names[0], "name": "o", "nats": {"type": "operator", "version": 2}}, operator)
    account_jwts = [
        _jwt({"sub": name, "name": name, "nats": {"type": "account", "version": 2, "limits": unlimited}}, operator)
        for name in names[1:3]
    ]
    limits = {"subs": -1, "data": -1, "payload": -1}
    user_jwt = _jwt({"sub": names[3], "name": "u", "nats": {"type": "user", "version": 2, **limits}}, account)
    file = folder / "user.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed.decode()}\n------END USER NKEY SEED------\n"
    )
    preload = f'operator: "{operator_jwt}"\nresolver: MEMORY\nsystem_account: {names[1]}\n'
    preload += f'resolver_preload: {{ {names[1]}: "{account_jwts[0]}", {names[2]}: "{account_jwts[1]}" }}\n'
    return preload, NatsAccess(creds_file=str(file))


def _with_nkey(folder: Path) -> tuple[str, NatsAccess]:
    key, seed = _key(nkeys.PREFIX_BYTE_USER)
    file = folder / "user.nk"
    file.write_bytes(seed + b"\n")
    return f'authorization {{ users: [ {{ nkey: "{key.public_key.decode()}" }} ] }}\n', NatsAccess(
        nkey_seed_file=str(file)
    )


def _with_password(folder: Path) -> tuple[str, NatsAccess]:
    return 'authorization { user: "runtime", password: "NATS_PASSWORD" }\n', NatsAccess()


WAYS_IN = {"password": _with_password, "nkey": _with_nkey, "credentials": _with_credentials}


def _nats(folder: Path, configuration: str, certificates: Certificates | None) -> NatsServer:
    folder.mkdir(exist_ok=True)
    if certificates is not None:
        configuration += f'tls {{ cert_file: "{certificates.certificate}", key_file: "{certificates.key}" }}\n'
    file = folder / "server.conf"
    file.write_text(configuration)
    return NatsServer(folder, port=free_port(), arguments=("-c", str(file)))


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("way", WAYS_IN)
async def test_nats__with_every_way_in__runtime_connects_and_strangers_do_not(
    tmp_path: Path,
    certificates: Certificates,
    environ: Environ,
    running_app: RunningApp,
    way: str,
    is_tls: bool,
) -> None:
    configuration, access = WAYS_IN[way](tmp_path)
    with _nats(tmp_path / "nats", configuration, certificates if is_tls else None) as server:
        user = "runtime:NATS_PASSWORD@" if way == "password" else ""
        variables = environ | {
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "NATS_URL": f"{'tls' if is_tls else 'nats'}://{user}{HOST}:{server.port}",
            "NATS_CA_FILE": str(certificates.ca) if is_tls else "",
            "NATS_CREDS_FILE": access.creds_file,
            "NATS_NKEY_SEED_FILE": access.nkey_seed_file,
        }
        async with running_app(variables) as app:
            await is_listening(app)
            assert (await get_json(app, "/ready"))[1]["checks"]["nats"]["status"] == "ok"
        trusted = NatsAccess(ca_file=str(certificates.ca) if is_tls else "").options()
        with pytest.raises(errors.Error, match="(?i)authorization"):
            await nats.connect(f"nats://{HOST}:{server.port}", allow_reconnect=False, **trusted)


@pytest.mark.parametrize(
    ("scheme", "trusts"), [("tls", "nobody"), ("nats", "ca"), ("tls", "ca")], ids=["scheme", "file", "both"]
)
async def test_nats__asked_for_tls_of_a_server_without__sends_no_password(
    nats_server: NatsServer, certificates: Certificates, scheme: str, trusts: str
) -> None:
    access = NatsAccess(ca_file=str(certificates.ca) if trusts == "ca" else "")
    client = CheckedClient()
    seen: list[Exception] = []

    async def note(error: Exception) -> None:
        seen.append(error)

    with pytest.raises((errors.NoServersError, errors.SecureConnRequiredError)):
        await client.connect(
            f"{scheme}://me:secret@{HOST}:{nats_server.port}",
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=note,
            **access.options(),
        )
    assert any(isinstance(error, errors.SecureConnRequiredError) for error in seen)


async def test_nats__whose_certificate_is_not_trusted__is_refused(tmp_path: Path, certificates: Certificates) -> None:
    with _nats(tmp_path / "nats", "", certificates) as server:
        access = NatsAccess(ca_file=str(certificates.other_ca))
        client: Client = CheckedClient()
        with pytest.raises((errors.NoServersError, OSError)):
            await client.connect(
                f"tls://{HOST}:{server.port}", allow_reconnect=False, max_reconnect_attempts=1, **access.options()
            )
