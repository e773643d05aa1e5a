"""What a symbol's price and quantity are counted in: base, quote, contract. By the exchange's naming rules. Pure.

Spot and USD-M (``ETHBTC``, ``BTCUSDT``, ``BTCUSDT_250627``): the price is in quote units for one base unit, a
quantity is in base units. COIN-M (``BTCUSD_PERP``, ``ETHUSD_250627``): inverse; the price is in dollars for one coin, a
quantity is a number of contracts, each worth 100 dollars (BTC) or 10 dollars (every other coin).
"""

from dataclasses import dataclass
from functools import lru_cache

DOLLARS = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "USDS", "DAI"})
"""Currencies that count as one dollar."""
PEGS = ("USDT", "USDC", "FDUSD", "USD")
"""Dollars in which the price of another currency is looked for, the most traded first."""
QUOTES = (
    *("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "USD1", "USDS", "BIDR", "IDRT", "BVND", "EURI", "DOGE"),
    *("BTC", "ETH", "BNB", "XRP", "TRX", "DOT", "SOL", "DAI", "VAI", "USD", "EUR", "GBP", "AUD", "TRY", "BRL", "JPY"),
    *("RUB", "UAH", "ZAR", "IDR", "NGN", "PLN", "RON", "ARS", "MXN", "CZK", "COP"),
)
"""Quotes by which a symbol's name is split: by the first one that it ends in (TUSD comes before USD)."""
AMBIGUOUS = {"BNBUSD": ("BNB", "USD"), "USDTUSD": ("USDT", "USD"), "DOTUSD": ("DOT", "USD")}
"""Names that the rule would split at the wrong place: BN in BUSD, USD in TUSD, DO in TUSD."""
BTC_CONTRACT_DOLLARS = 100.0
COIN_CONTRACT_DOLLARS = 10.0
KEPT = 8_192


@dataclass(frozen=True, slots=True)
class Contract:
    """How to count one symbol. ``multiplier``: worth of a contract in quote units where ``is_inverse``, else 1."""

    base: str
    quote: str
    is_inverse: bool = False
    multiplier: float = 1.0

    def quantity(self, worth_dollars: float, unit_dollars: float) -> float:
        """What ``worth_dollars`` buy: base units at ``unit_dollars`` each, of an inverse symbol contracts."""
        return worth_dollars / (self.multiplier if self.is_inverse else unit_dollars)


def converts(symbol: str) -> bool:
    """Whether the symbol's price says what a quote is worth in dollars: BTCUSDT, EURUSDT, USDTTRY."""
    contract = contract_of(symbol)
    if contract is None or contract.is_inverse:
        return False
    sides = (contract.base, contract.quote)
    return any(side in PEGS for side in sides) and all(side in QUOTES for side in sides)


@lru_cache(maxsize=KEPT)
def contract_of(symbol: str) -> Contract | None:
    """The contract of a symbol, by its name; None where the name ends in no known quote."""
    pair, separator, _ = symbol.partition("_")
    if separator and pair.endswith("USD"):
        base = pair[:-3]
        multiplier = BTC_CONTRACT_DOLLARS if base == "BTC" else COIN_CONTRACT_DOLLARS
        return Contract(base, "USD", is_inverse=True, multiplier=multiplier) if base else None
    if pair in AMBIGUOUS:
        return Contract(*AMBIGUOUS[pair])
    for quote in QUOTES:
        if pair.endswith(quote) and len(pair) > len(quote):
            return Contract(pair[: -len(quote)], quote)
    return None
