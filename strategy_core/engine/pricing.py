"""What one unit of a symbol is worth in dollars, by the prices that the engine has seen. Pure."""

from collections.abc import Mapping

from strategy_core.engine.symbol_table import SymbolState
from strategy_core.market.contracts import DOLLARS, PEGS, Contract
from strategy_core.market.decoding import UNREADABLE
from strategy_core.market.routing import Route

MAX_PRICE_AGE_MS = 300_000
"""A price further than this from the time of the decision converts nothing."""
FOREIGN_SAMPLE = 64
"""Of the prices of a symbol that another runtime trades one in so many is decoded, beginning with the first."""
_NONE = (0.0, 0)


class DollarPrices:
    """Converts prices by the last prices of other symbols: ETHBTC by BTCUSDT, USDTTRY by itself, BTCJPY by BTCUSDT.

    Also by those that another runtime trades, as far as their messages come here.
    """

    def __init__(self, states: Mapping[str, SymbolState]) -> None:
        self._states = states
        self._foreign: dict[str, tuple[float, int]] = {}
        self._seen: dict[str, int] = {}

    def take_foreign(self, route: Route, payload: bytes, received_ms: int) -> None:
        """Note the price of a trade or ticker that is not this runtime's, now and then."""
        seen = self._seen.get(route.symbol, 0)
        self._seen[route.symbol] = seen + 1
        if route.reference is None or seen % FOREIGN_SAMPLE:
            return
        try:
            event = route.reference(payload).data
        except UNREADABLE:
            return
        self._foreign[route.symbol] = (event.price, event.time_ms or received_ms)

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
        price, priced_ms = (
            self._foreign.get(symbol, _NONE) if state is None else (state.market.last_price, state.last_ms)
        )
        return price if abs(time_ms - priced_ms) <= MAX_PRICE_AGE_MS else 0.0
