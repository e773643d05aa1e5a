"""The kill switches: of one layer, or of many as one set."""

from collections.abc import Sequence

import structlog

from service_kit.tracing import traced
from strategy_config.exceptions import NotFoundError, Refusal, StoreUnavailableError, VersionConflictError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, reasoned_origin, stopping_origin
from strategy_config.models import ConfigAudit, SymbolOverride
from strategy_config.resolution import known_strategies, layer_rows, work_limit
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.services.editing import IF_MATCH_PASSED_OVER, Outcome
from strategy_config.services.layer_write import LayerWrite, layer_write
from strategy_config.services.open_batch import BatchWrite, OpenBatch, batch_write, check_keys
from strategy_config.services.open_layer import OpenLayer

log = structlog.get_logger(__name__)


@traced
def switch(
    *, strategy_id: str, symbol: str | None = None, enabled: bool, origin: Origin, if_match: str | None = None
) -> LayerWrite:
    """The kill switch, of the strategy or of one symbol of it. A symbol trades while neither is off.

    ``origin.reason`` is required to switch on. A stop is refused neither for its texts nor by ``if_match``. A strategy
    that the code no longer has can be switched off, and not on. Raises as ``set_layer``.
    """
    key = LayerKey.named(strategy_id, symbol)
    origin = reasoned_origin(origin) if enabled else stopping_origin(origin)

    def attempt(end: Chain) -> tuple[OpenBatch, OpenLayer, Outcome]:
        with OpenBatch(end, origin.at) as batch:
            layer = batch.layer(key)
            warnings = () if enabled else _passed_over(layer, if_match)
            if enabled:
                known_strategies.strategy_class(key.strategy_id)
                layer.require_match(if_match)
            layer.record_due_expiry()
            layer.record_switch(enabled, origin)
        return batch, layer, Outcome(stopped_by=None if enabled else origin, warnings=warnings)

    return layer_write(*chain.write(attempt))


def _passed_over(layer: OpenLayer, if_match: str | None) -> tuple[str, ...]:
    """The warning that an If-Match header does not name the layer: no reason to refuse a stop."""
    try:
        layer.require_match(if_match)
    except VersionConflictError:
        return (IF_MATCH_PASSED_OVER,)
    return ()


@traced
def switch_overrides(*, keys: Sequence[LayerKey], enabled: bool, origin: Origin) -> BatchWrite:
    """The kill switch of many symbols; one that is so already keeps its version and its reason.

    The reason is required to switch on; a stop is not refused for its texts. Raises NotFoundError, InvalidSymbolError,
    InvalidRequestError; switching off raises no NotFoundError, its failures are in the answer.
    """
    if not enabled:
        check_keys(keys)
        return stop_layers(keys=keys, origin=origin)

    origin = reasoned_origin(origin)
    check_keys(keys)

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, origin.at) as batch:
            batch.read(key.strategy_id for key in keys)
            for key in keys:
                work_limit.check()
                known_strategies.strategy_class(key.strategy_id)
                switch_layer(batch.layer(key), origin, enabled=True)
        return batch

    return batch_write(chain.write(attempt))


def stop_layers(*, keys: Sequence[LayerKey], origin: Origin) -> BatchWrite:
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
        log.exception("switch_off.set_failed")
    changes: list[ConfigAudit] = []
    failures: list[Refusal] = []
    published = True
    for key in keys:
        try:
            written = _stop_together([key], origin)
        except StoreUnavailableError:
            raise
        except Exception as exception:
            log.exception("switch_off.failed", strategy_id=key.strategy_id, symbol=key.symbol)
            failures.append(Refusal(str(key), f"It could not be switched off: {exception}"))
        else:
            changes.extend(written.changes)
            failures.extend(written.failures)
            published = published and written.published
    return BatchWrite(tuple(changes), published, tuple(failures))


def _stop_together(keys: Sequence[LayerKey], origin: Origin) -> BatchWrite:
    def attempt(end: Chain) -> tuple[OpenBatch, list[Refusal]]:
        failures = []
        with OpenBatch(end, origin.at) as batch:
            batch.read(key.strategy_id for key in keys)
            for key in keys:
                try:
                    layer = batch.layer(key)
                except NotFoundError as refusal:
                    failures.append(Refusal(str(key), refusal.message))
                else:
                    switch_layer(layer, origin, enabled=False)
        return batch, failures

    return batch_write(*chain.write(attempt))


def switch_layer(layer: OpenLayer, origin: Origin, *, enabled: bool) -> None:
    """Switch a layer under change; one that is so already keeps its version and its reason."""
    own = layer.own
    if own.enabled is enabled if isinstance(own, SymbolOverride) else layer_rows.may_run(own) is enabled:
        return
    layer.record_due_expiry()
    layer.record_switch(enabled, origin)
