"""What is in force, read as of one row of the history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.models import User

from strategy_config.models import ApiToken, ChangeSequence, Halt, RelayPosition, StrategyConfig, SymbolOverride
from strategy_config.store import transactions

READS_WITHOUT_LOCK = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LiveState:
    """What is in force as of a row of the history. ``relayed``: up to where other services were told."""

    position: int
    sequence: int
    layers: list[StrategyConfig | SymbolOverride]
    tokens: list[ApiToken]
    usernames: frozenset[str]
    halts: list[Halt]
    relayed: int


@transactions.store_errors()
def all_layers() -> tuple[int, list[StrategyConfig], list[SymbolOverride]]:
    """A sequence, and the rows of all layers as of it, those of strategies that the code no longer knows included."""

    def read(head: ChangeSequence) -> tuple[int, list[StrategyConfig], list[SymbolOverride]]:
        return head.value, list(StrategyConfig.objects.all()), list(SymbolOverride.objects.all())

    return at_one_end(read)


@transactions.store_errors()
def live_state() -> LiveState:
    """Everything that the history accounts for, as of one row of it."""

    def read(head: ChangeSequence) -> LiveState:
        tokens = list(ApiToken.objects.select_related("user"))
        usernames = User.objects.values_list("username", flat=True) if tokens else ()
        relayed = RelayPosition.objects.filter(pk=RelayPosition.ONLY_ID).first()
        return LiveState(
            position=head.position,
            sequence=head.value,
            layers=[*StrategyConfig.objects.all(), *SymbolOverride.objects.all()],
            tokens=tokens,
            usernames=frozenset(usernames),
            halts=list(Halt.objects.all()),
            relayed=0 if relayed is None else relayed.sequence,
        )

    return at_one_end(read)


def at_one_end(read: Callable[[ChangeSequence], T]) -> T:
    """What ``read``, given the end of the history, finds while nothing is accepted.

    Tried without a lock first: where the end is the same before and after, nothing was written in between.
    """
    for _ in range(READS_WITHOUT_LOCK):
        before = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
        found = read(before)
        after = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
        if (after.value, after.head_hash) == (before.value, before.head_hash):
            return found
    with transactions.atomic():
        return read(ChangeSequence.objects.select_for_update().get(pk=ChangeSequence.ONLY_ID))
