"""Bounds in time and in sense of what comes rarely: dominance, chain activity, prices of other exchanges. Pure.

A figure out of bounds is refused before any window sees it. One that jumps is refused, too, until
``JUMPS_TO_CONFIRM`` in a row have said the same: a source that has really moved is believed with the next figures.
"""

from strategy_core.market.messages import Dominance, ExchangePrice, OnchainObservation

FUTURE_MS = 300_000
"""An observation may be dated this far ahead: the clocks of two hosts differ."""
FIRST_MS = 1_230_940_800_000
"""2009-01-03, bitcoin's first block: a time before it is in another unit, or none."""
JUMPS_TO_CONFIRM = 3
LEAST_DOMINANCE = 1.0
MOST_DOMINANCE = 99.0
"""The share is in percent and was never below 30: 0.607 is a fraction, 99.5 no market."""
MOST_DOMINANCE_STEP = 20.0
"""Points between two figures. In three years it moved by 1.57 at most in a day."""
MOST_COINS = 1e9
"""No asset that is followed has so many coins; nor its chain so many addresses."""
MOST_CHAIN_FACTOR = 50.0
"""Between two observations of one field."""
MOST_EXCHANGE_FACTOR = 1.25
"""Between another exchange's price and the symbol's own: more is another pair, or another unit."""
_CHAIN_FIELDS = ("active_addresses", "transaction_volume")
_COIN_FIELDS = (
    *("exchange_inflow", "exchange_outflow", *_CHAIN_FIELDS),
    *("largest_transfer_to_exchange", "largest_transfer_from_exchange"),
)


def is_time(time_ms: int, now_ms: int) -> bool:
    """Whether an observation can have been made then. ``now_ms`` 0: no clock is known, as before the first event."""
    return time_ms >= FIRST_MS and (now_ms == 0 or time_ms <= now_ms + FUTURE_MS)


def is_exchange_price(price: ExchangePrice, own_price: float) -> bool:
    """Whether it can be the same symbol's price; ``own_price`` 0: none is known that is recent."""
    return own_price <= 0.0 or own_price / MOST_EXCHANGE_FACTOR <= price.price <= own_price * MOST_EXCHANGE_FACTOR


class ObservedRecord:
    """The last plausible figures of one symbol, and how many in a row were refused as a jump."""

    __slots__ = ("_chain", "_dominance", "_jumps", "_refused")

    def __init__(self) -> None:
        self._dominance = 0.0
        self._chain: dict[str, float] = {}
        self._jumps = 0
        self._refused: dict[str, float] = {}

    def takes_dominance(self, observation: Dominance) -> bool:
        """Whether it is a share in percent that follows on the last one."""
        btc = observation.btc
        if not LEAST_DOMINANCE <= btc <= MOST_DOMINANCE:
            return False
        is_jump = self._dominance > 0.0 and abs(btc - self._dominance) > MOST_DOMINANCE_STEP
        refused = self._refused.get("btc", btc)
        if is_jump and not self._is_confirmed({"btc": btc}, is_same=abs(btc - refused) <= MOST_DOMINANCE_STEP):
            return False
        self._settle()
        self._dominance = btc
        return True

    def takes_chain(self, observation: OnchainObservation) -> bool:
        """Whether the amounts are possible, and activity follows on that of the last observation."""
        if any((getattr(observation, name) or 0.0) > MOST_COINS for name in _COIN_FIELDS):
            return False
        activity = {name: value for name in _CHAIN_FIELDS if (value := getattr(observation, name)) is not None}
        if any(value <= 0.0 for value in activity.values()):
            return False
        is_same = not _has_jumped(activity, self._refused)
        if _has_jumped(activity, self._chain) and not self._is_confirmed(activity, is_same=is_same):
            return False
        self._settle()
        self._chain.update(activity)
        return True

    def _is_confirmed(self, figures: dict[str, float], *, is_same: bool) -> bool:
        """Count a jump; whether as many in a row now say the same."""
        self._jumps = self._jumps + 1 if is_same else 1
        self._refused = figures
        return self._jumps >= JUMPS_TO_CONFIRM

    def _settle(self) -> None:
        self._jumps = 0
        self._refused = {}


def _has_jumped(figures: dict[str, float], before: dict[str, float]) -> bool:
    for name, value in figures.items():
        known = before.get(name, value)
        if not known / MOST_CHAIN_FACTOR <= value <= known * MOST_CHAIN_FACTOR:
            return True
    return False
