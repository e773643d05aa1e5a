"""What the runtime holds of the configuration, and how documents change it. Pure.

Documents are checked first (``check``), in as many steps as the caller likes; then they are put in force all at
once (``merge`` or ``replace``). Between two market messages there is never half a change. Nothing that is missing,
older than what is held, or refused ever switches a layer on.
"""

import dataclasses
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from realtime_runtime.config.documents import AcceptedLayer, Catalogue, RejectedDocumentError
from strategy_core.configuration.redis_keys import field_name
from strategy_core.engine.active import ActiveConfig, ActiveConfigs, LayerKey


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """A document whose parameters were refused: its field, why, and its bytes."""

    field: str
    reason: str
    raw: bytes


@dataclasses.dataclass(slots=True)
class Update:
    """Documents after their check, not yet in force. ``rejected`` holds only what was not refused before as well.

    ``left_out`` are the unknown parameters of accepted documents, by field. ``damaged`` is filled by ``replace``: the
    fields whose documents must be there and are not, or are older than what is held.
    """

    accepted: dict[str, AcceptedLayer] = dataclasses.field(default_factory=dict)
    gone: set[str] = dataclasses.field(default_factory=set)
    kept: set[str] = dataclasses.field(default_factory=set)
    rejected: list[Rejection] = dataclasses.field(default_factory=list)
    left_out: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    damaged: set[str] = dataclasses.field(default_factory=set)


