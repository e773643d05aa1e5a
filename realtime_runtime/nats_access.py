"""How a process proves to NATS who it is, and which server it believes; a user and a password stand in the URL."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]  # it brings none
from nats import errors
from nats.aio.client import Client

from realtime_runtime.cancellation import cancellable

CLOSE_SECONDS = 1.0
_CREDENTIALS = re.compile(rb"BEGIN NATS USER JWT-+\s+\S+\s.*?BEGIN USER NKEY SEED-+\s+(\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAccess:
    """Files, each "" where it is not used: certificates to trust, credentials (JWT and seed), the seed of an nkey."""

    ca_file: str = ""
    creds_file: str = ""
    nkey_seed_file: str = ""

    def options(self) -> dict[str, Any]:
        """Arguments for nats-py's ``connect``; raises OSError where the certificates cannot be read.

        With certificates to trust, a server without TLS is refused, whatever the URL's scheme says.
        """
        options: dict[str, Any] = {}
        if self.ca_file:
            options["tls"] = ssl.create_default_context(cafile=self.ca_file)
        if self.creds_file:
            options["user_credentials"] = self.creds_file
        if self.nkey_seed_file:
            options["nkeys_seed"] = self.nkey_seed_file
        return options


def problem_with_creds(path: Path) -> str:
    """Why the file holds no credentials; empty where it does.

    To be asked before connecting: in a file without them nats-py looks for their beginning for ever, and nothing else
    in the process goes on, not even its end.
    """
    found = _CREDENTIALS.search(path.read_bytes())
    return "" if found is not None and _is_seed(found[1]) else "must be a file of credentials, with a JWT and a seed"


def problem_with_nkey_seed(path: Path) -> str:
    """Why the file holds no seed of an nkey; empty where it does."""
    return "" if _is_seed(path.read_bytes().strip()) else "must be a file with the seed of an nkey"


def _is_seed(text: bytes) -> bool:
    try:
        nkeys.from_seed(bytearray(text))
    except (nkeys.NkeysError, ValueError):
        return False
    return True


class CheckedClient(Client):
    """nats-py's client, without its way back to plain text, and without its ways to go on where it should end.

    The library goes on without TLS where the server does not ask for it, also to ``tls://``: whoever sits in between
    would be sent the password. Leans on ``_connect_command`` of the pinned version, which makes the first thing that
    is sent; tests/security/test_transport.py holds it.

    It drops the cancellation of whoever waits for a full buffer to be flushed. Leans on ``_flush_pending``;
    tests/runtime/test_nats_access.py holds it.
    """

    async def close(self) -> None:
        """Close the connection, in CLOSE_SECONDS at most: the library waits for a server that hangs.

        Where none was ever asked for there is nothing to close, which the library takes for a fault.
        """
        if self._flush_queue is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await cancellable(super().close(), name="nats.close")
        except TimeoutError:
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]  # nats-py leaves it without types

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        task = asyncio.current_task()
        asked = 0 if task is None else task.cancelling()
        flushed = await super()._flush_pending(force_flush)
        if task is not None and task.cancelling() > asked:
            raise asyncio.CancelledError
        return flushed

    def _connect_command(self) -> bytes:
        server = self._current_server
        is_asked_for = "tls" in self.options or (server is not None and server.uri.scheme == "tls")
        is_offered = self._server_info.get("tls_required") or (server is not None and server.uri.scheme == "wss")
        if is_asked_for and not is_offered:
            raise errors.SecureConnRequiredError
        return super()._connect_command()
