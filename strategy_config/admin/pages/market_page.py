"""The market as the runtimes see it: every order book in a line, and one with its charts. Both stay current."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from strategy_config.admin.page import Page, polled, show
from strategy_config.admin.script_shapes import BookRow, MarketDocument, Shares, SymbolDocument
from strategy_config.admin.times import ago
from strategy_config.admin.wording import counted, shown
from strategy_config.exceptions import NotFoundError, RedisUnavailableError
from strategy_config.observed import order_books
from strategy_config.observed.order_books import PressureReading, Reading
from strategy_config.resolution import symbols
from strategy_core.market.analytics import BULLISH_ABOVE, TIMEFRAMES, Timeframe

MOST_SYMBOLS = 200
UNKNOWN = "Redis is unreachable: the state of the order books is unknown."
_BLANK_ROW = {"url": "#", "lean": {"kind": "buy", "x": 50, "width": 0}}
"""The page's script makes new rows from it."""
_SOURCES = {
    "simulated": "simulated, not a real market",
    "replay": "a replay of recorded data",
    "live": "live",
}


def overview(request: HttpRequest) -> HttpResponse:
    """Every symbol, or those whose names begin as asked for."""
    begins = request.GET.get("symbol", "").strip().upper()
    query = f"?{urlencode({'symbol': begins})}" if begins else ""
    document = _overview(begins, timezone.now())
    poll_url = reverse("admin:market_live") + query
    return show(
        request, "market.html", title="Market", document=document, poll_url=poll_url, symbol=begins, blank=_BLANK_ROW
    )


def overview_document(request: HttpRequest) -> HttpResponse:
    """What the page shows, for its poll."""
    return polled(_overview(request.GET.get("symbol", "").strip().upper(), timezone.now()))


def symbol(request: HttpRequest, symbol: str) -> HttpResponse:
    """One order book."""
    name, timeframe = symbols.normalise_symbol(symbol), _timeframe(request)
    return show(
        request,
        "market_symbol.html",
        title=name,
        trail=(("Market", reverse("admin:market")),),
        document=_symbol(name, timeframe, timezone.now()),
        timeframe=timeframe,
        timeframes=list(TIMEFRAMES),
        limit=BULLISH_ABOVE,
        poll_url=f"{reverse('admin:market_symbol_live', args=[name])}?timeframe={timeframe}",
    )


def symbol_document(request: HttpRequest, symbol: str) -> HttpResponse:
    """What the page shows, for its poll."""
    return polled(_symbol(symbols.normalise_symbol(symbol), _timeframe(request), timezone.now()))


def _timeframe(request: HttpRequest) -> Timeframe:
    asked = request.GET.get("timeframe")
    return next((each for each in TIMEFRAMES if each == asked), "5m")


def _overview(begins: str, at: datetime) -> MarketDocument:
    try:
        readings = order_books.of_all(at)
    except RedisUnavailableError:
        return {"answer": UNKNOWN, "is_known": False, "rows": [], "note": ""}
    chosen = [reading for reading in readings if reading.metrics.symbol.startswith(begins)]
    rows = [_row(reading) for reading in chosen[:MOST_SYMBOLS]]
    note = (
        f"The first {MOST_SYMBOLS} of {len(chosen)} symbols. Filter to see others." if len(chosen) > len(rows) else ""
    )
    return {"answer": _overview_answer(readings), "is_known": True, "rows": rows, "note": note}


def _overview_answer(readings: Sequence[Reading]) -> str:
    summary = order_books.summarise(readings)
    if not readings:
        return "No order book has reached a runtime in the last five minutes"
    parts = [counted(summary.symbols_tracked, "symbol")]
    if summary.avg_net_pressure is not None and summary.avg_spread_bps is not None:
        parts.append(f"{summary.bullish_symbols} bullish, {summary.bearish_symbols} bearish")
        parts.append(f"mean net pressure {percent(summary.avg_net_pressure)}")
        parts.append(f"mean spread {amount(summary.avg_spread_bps)} bps")
    silent = summary.stale_symbols
    parts.append(f"{silent} silent for more than 10 s, excluded from the means" if silent else "all current")
    return " · ".join(parts)


def _row(reading: Reading) -> BookRow:
    metrics = reading.metrics
    net = metrics.pressure.net_pressure
    return {
        "symbol": metrics.symbol,
        "url": reverse("admin:market_symbol", args=[metrics.symbol]),
        "is_stale": reading.is_stale,
        "texts": {
            "pressure": percent(net),
            "mood": "silent" if reading.is_stale else metrics.pressure.interpretation,
            "spread": f"{amount(metrics.spread.spread_bps)} bps",
            "mid": price(metrics.spread.mid_price),
            "bids": amount(metrics.imbalance.bid_volume),
            "asks": amount(metrics.imbalance.ask_volume),
            "age": age(reading.age_seconds),
        },
        "lean": {"kind": "buy" if net > 0 else "sell", "x": 50 + min(net, 0) / 2, "width": abs(net) / 2},
    }


