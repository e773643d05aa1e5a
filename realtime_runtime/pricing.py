"""What one unit of a symbol is worth in dollars, by the prices that the engine has seen. Pure."""

from collections.abc import Mapping

from realtime_runtime.market.contracts import DOLLARS, Contract
from realtime_runtime.plans import SymbolState

MAX_PRICE_AGE_MS = 300_000
"""A price further than this from the time of the decision converts nothing."""
PEGS = ("USDT", "USDC", "FDUSD", "USD")
"""Dollar quotes in which the price of another currency is looked for, the most traded first."""


class DollarPrices:
    """Converts prices by the last prices of other symbols: ETHBTC by BTCUSDT, USDTTRY by itself, BTCJPY by BTCUSDT."""

    def __init__(self, states: Mapping[str, SymbolState]) -> None:
        self._states = states

    def unit_dollars(self, contract: Contract, price: float, time_ms: int) -> float | None:
        """Dollars for one base unit (one coin of an inverse symbol) at ``price``; None where nothing recent says so.

        By the quote's worth; else by the base's own price in dollars, which is the same thing.
        """
        if contract.quote in DOLLARS:
            return price
        if contract.base in DOLLARS:
            return 1.0
        quote = self._dollars(contract.quote, time_ms)
        return self._dollars(contract.base, time_ms) if quote is None else price * quote

    def _dollars(self, currency: str, time_ms: int) -> float | None:
        """Dollars for one unit of a currency, by <currency>USDT, or by USDT<currency> turned round."""
        for peg in PEGS:
            if price := self._price(f"{currency}{peg}", time_ms):
                return price
            if price := self._price(f"{peg}{currency}", time_ms):
                return 1.0 / price
        return None

    def _price(self, symbol: str, time_ms: int) -> float:
        """The symbol's last price; 0 where it has none or it is too old."""
        state = self._states.get(symbol)
        if state is None or abs(time_ms - state.last_ms) > MAX_PRICE_AGE_MS:
            return 0.0
        return state.market.last_price