class LiveConfig:
    """The accepted layers by field, and the active configuration that follows from them.

    ``sequence`` is that of the last change taken in, 0 before the first.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._base = catalogue.base_layers()
        self._held: dict[str, AcceptedLayer] = {}
        self._foreign: dict[str, Rejection] = {}
        self._refused_at: dict[str, int] = {}
        self._current: dict[LayerKey, ActiveConfig] = dict(self._base)
        self.active = ActiveConfigs(self._current)
        self.sequence = 0

    @property
    def documents(self) -> dict[str, bytes]:
        """What is in force as documents, by field, for a start without Redis.

        A strategy of which nothing was read is left out: it does not trade then, either, and is no document for ever.
        """
        return {
            field: layer.saved()
            for field, layer in self._held.items()
            if not (layer.is_stand_in and layer.key[1] is None)
        }

    @property
    def refused(self) -> tuple[Rejection, ...]:
        """The documents that stand refused now, those that were to be read and are missing among them."""
        own = (
            Rejection(field, layer.problem, layer.raw)
            for field, layer in self._held.items()
            if layer.problem is not None
        )
        return (*own, *self._foreign.values())

    @property
    def applied(self) -> int:
        """The last change that is in force as it was published: ``sequence`` without refused ones at its end."""
        refused = {self._refused_at.get(rejection.field, 0) for rejection in self.refused}
        applied = self.sequence
        while applied in refused and applied > 0:
            applied -= 1
        return applied

    @property
    def held_back(self) -> dict[str, str]:
        """By field: why a layer does not trade although no switch says so."""
        return {
            field_name(*key): config.held_back for key, config in self._current.items() if config.held_back is not None
        }

    @property
    def left_out(self) -> dict[str, tuple[str, ...]]:
        """By field: the parameters of its document that this process does not know."""
        return {field: layer.left_out for field, layer in self._held.items() if layer.left_out}

    @property
    def strategy_fields(self) -> frozenset[str]:
        """The fields of the global layers of all strategies that this process knows."""
        return frozenset(strategy_id for strategy_id, _ in self._base)

    def enabled_strategies(self) -> list[str]:
        """The strategies that are switched on as a whole; single symbols may still be switched off."""
        return [strategy_id for strategy_id, _ in self._base if self.active.lookup(strategy_id, None).enabled]

    def set_base(self, *, held_back: str | None) -> None:
        """What strategies without a document do: trade on environment and defaults, or nothing for a reason."""
        self._base = self._catalogue.base_layers()
        if held_back is not None:
            self._base = {
                key: dataclasses.replace(config, enabled=False, held_back=held_back if config.enabled else None)
                for key, config in self._base.items()
            }
        self._current.update((key, config) for key, config in self._base.items() if field_name(*key) not in self._held)
        self.active.swap(self._current)

    def check(self, field: str, raw: bytes | None, update: Update) -> None:
        """Check one document (None: the layer is gone) into ``update``; what is held unchanged is not parsed again."""
        if raw is None:
            update.gone.add(field)
            return
        held = self._held.get(field)
        if held is not None and held.raw == raw:
            update.kept.add(field)
            return
        try:
            layer = self._catalogue.accept(field, raw, held, None if held is None else self._current[held.key])
        except RejectedDocumentError as exception:
            update.kept.add(field)
            known = self._foreign.get(field)
            if known is None or known.raw != raw:
                update.rejected.append(Rejection(field, str(exception), raw))
            return
        update.accepted[field] = layer
        if layer.problem is not None:
            update.rejected.append(Rejection(field, layer.problem, raw))
        elif layer.left_out:
            update.left_out[field] = layer.left_out

    def merge(self, update: Update, *, sequence: int, now_ms: float) -> None:
        """Put one change in force. A document older than the one held is left aside."""
        for field, layer in update.accepted.items():
            held = self._held.get(field)
            if held is None or layer.sequence >= held.sequence:
                self._hold(field, layer, now_ms)
        for field in update.gone:
            self._drop(field)
        self._finish(update, sequence)

    def replace(
        self,
        update: Update,
        *,
        sequence: int,
        now_ms: float,
        lost: AbstractSet[str] = frozenset(),
        is_told: bool = True,
    ) -> bool:
        """Put a complete set of documents in force; true where it differed.

        ``lost`` are fields that must be there and are not: they keep what is held, or do not trade. ``is_told``: the
        site has said that this is all there is; then layers that are not there are gone, and older documents count.
        """
        is_changed = False
        for field, layer in update.accepted.items():
            held = self._held.get(field)
            if is_told or held is None or layer.sequence >= held.sequence:
                self._hold(field, layer, now_ms)
                is_changed = True
            else:
                update.damaged.add(field)
                is_changed |= self._restrain(field, layer, now_ms)
        is_changed |= self._miss(lost, update, now_ms)
        is_changed |= self._drop_absent(update, lost, is_told=is_told)
        for field in [name for name in self._foreign if name not in update.kept]:
            del self._foreign[field]
        if is_changed or update.rejected or sequence != self.sequence:
            self._finish(update, sequence)
            return True
        return False

    def restrain(self, update: Update, now_ms: float) -> bool:
        """Obey nothing of the documents but what they switch off; true where that was anything."""
        restrained = [self._restrain(field, layer, now_ms) for field, layer in update.accepted.items()]
        if any(restrained):
            self.active.swap(self._current)
        return any(restrained)

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
        self._foreign.pop(field, None)

    def _restrain(self, field: str, layer: AcceptedLayer, now_ms: float) -> bool:
        """Switch the layer off where ``layer``, which is not to be believed otherwise, says so."""
        held = self._held.get(field)
        if layer.in_force(now_ms).enabled or layer.in_force(now_ms).held_back is not None:
            return False
        if held is None:
            self._hold(field, layer, now_ms)
        elif held.in_force(now_ms).enabled:
            self._hold(field, held.switched_off(), now_ms)
        else:
            return False
        return True

    def _miss(self, lost: AbstractSet[str], update: Update, now_ms: float) -> bool:
        """Keep what is held of the lost fields; of what is not, only that it was once set is known."""
        before = len(self._held)
        for field in lost:
            try:
                stand_in = self._catalogue.unread(field, "its document is missing")
            except RejectedDocumentError:
                continue
            update.damaged.add(field)
            if field not in self._held:
                self._hold(field, stand_in, now_ms)
        return len(self._held) != before

    def _drop_absent(self, update: Update, lost: AbstractSet[str], *, is_told: bool) -> bool:
        """Drop held layers that are not in a complete set; those of a strategy that it does not name at all stay.

        True where one is gone that was read before.
        """
        there = update.accepted.keys() | update.kept
        dropped = []
        for field, layer in self._held.items():
            if field in there or field in lost:
                continue
            if layer.is_stand_in:
                dropped.append(field)
            elif layer.key[0] in there:
                if is_told:
                    dropped.append(field)
                else:
                    update.damaged.add(field)
        is_changed = any(not self._held[field].is_stand_in for field in dropped)
        for field in dropped:
            self._drop(field)
        if dropped:
            self.active.swap(self._current)
        return is_changed

    def _drop(self, field: str) -> None:
        self._foreign.pop(field, None)
        layer = self._held.pop(field, None)
        if layer is None:
            return
        base = self._base.get(layer.key)
        if base is None:
            del self._current[layer.key]
        elif layer.is_stand_in or self._current[layer.key].enabled:
            self._current[layer.key] = base
        else:
            # What was switched off stays off, also where nobody tells of it any more.
            self._current[layer.key] = dataclasses.replace(base, enabled=False)

    def _finish(self, update: Update, sequence: int) -> None:
        self._foreign.update((each.field, each) for each in update.rejected if each.field not in self._held)
        standing = {each.field for each in self.refused}
        self._refused_at = {field: at for field, at in self._refused_at.items() if field in standing}
        self._refused_at.update((each.field, sequence) for each in update.rejected)
        self.sequence = sequence
        self.active.swap(self._current)
