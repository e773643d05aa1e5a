"""How a process authenticates to NATS, and which server it trusts; a user and a password are part of the URL."""

import asyncio
import re
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]  # it brings none
from nats import errors
from nats.aio.client import Client

from service_kit.cancellation import cancellable

RECONNECT_SECONDS = 1
CONNECT_TIMEOUT_SECONDS = 2
# A server that hangs, or a read loop that has died, is noticed only by its missing pongs; the library's default of two
# minutes is too long without market data.
PING_SECONDS = 10
CLOSE_SECONDS = 1.0
FLUSH_SECONDS = 10
# nats-server's own words: the first two also end an established connection, when the user was changed or has expired.
_REFUSALS = ("authorization violation", "authentication expired", "authentication revoked", "authentication timeout")
_STALE, _NOT_PERMITTED = "stale connection", "permissions violation"
_CREDENTIALS = re.compile(rb"BEGIN NATS USER JWT-+\s+\S+\s.*?BEGIN USER NKEY SEED-+\s+(\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAccess:
    """Files, each "" if it is not used: certificates to trust, credentials (JWT and seed), the seed of an nkey."""

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


class NatsLostError(Exception):
    """The connection to NATS was closed for good: the process cannot go on."""

    def __init__(self) -> None:
        super().__init__("The connection to NATS was closed by the server or the client library.")


def lasting(access: NatsAccess) -> dict[str, Any]:
    """Arguments for nats-py's ``connect``, for a connection that retries indefinitely."""
    return {
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_SECONDS,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "ping_interval": PING_SECONDS,
        **access.options(),
    }


def problem_with_creds(path: Path) -> str:
    """Why the file holds no credentials; empty if it does.

    Call this before connecting: in a file without credentials nats-py searches for them forever, which blocks the whole
    process, even its shutdown.
    """
    found = _CREDENTIALS.search(path.read_bytes())
    return "" if found is not None and _is_seed(found[1]) else "must be a file of credentials, with a JWT and a seed"


def problem_with_nkey_seed(path: Path) -> str:
    """Why the file holds no seed of an nkey; empty if it does."""
    return "" if _is_seed(path.read_bytes().strip()) else "must be a file with the seed of an nkey"


def _is_seed(text: bytes) -> bool:
    try:
        nkeys.from_seed(bytearray(text))
    except (nkeys.NkeysError, ValueError):
        return False
    return True


def _subject_of(command: bytes) -> bytes:
    """The subject of a PUB or HPUB; empty for another command."""
    name, _, rest = command.partition(b" ")
    return rest.partition(b" ")[0] if name in {b"PUB", b"HPUB"} else b""


class CredentialsError(errors.Error):
    """The files that hold this process's credentials cannot be used now."""


class CheckedClient(Client):
    """nats-py's client, without its fallback to plain text, and with corrected endings.

    An error that the server reports (a changed password, a limit of connections) closes the library's client for good.
    Here it is a lost connection like any other, which is retried indefinitely, with the credentials read from their
    files at each attempt. ``refusal`` is the server's message while it refuses this process's credentials, else empty.
    Relies on ``_process_err``, ``_process_op_err`` and
    ``_process_connect_init``; tests/runtime/test_nats_access.py holds it.

    The library continues without TLS if the server does not ask for it, even for ``tls://``: a man in the middle would
    get the password. Relies on ``_connect_command`` of the pinned version, which builds the first message that is sent;
    tests/security/test_transport.py checks this.

    The library drops the cancellation of a task that waits for a full buffer to be flushed. Relies on
    ``_flush_pending``; tests/runtime/test_nats_access.py checks this.
    """

    refusal = ""

    def discard_unsent(self, subjects: Collection[str] | None = None) -> None:
        """Without a connection, discard messages that were published (on ``subjects``, or on any) but not sent.

        For callers that publish them again, or no longer need them. Relies on ``_pending``, a list of whole commands.
        """
        if self.is_connected:
            return
        if subjects is None:
            self._pending = []
        else:
            unwanted = {subject.encode() for subject in subjects}
            self._pending = [command for command in self._pending if _subject_of(command) not in unwanted]
        self._pending_data_size = sum(map(len, self._pending))

    async def close(self) -> None:
        """Close the connection, in CLOSE_SECONDS at most: the library waits for a server that hangs.

        Without an earlier attempt to connect there is nothing to close, which the library treats as a fault.
        """
        if self._flush_queue is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await cancellable(super().close(), name="nats.close")
        except TimeoutError:
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]  # nats-py leaves it without types

    @property
    def connection(self) -> int:
        """The number of connections so far: a different number means that the previous connection was lost."""
        return self.stats["reconnects"]

    async def flush(self, timeout: int = FLUSH_SECONDS) -> None:  # noqa: ASYNC109  (nats-py's signature)
        """Return when the server has confirmed what was published before; raises nats-py's errors.

        Without a connection the library's own method returns anyway, and the published messages wait in its buffer.
        """
        connection = self.connection
        await super().flush(timeout)
        if not self.is_connected or self.connection != connection:
            raise errors.ConnectionReconnectingError

    async def _flush_pending(self, force_flush: bool = False) -> Any:
        task = asyncio.current_task()
        asked = 0 if task is None else task.cancelling()
        flushed = await super()._flush_pending(force_flush)
        if task is not None and task.cancelling() > asked:
            raise asyncio.CancelledError
        return flushed

    async def _process_err(self, err_msg: str) -> None:
        if _STALE in err_msg or _NOT_PERMITTED in err_msg:
            await super()._process_err(err_msg)
            return
        error = errors.Error(f"nats: {err_msg.strip(chr(39))}")
        self._note_refusal(error)
        await self._error_cb(error)
        await self._process_op_err(error)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except errors.Error as error:
            self._note_refusal(error)
            raise
        self.refusal = ""

    def _note_refusal(self, error: errors.Error) -> None:
        text = str(error).removeprefix("nats: ").strip(" '")
        is_refusal = isinstance(error, CredentialsError) or any(words in text.lower() for words in _REFUSALS)
        self.refusal = text if is_refusal else ""

    def _read_credentials(self) -> None:
        """Check the files again: they may have been replaced, or may be half-written.

        The library reads a JWT and its seed at each attempt, and the seed of an nkey only once. Raises
        CredentialsError.
        """
        creds_file, nkey_seed_file = self._user_credentials, self._nkeys_seed
        try:
            if isinstance(creds_file, str) and (problem := problem_with_creds(Path(creds_file))):
                raise CredentialsError(f"{creds_file} {problem}")
            if nkey_seed_file is not None:
                if problem := problem_with_nkey_seed(Path(nkey_seed_file)):
                    raise CredentialsError(f"{nkey_seed_file} {problem}")
                self._setup_nkeys_seed_connect()
        except OSError as error:
            raise CredentialsError(f"the credentials cannot be read: {error}") from error

    def _connect_command(self) -> bytes:
        self._read_credentials()
        server = self._current_server
        is_asked_for = "tls" in self.options or (server is not None and server.uri.scheme == "tls")
        is_offered = self._server_info.get("tls_required") or (server is not None and server.uri.scheme == "wss")
        if is_asked_for and not is_offered:
            raise errors.SecureConnRequiredError
        return super()._connect_command()
