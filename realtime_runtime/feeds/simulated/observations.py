"""The simulated observations beside the market stream: other exchanges, dominance, chain activity. Pure.

Windows of 24 hours have to fill within the first minutes of a demo. So dominance and chain observations come from
30 days ago, 720 times as fast as the clock (an hour in 5 seconds), until they reach the present and go on at its
pace. They are never ahead of the market, so that no signal is dated in the future. A runtime that starts in that
first hour finds full windows after two minutes.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from realtime_runtime.feeds.simulated.regimes import ACCUMULATION_SECONDS, CYCLE_SECONDS, DOMINANCE_SHIFT_SECONDS
from strategy_core.market.event_kinds import DOMINANCE, EXCHANGE_PRICE, ONCHAIN

OBSERVATION_SPEED = 720
HEAD_START_MS = 30 * 24 * 3600 * 1000
DOMINANCE_INTERVAL_MS = 5_000
CHAIN_INTERVAL_MS = 2_500
OTHER_EXCHANGES = ("coinbase", "kraken", "bybit", "okx", "bitstamp")
GAP_EXCHANGE = "coinbase"
GAP_SHARE = 0.008
QUOTE_NOISE_SHARE = 0.00005

DOMINANCE_LOW = 54.0
DOMINANCE_RISE = 7.0
# Coins in half an hour; transfers are above the default whale thresholds of 100 BTC and 1,000 ETH.
_CHAIN = {
    "BTC": {"flow": 800.0, "volume": 9_000.0, "addresses": 21_000.0, "transfer": 40.0, "whale": 180.0},
    "ETH": {"flow": 9_000.0, "volume": 60_000.0, "addresses": 14_000.0, "transfer": 350.0, "whale": 1_800.0},
}
_CHAIN_NOISE = 0.02
_ONE_SIDED_FLOW = 4.0


def observation_time(start_ms: int, elapsed_ms: int) -> int:
    """The event time of an observation made that long after the market's start; Unix milliseconds."""
    return min(start_ms - HEAD_START_MS + elapsed_ms * OBSERVATION_SPEED, start_ms + elapsed_ms)


def exchange_prices(random: Random, symbol: str, price: float, gap: int, time_ms: int) -> Iterator[tuple[str, Any]]:
    """(subject, message) of each other exchange; with ``gap`` 1 or -1 one of them is away in that direction."""
    for exchange in OTHER_EXCHANGES:
        quote = price * (1.0 + random.gauss(0.0, QUOTE_NOISE_SHARE))
        if exchange == GAP_EXCHANGE:
            quote *= 1.0 + gap * GAP_SHARE
        yield (
            EXCHANGE_PRICE.subject(exchange, symbol),
            {"exchange": exchange, "symbol": symbol, "price": round(quote, 6), "ts": time_ms},
        )


def dominance(random: Random, elapsed: float, time_ms: int) -> tuple[str, Any]:
    """(subject, message): a calm level that moves by 7 points once a cycle, up and down in turn."""
    cycle, second = divmod(elapsed, CYCLE_SECONDS)
    begin, end = DOMINANCE_SHIFT_SECONDS
    share = min(1.0, max(0.0, (second - begin) / (end - begin)))
    if int(cycle) % 2:
        share = 1.0 - share
    btc = DOMINANCE_LOW + DOMINANCE_RISE * share + random.gauss(0.0, 0.05)
    return DOMINANCE.subject(), {"btc": round(btc, 3), "ts": time_ms}


def chain_activity(random: Random, elapsed: float, time_ms: int) -> Iterator[tuple[str, Any]]:
    """(subject, message) of BTC and ETH: balanced flows; once a cycle coins leave the exchanges, or come, in turn."""
    cycle, second = divmod(elapsed, CYCLE_SECONDS)
    begin, end = ACCUMULATION_SECONDS
    is_one_sided = begin <= second < end
    is_outflow = int(cycle) % 2 == 0

    def around(value: float) -> float:
        return round(value * (1.0 + random.gauss(0.0, _CHAIN_NOISE)), 2)

    for asset, usual in _CHAIN.items():
        outflow, inflow = around(usual["flow"]), around(usual["flow"])
        transfers = {
            "largest_transfer_from_exchange": usual["transfer"],
            "largest_transfer_to_exchange": usual["transfer"],
        }
        if is_one_sided and is_outflow:
            outflow = round(outflow * _ONE_SIDED_FLOW, 2)
            transfers["largest_transfer_from_exchange"] = usual["whale"]
        elif is_one_sided:
            inflow = round(inflow * _ONE_SIDED_FLOW, 2)
            transfers["largest_transfer_to_exchange"] = usual["whale"]
        yield (
            ONCHAIN.subject(asset),
            {
                "asset": asset,
                "ts": time_ms,
                "exchange_inflow": inflow,
                "exchange_outflow": outflow,
                "active_addresses": round(around(usual["addresses"])),
                "transaction_volume": around(usual["volume"]),
                **transfers,
            },
        )
