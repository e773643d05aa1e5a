"""Starts and stops the MongoDB wire server that the tests run on (see `embedded.secantus_server` for what it is)."""

import sys
from pathlib import Path

from embedded.servers import HOST, Server

REPLICA_SET = "secantus"


class MongoWireServer(Server):
    """SecantusDB as a single-node replica set with transactions.

    A transaction that was acknowledged survives `stop()` and `kill()`: the log is written through at each commit,
    because otherwise SecantusDB does not honour write concern majority.
    """

    name = "mongo"
    scheme = "mongodb"
    ready_text = b"secantus listening on"
    port_taken_text = b"Address already in use"

    @property
    def url(self) -> str:
        return f"{super().url}/?replicaSet={REPLICA_SET}"

    def command(self, port: int) -> list[str]:
        program = Path(__file__).with_name("secantus_server.py")
        storage = self.directory / "mongo"
        # -P: this package's own directory must not be searched for the server's imports.
        return [
            *(sys.executable, "-P", str(program)),
            *("--host", HOST, "--port", str(port), "--storage-path", str(storage)),
            *("--sync-on-commit", "--cache-size", "64M", "--log-level", "INFO"),
        ]
