"""What a symbol's name says of its price and quantity, and what a unit is worth in dollars."""

import pytest

from strategy_core.engine.pricing import MAX_PRICE_AGE_MS, DollarPrices
from strategy_core.engine.signals import default_quantity
from strategy_core.engine.symbol_table import SymbolState
from strategy_core.market.contracts import Contract, contract_of, converts

NOW_MS = 1_723_161_255_000


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("BTCUSDT", "BTC", "USDT"),
        ("BTCUSDT_250627", "BTC", "USDT"),
        ("1000SHIBUSDT", "1000SHIB", "USDT"),
        ("ETHBTC", "ETH", "BTC"),
        ("BNBETH", "BNB", "ETH"),
        ("LINKBNB", "LINK", "BNB"),
        ("BTCFDUSD", "BTC", "FDUSD"),
        ("BTCTUSD", "BTC", "TUSD"),
        ("BTCBUSD", "BTC", "BUSD"),
        ("TUSDUSDT", "TUSD", "USDT"),
        ("USDCUSDT", "USDC", "USDT"),
        ("BTCUSD", "BTC", "USD"),
        ("BNBUSD", "BNB", "USD"),
        ("BTCJPY", "BTC", "JPY"),
        ("USDTTRY", "USDT", "TRY"),
        ("ADAEUR", "ADA", "EUR"),
        ("EURUSDT", "EUR", "USDT"),
        ("BTCBRL", "BTC", "BRL"),
        ("WINTRX", "WIN", "TRX"),
    ],
)
def test_contract__of_a_linear_symbol__is_split_at_its_quote(symbol: str, base: str, quote: str) -> None:
    assert contract_of(symbol) == Contract(base, quote)


@pytest.mark.parametrize(
    ("symbol", "base", "multiplier"),
    [("BTCUSD_PERP", "BTC", 100.0), ("BTCUSD_211231", "BTC", 100.0), ("DOTUSD_PERP", "DOT", 10.0)],
)
def test_contract__of_a_coin_margined_symbol__is_inverse(symbol: str, base: str, multiplier: float) -> None:
    assert contract_of(symbol) == Contract(base, "USD", is_inverse=True, multiplier=multiplier)


@pytest.mark.parametrize("symbol", ["ABCDEF", "USDT", "USD_PERP", "BTC"])
def test_contract__of_a_name_without_a_known_quote__is_not_known(symbol: str) -> None:
    assert contract_of(symbol) is None


@pytest.mark.parametrize(("symbol", "is_one"), [("BTCUSDT", True), ("EURUSDT", True), ("USDTTRY", True),
    ("ADAUSDT", False), ("ETHBTC", False), ("BTCUSD_PERP", False), ("ABCDEF", False)])  # fmt: skip
def test_converts__symbols_whose_price_a_quote_is_worth(symbol: str, is_one: bool) -> None:
    assert converts(symbol) is is_one


def prices(**known: float) -> DollarPrices:
    states = {}
    for symbol, price in known.items():
        states[symbol] = state = SymbolState(symbol)
        state.market.last_price, state.last_ms = price, NOW_MS
    return DollarPrices(states)


CASES = [
    ("BTCUSDT", 60_000.0, {}, 60_000.0),
    ("ETHBTC", 0.05, {"BTCUSDT": 60_000.0}, 3_000.0),
    ("ETHBTC", 0.05, {"BTCUSDC": 60_000.0}, 3_000.0),
    ("ETHBTC", 0.05, {"ETHUSDT": 3_100.0}, 3_100.0),
    ("DOGEBTC", 1.6e-6, {"BTCUSDT": 100_000.0}, 0.16),
    ("USDTTRY", 42.0, {}, 1.0),
    ("BTCTRY", 4_200_000.0, {"USDTTRY": 42.0}, 100_000.0),
    ("BTCEUR", 50_000.0, {"EURUSDT": 1.1}, 55_000.0),
    ("BTCJPY", 15_000_000.0, {"BTCUSDT": 100_000.0}, 100_000.0),
    ("BTCUSD_PERP", 60_000.0, {}, 60_000.0),
    ("ETHBTC", 0.05, {}, None),
    ("BTCJPY", 15_000_000.0, {"EURUSDT": 1.1}, None),
]


@pytest.mark.parametrize(("symbol", "price", "known", "dollars"), CASES)
def test_unit__of_a_symbol__is_worth_dollars_by_the_prices_known(
    symbol: str, price: float, known: dict[str, float], dollars: float | None
) -> None:
    contract = contract_of(symbol)
    assert contract is not None
    assert prices(**known).unit_dollars(contract, price, NOW_MS) == (dollars and pytest.approx(dollars))


def test_unit__by_a_price_that_is_too_old__is_worth_nothing_known() -> None:
    contract = Contract("ETH", "BTC")
    known = prices(BTCUSDT=60_000.0)
    assert known.unit_dollars(contract, 0.05, NOW_MS + MAX_PRICE_AGE_MS) == pytest.approx(3_000.0)
    assert known.unit_dollars(contract, 0.05, NOW_MS + MAX_PRICE_AGE_MS + 1) is None


def test_quantity__of_an_inverse_contract__is_in_contracts() -> None:
    bitcoin, ether = contract_of("BTCUSD_PERP"), contract_of("ETHUSD_PERP")
    assert bitcoin is not None
    assert ether is not None
    assert (default_quantity(bitcoin, 60_000.0), default_quantity(ether, 3_000.0)) == (1.0, 5.0)
