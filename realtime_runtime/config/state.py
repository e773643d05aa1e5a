"""What the runtime holds of the configuration, and how documents change it. Pure.

Documents are checked first (``check``), in as many steps as the caller likes; then they are put in force all at
once (``merge`` or ``replace``). Between two market messages there is never half a change.
"""

import dataclasses
from collections.abc import Iterator

from realtime_runtime.config.active import ActiveConfig, ActiveConfigs
from realtime_runtime.config.documents import AcceptedLayer, Catalogue, LayerKey, RejectedDocumentError


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """A document that was refused: its field, why, and its bytes."""

    field: str
    reason: str
    raw: bytes


@dataclasses.dataclass(slots=True)
class Update:
    """Documents after their check, not yet in force. ``rejected`` holds only what was not refused before as well."""

    accepted: dict[str, AcceptedLayer] = dataclasses.field(default_factory=dict)
    gone: set[str] = dataclasses.field(default_factory=set)
    kept: set[str] = dataclasses.field(default_factory=set)
    rejected: list[Rejection] = dataclasses.field(default_factory=list)


class LiveConfig:
    """The accepted layers by field, and the active configuration that follows from them.

    ``sequence`` is that of the last change taken in, 0 before the first.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._base = catalogue.base_layers()
        self._held: dict[str, AcceptedLayer] = {}
        self._refused: dict[str, Rejection] = {}
        self._current: dict[LayerKey, ActiveConfig] = dict(self._base)
        self.active = ActiveConfigs(self._current)
        self.sequence = 0

    @property
    def documents(self) -> dict[str, bytes]:
        """The accepted documents, by field."""
        return {field: layer.raw for field, layer in self._held.items()}

    @property
    def refused(self) -> tuple[Rejection, ...]:
        """The documents that stand refused now."""
        return tuple(self._refused.values())

    def enabled_strategies(self) -> list[str]:
        """The strategies that are switched on as a whole; single symbols may still be switched off."""
        return [strategy_id for strategy_id, _ in self._base if self.active.lookup(strategy_id, None).enabled]

    def check(self, field: str, raw: bytes | None, update: Update) -> None:
        """Check one document (None: the layer is gone) into ``update``; what is held unchanged is not parsed again."""
        if raw is None:
            update.gone.add(field)
            return
        held = self._held.get(field)
        if held is not None and held.raw == raw:
            update.kept.add(field)
            self._refused.pop(field, None)
            return
        try:
            update.accepted[field] = self._catalogue.accept(field, raw)
        except RejectedDocumentError as exception:
            update.kept.add(field)
            known = self._refused.get(field)
            if known is None or known.raw != raw:
                update.rejected.append(Rejection(field, str(exception), raw))

    def merge(self, update: Update, *, sequence: int, now_ms: float) -> None:
        """Put one change in force. A document older than the one held is left aside."""
        for field, layer in update.accepted.items():
            held = self._held.get(field)
            if held is None or layer.sequence >= held.sequence:
                self._hold(field, layer, now_ms)
        for field in update.gone:
            self._drop(field)
        self._finish(update, sequence)

    def replace(self, update: Update, *, sequence: int, now_ms: float) -> bool:
        """Put a complete set of documents in force; layers that it does not name are gone. True where it differed."""
        is_changed = bool(update.accepted)
        for field, layer in update.accepted.items():
            self._hold(field, layer, now_ms)
        for field in [name for name in self._held if name not in update.accepted and name not in update.kept]:
            self._drop(field)
            is_changed = True
        for field in [name for name in self._refused if name not in update.kept]:
            del self._refused[field]
        if is_changed or update.rejected or sequence != self.sequence:
            self._finish(update, sequence)
            return True
        return False

    def switch_expired(self, now_ms: float) -> list[str]:
        """Put in force what comes after each layer that has expired; returns their fields."""
        switched = []
        for field, layer in self._expiring():
            if self._current[layer.key] is not layer.in_force(now_ms):
                self._current[layer.key] = layer.in_force(now_ms)
                switched.append(field)
        if switched:
            self.active.swap(self._current)
        return switched

    def next_expiry_ms(self, now_ms: float) -> int | None:
        """The next instant after ``now_ms`` at which a layer expires (Unix, milliseconds)."""
        instants = (layer.expires_at_ms for _, layer in self._expiring() if layer.expires_at_ms is not None)
        return min((instant for instant in instants if instant > now_ms), default=None)

    def _expiring(self) -> Iterator[tuple[str, AcceptedLayer]]:
        return ((field, layer) for field, layer in self._held.items() if layer.expires_at_ms is not None)

    def _hold(self, field: str, layer: AcceptedLayer, now_ms: float) -> None:
        self._held[field] = layer
        self._current[layer.key] = layer.in_force(now_ms)
        self._refused.pop(field, None)

    def _drop(self, field: str) -> None:
        self._refused.pop(field, None)
        layer = self._held.pop(field, None)
        if layer is None:
            return
        base = self._base.get(layer.key)
        if base is None:
            del self._current[layer.key]
        else:
            self._current[layer.key] = base

    def _finish(self, update: Update, sequence: int) -> None:
        self._refused.update((rejection.field, rejection) for rejection in update.rejected)
        self.sequence = sequence
        self.active.swap(self._current)