def _symbol(name: str, timeframe: Timeframe, at: datetime) -> SymbolDocument:
    try:
        found = order_books.pressure_of(name, timeframe, at)
    except RedisUnavailableError:
        return _unknown(UNKNOWN)
    except NotFoundError:
        return _unknown(f"No runtime has seen an order book of {name} in the last five minutes")
    reading, metrics = found.reading, found.reading.metrics
    return {
        "is_known": True,
        "is_stale": reading.is_stale,
        "answer": _symbol_answer(reading),
        "bars": [
            _bar("best 5", metrics.liquidity.bid_depth_5, metrics.liquidity.ask_depth_5),
            _bar("best 10", metrics.liquidity.bid_depth_10, metrics.liquidity.ask_depth_10),
            _bar("all", metrics.imbalance.bid_volume, metrics.imbalance.ask_volume),
        ],
        "chart": {
            "seconds": TIMEFRAMES[timeframe],
            "points": [(point.time_ms, round(point.net_pressure, 2)) for point in found.points],
            "words": _chart_words(found),
        },
        "facts": dict(_facts(reading)),
    }


def _unknown(answer: str) -> SymbolDocument:
    return {"is_known": False, "is_stale": False, "answer": answer, "bars": [], "chart": None, "facts": {}}


def _symbol_answer(reading: Reading) -> str:
    metrics = reading.metrics
    net = metrics.pressure.net_pressure
    came = age(reading.age_seconds)
    parts = [
        f"Net pressure {percent(net)}, {metrics.pressure.interpretation}",
        f"spread {amount(metrics.spread.spread_bps)} bps at {price(metrics.spread.mid_price)}",
        _SOURCES.get(metrics.source, metrics.source),
    ]
    return " · ".join(
        [f"Silent: last order book {came}", *parts] if reading.is_stale else [*parts, f"last order book {came}"]
    )


def _bar(label: str, bids: float, asks: float) -> Shares:
    """Both sides as shares of their sum, drawn from the middle outwards."""
    total = bids + asks
    bid_share, ask_share = (bids / total * 100, asks / total * 100) if total else (0.0, 0.0)
    return {
        "label": label,
        "bids": amount(bids),
        "asks": amount(asks),
        "bid_width": bid_share / 2,
        "ask_width": ask_share / 2,
        "words": f"{label} levels: bids {bid_share:.0f} %, asks {ask_share:.0f} %",
    }


def _chart_words(found: PressureReading) -> str:
    summary = found.summary
    count = len(found.points)
    return (
        f"Mean {percent(summary.avg_pressure)}, "
        f"from {percent(summary.min_pressure)} to {percent(summary.max_pressure)} "
        f"over {counted(count, 'second')} · trend {summary.trend}, strength {summary.trend_strength:.2f}"
    )


def _facts(reading: Reading) -> list[tuple[str, str]]:
    """The numbers beside the charts, each under its name."""
    metrics = reading.metrics
    spread, vwap, strongest = metrics.spread, metrics.vwap, metrics.strongest_levels
    levels = metrics.order_book_quality
    event = datetime.fromtimestamp(metrics.time_ms / 1000, UTC)
    return [
        ("Best bid", price(spread.best_bid)),
        ("Best ask", price(spread.best_ask)),
        ("Spread", f"{amount(spread.spread_abs)} ({amount(spread.spread_bps)} bps)"),
        ("Imbalance", f"{metrics.imbalance.ratio:+.4f}"),
        ("Bid volume", amount(metrics.imbalance.bid_volume)),
        ("Ask volume", amount(metrics.imbalance.ask_volume)),
        ("Weighted bid", "none" if vwap.bid is None else price(vwap.bid)),
        ("Weighted ask", "none" if vwap.ask is None else price(vwap.ask)),
        ("Strongest bid", f"{amount(strongest.bid.volume)} at {price(strongest.bid.price)}"),
        ("Strongest ask", f"{amount(strongest.ask.volume)} at {price(strongest.ask.price)}"),
        ("Levels", f"{levels.bid_levels} bid, {levels.ask_levels} ask"),
        ("Event time", event.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")),
    ]


def price(number: float) -> str:
    """Ten significant digits, "97,142.8", so that no rounding error of binary fractions shows."""
    return format(Decimal(shown(float(f"{number:.10g}"))), ",f")


def percent(number: float) -> str:
    """ "+1.5 %"; nothing is "0.0 %", without a sign."""
    return f"{number:+.1f} %" if round(number, 1) else "0.0 %"


def amount(number: float) -> str:
    """Four significant digits without an exponent: "0.01639", "1,234", "61,230"."""
    return format(Decimal(f"{number:.4g}"), ",f")


def age(seconds: float) -> str:
    """ "now", "12 s ago", "3 min ago"."""
    return "now" if seconds < 1.5 else ago(seconds)


PAGES = (
    Page("market/", "market", overview),
    Page("market/live.json", "market_live", overview_document),
    Page("market/<str:symbol>/", "market_symbol", symbol),
    Page("market/<str:symbol>/live.json", "market_symbol_live", symbol_document),
)
