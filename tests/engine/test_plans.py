"""The bounded state: who is dropped when."""

from hypothesis import given
from hypothesis import strategies as st

from strategy_core.engine.symbol_table import Recency
from strategy_core.strategies.base import SymbolMarket

SIGHTS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=80)


@given(SIGHTS)
def test_recency__any_sights_and_removals__gives_up_the_least_recently_seen(sights: list[tuple[str, bool]]) -> None:
    recency = Recency()
    for seen, (symbol, pops) in enumerate(sights):
        recency.members.setdefault(symbol, SymbolMarket(symbol)).seen = seen
        if pops:
            oldest = min(recency.members.values(), key=lambda market: market.seen).symbol
            assert recency.pop_oldest() == oldest
            assert oldest not in recency.members


def test_recency__many_symbols_taking_turns__sorts_rarely() -> None:
    recency = Recency()
    for seen in range(1_000):
        recency.members[f"{seen}"] = SymbolMarket(f"{seen}", seen=seen)
    assert [recency.pop_oldest() for _ in range(3)] == ["0", "1", "2"]
    sorted_once = recency._oldest_last
    recency.members["0"] = SymbolMarket("0", seen=1_000)
    assert [recency.pop_oldest() for _ in range(997)] == [f"{seen}" for seen in range(3, 1_000)]
    assert recency._oldest_last is sorted_once
    assert recency.pop_oldest() == "0"
    assert recency.members == {}
