"""One decision about many symbols: stored for all of them or for none, each a version and a row of history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from realtime_runtime.tracing import traced
from strategy_config import batches, resolution
from strategy_config.batches import OpenBatch
from strategy_config.exceptions import InvalidRequestError, NotFoundError
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.plans import LayerKey
from strategy_config.recording import Origin, checked_origin
from strategy_config.symbols import normalise_symbol

MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class WrittenTogether:
    """The rows of history, oldest first; none where everything was as wanted already.

    ``published`` false: stored, the shared cache will be told as soon as it is back.
    """

    changes: tuple[ConfigAudit, ...]
    published: bool

    @property
    def sequence(self) -> int | None:
        """The sequence of the last change."""
        return self.changes[-1].sequence if self.changes else None


@traced
def copy_override(*, strategy_id: str, symbol: str, to_symbols: Sequence[str], origin: Origin) -> WrittenTogether:
    """Give other symbols the same own parameters, with the same expiry; their switches stay as they are.

    The reason is required. Raises NotFoundError where there is nothing to copy, InvalidSymbolError,
    InvalidRequestError, InvalidParametersError.
    """
    source = normalise_symbol(symbol)
    keys = [LayerKey(strategy_id, name) for name in dict.fromkeys(map(normalise_symbol, to_symbols)) if name != source]

    def change(batch: OpenBatch, origin: Origin) -> None:
        template = _open_override(batch, LayerKey(strategy_id, source))
        if template.parameters is None or resolution.is_due(template, origin.at):
            raise NotFoundError(f"{strategy_id} on {source} has no parameters of its own to copy.")
        for key in keys:
            layer = batch.layer(*key)
            layer.record_due_expiry()
            action = "CREATE" if layer.own.parameters is None else "UPDATE"
            layer.record(action, layer.validated(template.parameters), origin, expires_at=template.expires_at)

    return _write(keys, origin, change)


@traced
def switch_overrides(*, keys: Sequence[LayerKey], enabled: bool, origin: Origin) -> WrittenTogether:
    """The kill switch of many symbols; one that is so already keeps its version and its reason.

    The reason is required. Raises NotFoundError, InvalidSymbolError, InvalidRequestError.
    """

    def change(batch: OpenBatch, origin: Origin) -> None:
        for key in keys:
            layer = batch.layer(*key)
            override = _open_override(batch, key)
            if override.enabled is enabled:
                continue
            layer.record_due_expiry()
            action = "ENABLE" if enabled else "DISABLE"
            layer.record(action, override.parameters, origin, enabled=enabled, expires_at=override.expires_at)

    return _write(keys, origin, change)


@traced
def delete_overrides(*, keys: Sequence[LayerKey], origin: Origin) -> WrittenTogether:
    """Remove the own parameters of many symbols; their switches stay as they are.

    The reason is required. Raises NotFoundError where one has none, InvalidSymbolError, InvalidRequestError.
    """

    def change(batch: OpenBatch, origin: Origin) -> None:
        for key in keys:
            layer = batch.layer(*key)
            layer.record_due_expiry()
            if layer.own.parameters is None:
                raise NotFoundError(f"{key} has no parameters of its own to delete. Nothing was changed.")
            layer.record("DELETE", None, origin)

    return _write(keys, origin, change)


def _write(keys: Sequence[LayerKey], origin: Origin, change: Callable[[OpenBatch, Origin], None]) -> WrittenTogether:
    origin = checked_origin(origin)
    if not origin.reason.strip():
        raise InvalidRequestError("A reason must be given.", field="reason")
    if not 1 <= len(keys) <= MOST_AT_ONCE:
        raise InvalidRequestError(f"Choose 1 to {MOST_AT_ONCE} symbols.", field="symbols")
    strategy_ids = [resolution.strategy_class(key.strategy_id).id for key in keys]
    for key in keys:
        if key.symbol is None or normalise_symbol(key.symbol) != key.symbol:
            raise InvalidRequestError("Each must be a symbol, in capitals.", field="symbols")
    _, changes, published = batches.commit(strategy_ids, origin.at, lambda batch: change(batch, origin))
    return WrittenTogether(tuple(changes), published)


def _open_override(batch: OpenBatch, key: LayerKey) -> SymbolOverride:
    own = batch.layer(*key).own
    if not isinstance(own, SymbolOverride):
        raise TypeError(f"{key} is no override.")
    return own
