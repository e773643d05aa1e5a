"""Where the history ends, and how far it was announced to other services."""

from strategy_config.models import ChangeSequence, RelayPosition
from strategy_config.store import transactions


@transactions.store_errors()
def chain_head() -> tuple[int, str]:
    """The last sequence and the hash of its audit row; changes with every accepted write."""
    head = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    return head.value, head.head_hash


@transactions.store_errors()
def relayed_sequence() -> int:
    """The last change that was announced to other services; 0 before the first."""
    return RelayPosition.objects.values_list("sequence", flat=True).get(pk=RelayPosition.ONLY_ID)


@transactions.store_errors()
def last_sequence() -> int:
    """The sequence of the last accepted change, 0 before the first."""
    return ChangeSequence.objects.values_list("value", flat=True).get(pk=ChangeSequence.ONLY_ID)


@transactions.store_errors()
def last_position() -> int:
    """The position of the last row of the history, 0 before the first."""
    return ChangeSequence.objects.values_list("position", flat=True).get(pk=ChangeSequence.ONLY_ID)


def record_relayed(*, sequence: int) -> None:
    """Record that every change up to ``sequence`` was announced to other services. The position never goes back."""

    def advance() -> None:
        with transactions.atomic():
            RelayPosition.objects.filter(pk=RelayPosition.ONLY_ID, sequence__lt=sequence).update(sequence=sequence)

    transactions.run(advance)
