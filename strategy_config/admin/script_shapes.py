"""The JSON that scripts read, one shape each. A browser test fails where a script reads a member that is not here."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from strategy_config.admin.heartbeats import FeedKind


class FeedShape(TypedDict):
    """The badge on top of every page."""

    kind: FeedKind
    text: str
    detail: str


class Part(TypedDict):
    """A part of the surroundings, in a line of words."""

    name: str
    state: Literal["ok", "warning", "bad"]
    text: str


class RuntimeRow(TypedDict):
    """A runtime in the dashboard's table, in words but for the number of symbols."""

    instance_id: str
    applied: str
    rate: str
    lag: str
    symbols: int
    errors: str
    dropped: str
    seen: str


class LastChange(TypedDict):
    """The newest change of a strategy's layers; ``symbol`` None: the global one."""

    at: str | None
    by: str
    reason: str
    symbol: str | None
    version: int


class StrategyCard(TypedDict):
    """A strategy on the dashboard. ``buys`` and ``sells`` count its signals by minute."""

    id: str
    name: str
    is_enabled: bool
    is_in_code: bool
    is_running: bool
    state: Literal["Halted", "On", "Off"]
    scope: str
    origin: str
    version: int
    changed: LastChange | None
    buys: Sequence[int]
    sells: Sequence[int]
    signals: str


class ChangeLine(TypedDict):
    """A row of the history in short; ``symbol`` None: the global layer."""

    sequence: int | None
    at: str | None
    action: str
    strategy_id: str
    symbol: str | None
    where: str
    version: int | None
    by: str
    reason: str
    words: str


class PollDocument(TypedDict):
    """The document that every page polls."""

    at: str | None
    feed: FeedShape
    answer: str
    parts: list[Part]
    runtimes: list[RuntimeRow]
    runtimes_text: str
    strategies: list[StrategyCard]
    changes: list[ChangeLine]


class RuntimeProgress(TypedDict):
    """What one runtime has answered to a change."""

    instance_id: str
    state: Literal["applied", "rejected", "waiting"]
    latency_ms: float | None
    error: str | None
    silent_seconds: float


class ProgressDocument(TypedDict):
    """How far a change has come. ``is_done``: every runtime has answered."""

    text: str
    is_done: bool
    is_applied: bool
    runtimes: list[RuntimeProgress]


class Lean(TypedDict):
    """A bar from the middle to either side, in percent of its drawing."""

    kind: Literal["buy", "sell"]
    x: float
    width: float


class BookTexts(TypedDict):
    """The cells of an order book's row."""

    pressure: str
    mood: str
    spread: str
    mid: str
    bids: str
    asks: str
    age: str


class BookRow(TypedDict):
    """An order book in the list."""

    symbol: str
    url: str
    is_stale: bool
    texts: BookTexts
    lean: Lean


class MarketDocument(TypedDict):
    """The list of order books."""

    answer: str
    is_known: bool
    rows: list[BookRow]
    note: str


class Shares(TypedDict):
    """Both sides of a book down to a depth; the widths are in percent of the drawing."""

    label: str
    bids: str
    asks: str
    bid_width: float
    ask_width: float
    words: str


class PressureChart(TypedDict):
    """The net pressure in percent by milliseconds of event time, over ``seconds``."""

    seconds: int
    points: list[tuple[int, float]]
    words: str


class SymbolDocument(TypedDict):
    """One order book. Where ``is_known`` is False, only ``answer`` means anything."""

    is_known: bool
    is_stale: bool
    answer: str
    bars: list[Shares]
    chart: PressureChart | None
    facts: dict[str, str]


class PriceMark(TypedDict):
    """A signal on the price chart."""

    ms: int
    price: float
    action: str
    id: str
    words: str


class PriceData(TypedDict):
    """The price by milliseconds of event time, with the signals; a gap longer than ``gap_ms`` breaks the line.

    ``margin`` is the room above and below the line, as a part of its range.
    """

    points: list[tuple[int, float]]
    marks: list[PriceMark]
    is_measured: bool
    gap_ms: int
    margin: float


class NewsDocument(TypedDict):
    """How many newer signals there are; None: Redis is unreachable."""

    count: int | None


class CheckDocument(TypedDict):
    """What is wrong with a form as it is typed: by field, and with the form as a whole."""

    errors: dict[str, list[str]]
    other: list[str]


class BadRow(TypedDict):
    """The first row of the history that fails verification."""

    position: int
    problem: str


class VerifyDocument(TypedDict):
    """How far the history was verified."""

    verified: int
    head: int
    bad: BadRow | None
    is_done: bool


class UnverifiedDocument(TypedDict):
    """Why nothing could be verified, under status 503."""

    text: str
