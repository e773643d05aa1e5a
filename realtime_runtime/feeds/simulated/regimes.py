"""When something happens in the simulated market: a cycle of three minutes in which every strategy finds its case.

Each cycle moves every episode to the next symbol and turns its direction, so that all symbols have their turn.
"""

from dataclasses import dataclass
from enum import Enum

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")
CYCLE_SECONDS = 180


class Regime(Enum):
    """What an episode does to its symbol; the strategy that looks for it stands behind."""

    IMBALANCE = "one side of the book is twice the other"  # orderbook_skew
    BURST = "the price runs one way on growing volume, takers on one side"  # trade_momentum, ticker_velocity
    WITHDRAWAL = "liquidity leaves at once, stays away for more than 30 s, and returns"  # spread_liquidity
    ICEBERG = "one level is eaten again and again and shows the same slice anew"  # iceberg_detector
    GAP = "one exchange quotes 0.8 % away from the others"  # cross_exchange_spread


@dataclass(frozen=True, slots=True)
class Episode:
    """A regime on one symbol, in seconds since the start of the cycle."""

    start: float
    seconds: float
    regime: Regime
    symbol: int
    direction: int


# No two episodes overlap on one symbol; the first minute already has most of them, for who has just started the demo.
EPISODES = (
    Episode(12, 10, Regime.IMBALANCE, 0, 1),
    Episode(25, 68, Regime.WITHDRAWAL, 5, 1),
    Episode(40, 50, Regime.BURST, 3, 1),
    Episode(50, 15, Regime.GAP, 1, 1),
    Episode(60, 24, Regime.ICEBERG, 2, 1),
    Episode(90, 10, Regime.IMBALANCE, 1, -1),
    Episode(105, 50, Regime.BURST, 4, -1),
    Episode(120, 15, Regime.GAP, 0, -1),
    Episode(140, 24, Regime.ICEBERG, 2, -1),
)

# Dominance and chain activity know one market each, not one a symbol.
DOMINANCE_SHIFT_SECONDS = (95.0, 135.0)
ACCUMULATION_SECONDS = (65.0, 95.0)


@dataclass(frozen=True, slots=True)
class ActiveEpisode:
    """An episode that runs now; ``elapsed`` seconds of it have passed. ``direction``: 1 up or bids, -1 down or asks."""

    regime: Regime
    direction: int
    elapsed: float
    seconds: float


def active_episode(symbol: str, elapsed: float) -> ActiveEpisode | None:
    """The episode of the symbol ``elapsed`` seconds after the market's start."""
    cycle, second = divmod(elapsed, CYCLE_SECONDS)
    turn = int(cycle)
    index = SYMBOLS.index(symbol)
    for episode in EPISODES:
        if (episode.symbol + turn) % len(SYMBOLS) == index and 0 <= second - episode.start < episode.seconds:
            direction = -episode.direction if turn % 2 else episode.direction
            return ActiveEpisode(episode.regime, direction, second - episode.start, episode.seconds)
    return None
