"""One decision about many symbols: stored for all of them or for none, each a version and a row of history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from service_kit.tracing import traced
from strategy_config.exceptions import InvalidRequestError, NotFoundError, StoreUnavailableError
from strategy_config.history.origins import Origin, reasoned_origin, stopping_origin
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution import resolution, work_limit
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services import batches
from strategy_config.services.batches import OpenBatch
from strategy_config.services.import_plan import LayerKey, Refusal
from strategy_config.services.open_layer import OpenLayer

MOST_AT_ONCE = 1_000

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WrittenTogether:
    """The rows of history, oldest first; none where everything was as wanted already.

    ``published`` false: stored, the shared cache will be told as soon as it is back. ``failures``: what could not be
    stopped, and why; only a stop has any, everything else is done for all or for none.
    """

    changes: tuple[ConfigAudit, ...]
    published: bool
    failures: tuple[Refusal, ...] = ()

    def __len__(self) -> int:
        return len(self.changes)

    @property
    def sequence(self) -> int | None:
        """The sequence of the last change."""
        return self.changes[-1].told_sequence if self.changes else None


@traced
def copy_override(*, strategy_id: str, symbol: str, to_symbols: Sequence[str], origin: Origin) -> WrittenTogether:
    """Give other symbols the same own parameters, with the same expiry; their switches stay as they are.

    One that has them already keeps its version. The reason is required. Raises NotFoundError where there is nothing to
    copy, InvalidSymbolError, InvalidRequestError, InvalidParametersError.
    """
    source = normalise_symbol(symbol)
    keys = [LayerKey(strategy_id, name) for name in dict.fromkeys(map(normalise_symbol, to_symbols)) if name != source]

    def change(batch: OpenBatch, origin: Origin) -> None:
        template = _open_override(batch, LayerKey(strategy_id, source))
        if template.parameters is None or resolution.is_due(template, origin.at):
            raise NotFoundError(f"{strategy_id} on {source} has no parameters of its own to copy.")
        for key in keys:
            work_limit.check()
            layer = batch.layer(*key)
            layer.record_due_expiry()
            layer.record_parameters(layer.validated(template.parameters), origin, expires_at=template.expires_at)

    return _write(keys, origin, change)


@traced
def switch_overrides(*, keys: Sequence[LayerKey], enabled: bool, origin: Origin) -> WrittenTogether:
    """The kill switch of many symbols; one that is so already keeps its version and its reason.

    The reason is required to switch on; a stop is not refused for its texts. Raises NotFoundError, InvalidSymbolError,
    InvalidRequestError; switching off raises no NotFoundError, its failures are in the answer.
    """
    if not enabled:
        _check_keys(keys)
        return stop_layers(keys=keys, origin=origin)

    def change(batch: OpenBatch, origin: Origin) -> None:
        for key in keys:
            work_limit.check()
            resolution.strategy_class(key.strategy_id)
            switch_layer(batch.layer(*key), origin, enabled=True)

    return _write(keys, origin, change)


def stop_layers(*, keys: Sequence[LayerKey], origin: Origin) -> WrittenTogether:
    """The kill switch of these layers, as one set; each by itself where the set fails as a whole.

    What is off already keeps its reason. That includes strategies that the code no longer has, which a runtime of an
    older version may still trade. What cannot be stopped is in ``failures`` and leaves nothing else on. Raises
    StoreUnavailableError.
    """
    origin = stopping_origin(origin)
    try:
        return _stop_together(keys, origin)
    except StoreUnavailableError:
        raise
    except Exception:
        # Whatever is wrong with one of them must not leave the others on.
        logger.exception("switch_off.set_failed")
    changes: list[ConfigAudit] = []
    failures: list[Refusal] = []
    published = True
    for key in keys:
        try:
            written = _stop_together([key], origin)
        except StoreUnavailableError:
            raise
        except Exception as exception:
            logger.exception("switch_off.failed", strategy_id=key.strategy_id, symbol=key.symbol)
            failures.append(Refusal(str(key), f"It could not be switched off: {exception}"))
        else:
            changes.extend(written.changes)
            failures.extend(written.failures)
            published = published and written.published
    return WrittenTogether(tuple(changes), published, tuple(failures))


@traced
def delete_overrides(*, keys: Sequence[LayerKey], origin: Origin) -> WrittenTogether:
    """Remove the own parameters of many symbols; their switches stay as they are.

    The reason is required. Raises NotFoundError where one has none, InvalidSymbolError, InvalidRequestError.
    """

    def change(batch: OpenBatch, origin: Origin) -> None:
        for key in keys:
            work_limit.check()
            layer = batch.layer(*key)
            layer.record_due_expiry()
            if layer.own.parameters is None:
                raise NotFoundError(f"{key} has no parameters of its own to delete. Nothing was changed.")
            layer.record("DELETE", None, origin)

    return _write(keys, origin, change)


def _stop_together(keys: Sequence[LayerKey], origin: Origin) -> WrittenTogether:
    def change(batch: OpenBatch) -> list[Refusal]:
        failures = []
        for key in keys:
            try:
                layer = batch.layer(*key)
            except NotFoundError as refusal:
                failures.append(Refusal(str(key), refusal.message))
            else:
                switch_layer(layer, origin, enabled=False)
        return failures

    strategy_ids = [key.strategy_id for key in keys]
    failures, changes, published = batches.commit(strategy_ids, origin.at, change)
    return WrittenTogether(tuple(changes), published, tuple(failures))


def switch_layer(layer: OpenLayer, origin: Origin, *, enabled: bool) -> None:
    """Switch a layer under change; one that is so already keeps its version and its reason."""
    own = layer.own
    if own.enabled is enabled if isinstance(own, SymbolOverride) else resolution.may_run(own) is enabled:
        return
    layer.record_due_expiry()
    layer.record_switch(enabled, origin)


def _write(keys: Sequence[LayerKey], origin: Origin, change: Callable[[OpenBatch, Origin], None]) -> WrittenTogether:
    origin = reasoned_origin(origin)
    _check_keys(keys)
    strategy_ids = [key.strategy_id for key in keys]
    _, changes, published = batches.commit(strategy_ids, origin.at, lambda batch: change(batch, origin))
    return WrittenTogether(tuple(changes), published)


def _check_keys(keys: Sequence[LayerKey]) -> None:
    if not 1 <= len(keys) <= MOST_AT_ONCE:
        raise InvalidRequestError(f"Choose 1 to {MOST_AT_ONCE} symbols.", field="symbols")
    for key in keys:
        if key.symbol is None or normalise_symbol(key.symbol) != key.symbol:
            raise InvalidRequestError("Each must be a symbol, in capitals.", field="symbols")


def _open_override(batch: OpenBatch, key: LayerKey) -> SymbolOverride:
    own = batch.layer(*key).own
    if not isinstance(own, SymbolOverride):
        raise TypeError(f"{key} is no override.")
    return own
