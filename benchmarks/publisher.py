"""Publishes market messages to NATS as fast as asked, as its own process: ``python -m benchmarks.publisher``.

It writes the protocol's PUB frames itself, because it shares two cores with what is measured and a client library
would cost as much as the runtime under test.
"""

import argparse
import socket
import time
from urllib.parse import urlsplit

from benchmarks.market import load_mix

BATCH = 100


def main() -> None:
    """Publish ``--messages`` messages, evenly at ``--rate`` a second (0: as fast as the server takes them)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publisher", description=__doc__)
    parser.add_argument("--nats-url", required=True)
    parser.add_argument("--topic", default="binance.websocket.data")
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--rate", type=int, default=0)
    arguments = parser.parse_args()
    address = urlsplit(arguments.nats_url)
    batches = frames(arguments.topic, arguments.messages)
    with socket.create_connection((address.hostname or "", address.port or 4222)) as connection:
        connection.recv(65_536)
        connection.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
        started = time.perf_counter()
        for number, batch in enumerate(batches):
            if arguments.rate:
                time.sleep(max(0.0, started + number * BATCH / arguments.rate - time.perf_counter()))
            connection.sendall(batch)
        connection.sendall(b"PING\r\n")
        while b"PONG" not in connection.recv(65_536):
            pass


def frames(topic: str, messages: int) -> list[bytes]:
    """The messages as PUB frames, ``BATCH`` of them joined; event times go on rising."""
    batches: list[bytes] = []
    batch: list[bytes] = []
    taken = 0
    for payloads in load_mix().passes():
        for payload in payloads:
            batch.append(b"PUB %s %d\r\n%s\r\n" % (topic.encode(), len(payload), payload))
            taken += 1
            if len(batch) == BATCH or taken == messages:
                batches.append(b"".join(batch))
                batch.clear()
            if taken == messages:
                return batches
    return batches


if __name__ == "__main__":
    main()
