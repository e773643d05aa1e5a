"""A nats-server whose users are replaced while it runs."""

import os
import signal
from pathlib import Path

from embedded.servers import HOST, NatsServer, free_port


class GuardedNats(NatsServer):
    """Knows ``users`` (as its configuration writes them) and one more, as whom ``url`` speaks."""

    def __init__(self, folder: Path, users: str) -> None:
        folder.mkdir()
        self._users_path = folder / "users.conf"
        self._write(users)
        super().__init__(folder, port=free_port(), arguments=("-c", str(self._users_path)))

    @property
    def url(self) -> str:
        return self.url_as("other:other")

    def url_as(self, user: str) -> str:
        """The address for ``user:password``; "" for nobody."""
        return f"nats://{user and f'{user}@'}{HOST}:{self.port}"

    def replace(self, users: str) -> None:
        """Have it know these users and no others; who is connected as somebody else is told to go."""
        self._write(users)
        os.kill(self.pid, signal.SIGHUP)

    def _write(self, users: str) -> None:
        self._users_path.write_text(f"authorization {{ users = [{users}, {{user: other, password: other}}] }}\n")
