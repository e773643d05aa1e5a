"""The parser of the market's messages, held against nats-py's own over bytes of every kind, cut anywhere."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from realtime_runtime.messaging import nats_parser
from realtime_runtime.messaging.intake import Message
from realtime_runtime.messaging.nats_parser import MessageParser
from strategy_core.market.event_kinds import EXCHANGE_PRICE

Event = tuple[Any, ...]
MARKET, OTHER, PRICES = 1, 2, 12
OBSERVATIONS = {"data.>": None, EXCHANGE_PRICE.subscription: EXCHANGE_PRICE}
REPLAY = b"NATS/1.0\r\nReplay: 1\r\n\r\n"


@dataclass(frozen=True)
class Subscribed:
    subject: str


@dataclass
class FakeClient:
    """What both parsers call, which writes down what they say."""

    events: list[Event] = field(default_factory=list)
    _subs: dict[int, Subscribed] = field(
        default_factory=lambda: {
            MARKET: Subscribed("data.>"),
            OTHER: Subscribed("other"),
            PRICES: Subscribed("market.price.>"),
        }
    )

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self.events.append(("message", subject if sid == OTHER else sid, bytes(data), reply.decode(), headers))

    async def _process_ping(self) -> None:
        self.events.append(("ping",))

    async def _process_pong(self) -> None:
        self.events.append(("pong",))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.events.append(("info", info))

    async def _process_err(self, error: str) -> None:
        self.events.append(("error", error))

    def put(self, messages: list[Message]) -> None:
        for message in messages:
            sid = MARKET if message.observation is None else PRICES
            self.events.append(("message", sid, message.payload, message.reply, REPLAY if message.is_replay else None))


def direct(client: FakeClient) -> MessageParser:
    parser = MessageParser(client, client.put)  # type: ignore[arg-type]  # as much of a client as a parser needs
    parser.observations.update(OBSERVATIONS)
    return parser


async def told(parser: Parser, client: FakeClient, pieces: list[bytes]) -> list[Event]:
    """What the client hears, up to an error of the protocol."""
    try:
        for piece in pieces:
            await parser.parse(piece)
    except ProtocolError:
        client.events.append(("refused",))
    return client.events


def message(sid: int, subject: bytes, payload: bytes, reply: bytes, headers: bytes) -> bytes:
    start = b" ".join(filter(None, (b"HMSG" if headers else b"MSG", subject, b"%d" % sid, reply)))
    sizes = b"%d %d" % (len(headers), len(headers + payload)) if headers else b"%d" % len(payload)
    return start + b" " + sizes + b"\r\n" + headers + payload + b"\r\n"


PAYLOADS = st.one_of(st.binary(max_size=60), st.sampled_from([b"", b"\r\n", b"PING\r\n", b"MSG data.A 1 3\r\n"]))
SUBJECTS = {MARKET: b"data.BTCUSDT", OTHER: b"other", PRICES: b"market.price.kraken.BTCUSDT"}
FRAMES = st.one_of(
    st.builds(
        lambda sid, payload, reply, headers: message(sid, SUBJECTS[sid], payload, reply, headers),
        st.sampled_from([MARKET, MARKET, OTHER, PRICES]),
        PAYLOADS,
        st.sampled_from([b"", b"inbox.1"]),
        st.sampled_from([b"", REPLAY]),
    ),
    st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Slow'\r\n", b'INFO {"max_payload":9}\r\n']),
)


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(0, 800), max_size=12))
async def test_parser__of_a_stream_cut_anywhere__says_what_the_plain_one_says(
    frames: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(frames)
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in zip(at, at[1:], strict=False)]
    ours, plain = FakeClient(), FakeClient()
    assert await told(direct(ours), ours, pieces) == await told(Parser(plain), plain, pieces)


@pytest.mark.parametrize("seed", range(5))
async def test_parser__of_damaged_bytes__refuses_them_where_the_plain_one_does(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - test data
    refused = 0
    for _ in range(100):
        data = bytearray(
            b"".join(message(dice.choice([1, 2]), b"data.A", dice.randbytes(9), b"", b"") for _ in range(3))
        )
        line = range(data.index(b"\r\n"))
        data[dice.choice(line)] = dice.choice(b"M 1x\t-+\r")
        ours, plain = FakeClient(), FakeClient()
        said = await told(direct(ours), ours, [bytes(data)])
        assert said == await told(Parser(plain), plain, [bytes(data)]), bytes(data)
        refused += ("refused",) in said
    assert refused


async def test_parser__after_a_connection_broke_within_a_message__begins_with_the_next_ones() -> None:
    client = FakeClient()
    parser = direct(client)
    await parser.parse(message(MARKET, b"data.A", b"lost", b"", b"")[:-4])
    parser.reset()
    await parser.parse(message(MARKET, b"data.A", b"kept", b"", b""))
    assert client.events == [("message", MARKET, b"kept", "", None)]


async def test_parser__reset_by_an_error_of_the_server__leaves_aside_what_came_behind_it() -> None:
    client = FakeClient()
    parser = direct(client)

    async def reconnect(_: str) -> None:
        parser.reset()

    client._process_err = reconnect  # type: ignore[method-assign]
    await parser.parse(b"-ERR 'Stale Connection'\r\n" + message(MARKET, b"data.A", b"late", b"", b""))
    assert client.events == []
    assert not parser.buf


async def test_parser__told_to_forget__leaves_messages_to_the_library() -> None:
    client = FakeClient()
    parser = direct(client)
    await parser.parse(message(MARKET, b"data.A", b"1", b"", b""))
    parser.forget()
    client.events.clear()
    await parser.parse(message(OTHER, b"data.A", b"2", b"", b""))
    assert client.events == [("message", b"data.A", b"2", "", None)]


async def test_parser__of_more_subjects_than_it_keeps__still_names_each_symbol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nats_parser, "KNOWN_LIMIT", 3)
    seen: list[Message] = []
    parser = MessageParser(FakeClient(), seen.extend)  # type: ignore[arg-type]  # as much of a client as a parser needs
    parser.observations.update(OBSERVATIONS)
    for number in range(10):
        await parser.parse(message(MARKET, b"data.sym%d" % number, b"x" * number, b"", b""))
    assert [(each.symbol, each.payload) for each in seen] == [(f"SYM{number}", b"x" * number) for number in range(10)]
    assert len(parser._starts) <= 3


@pytest.mark.parametrize(
    ("header", "is_replay"),
    [
        (b"NATS/1.0\r\nReplay: 1\r\n\r\n", True),
        (b"NATS/1.0\r\nReplay:1\r\n\r\n", True),
        (b"NATS/1.0\r\nA: b\r\nReplay: 1 \r\n\r\n", True),
        (b"NATS/1.0\r\nReplay: 10\r\n\r\n", False),
        (b"NATS/1.0\r\nNo-Replay: 1\r\n\r\n", False),
        (b"NATS/1.0\r\nA: Replay: 1\r\n\r\n", False),
    ],
)
async def test_replay_header__in_the_raw_block__found_as_nats_py_parses_it(header: bytes, is_replay: bool) -> None:
    client = FakeClient()
    await direct(client).parse(message(MARKET, b"data.A", b"1", b"", header))
    assert client.events == [("message", MARKET, b"1", "", REPLAY if is_replay else None)]
    parsed = Client._parse_header_lines(header.partition(b"\r\n")[2])
    assert (parsed.get("Replay") == "1") is is_replay
