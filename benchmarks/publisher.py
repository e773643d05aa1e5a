"""Publishes market messages to NATS as its own process: ``python -m benchmarks.publisher``.

It speaks the protocol itself, because it shares two cores with what is measured and a client library would cost as
much as the runtime under test. It says "started" when the first message goes out, and at the end what `Outcome` holds.
"""

import argparse
import json
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from urllib.parse import urlsplit

from benchmarks.market import load_mix

BATCH = 100
# Encoded before the first one is sent, so that the sender takes next to nothing of the cores while others measure.
PREPARED_BATCHES = 600
WINDOW = 1_000
# Less than half of what the runtime queues (10,000), and than what the server buffers for it (64 MB).
WINDOWS_UNDER_WAY = 4
ANSWER_SECONDS = 120.0
INBOX = "_INBOX.bench"
# As a replay: else the books, which carry no time of their own, would lie years after the trades beside them.
HEADERS = b"NATS/1.0\r\nReplay: 1\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a paced run: seconds from the first message to the last one processed, the runtime's counts."""

    seconds: float
    processed: int
    dropped: int


def main() -> None:
    """Publish evenly at ``--rate`` a second; without it, as fast as the runtime processes them, and none is lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publisher", description=__doc__)
    parser.add_argument("--nats-url", required=True)
    parser.add_argument("--topic", default="binance.websocket.data")
    parser.add_argument("--messages", type=int, help="how many; without it, until terminated (only with --rate)")
    parser.add_argument("--rate", type=int)
    arguments = parser.parse_args()
    if arguments.rate is None and arguments.messages is None:
        parser.error("one of --messages and --rate is needed")
    messages = islice(load_mix().messages(), arguments.messages)
    with Server(arguments.nats_url) as server:
        if arguments.rate is None:
            print(json.dumps(asdict(publish_paced(server, arguments.topic, list(messages)))))
        else:
            publish_evenly(server, arguments.topic, messages, arguments.rate)


def publish_evenly(server: "Server", topic: str, messages: Iterable[bytes], rate: int) -> None:
    """Send the messages in batches, each when it is due; returns when the server has taken all of them."""
    batches = _batches((frame(topic, message) for message in messages), BATCH)
    prepared = list(islice(batches, PREPARED_BATCHES))
    started = time.perf_counter()
    for number, batch in enumerate(chain(prepared, batches)):
        time.sleep(max(0.0, started + number * BATCH / rate - time.perf_counter()))
        server.send(batch)
        if number == 0:
            print("started", flush=True)
    server.flush()


def publish_paced(server: "Server", topic: str, messages: list[bytes]) -> Outcome:
    """Send the messages; never more than a few windows that the runtime has not yet answered as processed."""
    frames = [
        frame(topic, message, reply=INBOX if number % WINDOW == 0 or number == len(messages) else "")
        for number, message in enumerate(messages, start=1)
    ]
    windows = list(_batches(frames, WINDOW))
    server.send(f"SUB {INBOX} 1\r\n".encode() + frame(topic, b"", reply=INBOX))
    before = server.answer()
    print("started", flush=True)
    started = time.perf_counter()
    after = before
    for number, window in enumerate(windows):
        if number >= WINDOWS_UNDER_WAY:
            after = server.answer()
        server.send(window)
    for _ in range(min(WINDOWS_UNDER_WAY, len(windows))):
        after = server.answer()
    seconds = time.perf_counter() - started
    return Outcome(seconds, after["processed"] - before["processed"], after["dropped"] - before["dropped"])


class Server:
    """A connection to a nats-server, by the few words of its protocol that are needed here."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 4222), ANSWER_SECONDS)
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> "Server":
        self.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes of the protocol."""
        self._socket.sendall(data)

    def flush(self) -> None:
        """Return when the server has taken in all that was sent."""
        self.send(b"PING\r\n")
        while self._line() != b"PONG\r\n":
            pass

    def answer(self) -> dict[str, int]:
        """The counters out of the next answer of the runtime; raises TimeoutError where none comes."""
        while not (line := self._line()).startswith(b"MSG "):
            pass
        size = int(line.split()[-1])
        counters: dict[str, int] = json.loads(self._lines.read(size + 2))
        return counters

    def _line(self) -> bytes:
        line = self._lines.readline()
        if not line or line.startswith(b"-ERR"):
            raise ConnectionError(f"nats-server ended the connection: {line!r}")
        if line == b"PING\r\n":
            self.send(b"PONG\r\n")
        return line


def frame(topic: str, message: bytes, *, reply: str = "") -> bytes:
    """The HPUB frame of a message."""
    sizes = len(HEADERS), len(HEADERS) + len(message)
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (topic.encode(), reply.encode(), *sizes, HEADERS, message)


def _batches(frames: Iterable[bytes], size: int) -> Iterator[bytes]:
    iterator = iter(frames)
    while batch := b"".join(islice(iterator, size)):
        yield batch


if __name__ == "__main__":
    main()
