"""``python -m configsite.server``: the web process and its workers, until a signal ends it.

A worker that dies is restarted; granian logs it. The others continue.
"""

import sys

from django.core.exceptions import ImproperlyConfigured
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server

from configsite import env
from configsite.server import worker
from configsite.server.lanes import RESERVED_THREADS

# Simultaneous connections of one worker; further ones wait until one ends.
CONNECTIONS = 1_024
# Also how long a connection may be idle between two requests.
HEADERS_SECONDS = 30
# Limit of one request; granian allocates as much for every connection.
HEADERS_BYTES = 32 * 1024
# A change that waits for the runtimes takes 5 s.
STOP_SECONDS = 10


def main() -> None:
    """Serve; the address and the numbers come from WEB_HOST, WEB_PORT, WEB_WORKERS and WEB_THREADS."""
    variables = env.read_server()
    server = Server(
        "configsite.wsgi:application",
        address=variables.host,
        port=variables.port,
        interface=Interfaces.WSGI,
        workers=variables.workers,
        blocking_threads=variables.threads + RESERVED_THREADS,
        # HTTP/1 only: granian never ends a request over HTTP/2 whose client leaves before its body is complete.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_SECONDS * 1_000, max_buffer_size=HEADERS_BYTES),
        websockets=False,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        # A worker that gets its signal during its start loses it: without this timeout granian waits forever.
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve(spawn_target=worker.serve)


if __name__ == "__main__":
    try:
        main()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
