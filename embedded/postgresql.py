"""Runs a command of the tests with a PostgreSQL: ``python -m embedded.postgresql pytest …``.

POSTGRES_TEST_URL names the server. Without it a temporary cluster is created with the binaries of the machine (Debian,
Ubuntu: apt install postgresql), on a free port, and removed when the command has ended. Its data does not survive a
crash of the machine.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded.servers import HOST, Server, ServerError

ROLE = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")


class Postgresql(Server):
    """A cluster whose superuser is `ROLE`, without a password. The server refuses to run as root; as root, it runs as
    the system user `ROLE`."""

    name = "postgresql"
    scheme = "postgresql"
    ready_text = b"database system is ready to accept connections"
    port_taken_text = b"Address already in use"

    @property
    def url(self) -> str:
        """The database that every cluster has."""
        return f"{self.scheme}://{ROLE}@{HOST}:{self.port}/postgres"

    def command(self, port: int) -> list[str]:
        """Start the server; the first call creates the cluster."""
        cluster = self.directory / "cluster"
        if not cluster.exists():
            self._make(cluster)
        settings = {"listen_addresses": HOST, "unix_socket_directories": "", "fsync": "off", "max_connections": "300"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [*_as_role(), binary("postgres"), "-D", str(cluster), "-p", str(port), *options]

    def stop(self) -> None:
        """Stop the server without waiting for its clients."""
        self._end(signal.SIGINT)

    def _make(self, cluster: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.directory, ROLE)
        make = [binary("initdb"), "-D", str(cluster), "-U", ROLE, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*_as_role(), *make], check=True, stdout=subprocess.DEVNULL, cwd=self.directory)  # noqa: S603


def _as_role() -> list[str]:
    if os.geteuid() != 0:
        return []
    # After the change of user the kernel no longer ends the server with its parent.
    return ["setpriv", f"--reuid={ROLE}", f"--regid={ROLE}", "--clear-groups", "--pdeathsig=KILL"]


def binary(name: str) -> str:
    """The newest of Debian's versions, which are not on the PATH, else the one on the PATH."""
    found = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if path is None:
        raise ServerError("PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)")
    return path


def main() -> int:
    """Run the command in the arguments; returns its exit code, or 2 without a server."""
    if os.environ.get("POSTGRES_TEST_URL"):
        return subprocess.run(sys.argv[1:], check=False).returncode  # noqa: S603 - what the caller wrote
    with tempfile.TemporaryDirectory(prefix="postgresql-") as directory:
        try:
            server = Postgresql(Path(directory)).start()
        except ServerError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        with server:
            environ = os.environ | {"POSTGRES_TEST_URL": server.url}
            return subprocess.run(sys.argv[1:], env=environ, check=False).returncode  # noqa: S603 - as above


if __name__ == "__main__":
    sys.exit(main())
