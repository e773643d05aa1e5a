"""One layer written: judged, stored with its history in one transaction, then published."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, checked_origin
from strategy_config.models import ConfigAudit
from strategy_config.publication import publisher
from strategy_config.resolution import layer_configs
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services.editing import Outcome, Refusal
from strategy_config.services.open_layer import OpenLayer
from strategy_config.services.renamed_strategies import stop_former
from strategy_core.configuration import wire_documents

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerWrite:
    """An accepted change, and the layer right after it, whoever wrote since.

    ``action`` and ``sequence`` are those of its last row of history; None, and the layer's, where nothing was changed.
    ``published`` false: stored, the shared cache will be told as soon as it is back. ``inherited`` names what was given
    and stays inherited. ``is_stopped``: it was a stop. ``refusal``: why nothing but the stop was stored.
    """

    strategy_id: str
    symbol: str | None
    action: str | None
    version: int
    sequence: int
    published: bool
    warnings: tuple[str, ...]
    config: wire_documents.LayerConfig
    inherited: tuple[str, ...] = ()
    is_stopped: bool = False
    refusal: Refusal | None = None

    @property
    def is_unchanged(self) -> bool:
        """Nothing was to be changed: there is no version of it."""
        return self.action is None


def write_one_row(
    strategy_id: str,
    symbol: str | None,
    origin: Origin,
    if_match: str | None,
    change: Callable[[OpenLayer, Origin], None],
) -> LayerWrite:
    """Run ``change``, which records one row of history, on the layer as it is then."""
    origin = checked_origin(origin)

    def matched_change(layer: OpenLayer) -> Outcome:
        layer.require_match(if_match)
        layer.record_due_expiry()
        change(layer, origin)
        return Outcome()

    return write_layer(strategy_id, symbol, origin, matched_change)


def write_layer(
    strategy_id: str, symbol: str | None, origin: Origin, change: Callable[[OpenLayer], Outcome]
) -> LayerWrite:
    """Run ``change`` on the layer as it is then, and answer what became of it."""
    layer, states, is_published, outcome = commit_layer(strategy_id, symbol, origin.at, change)
    if outcome.is_stop:
        stop_former(strategy_id, layer.symbol, origin)
    # An expiry that was due is recorded by the way: it is not what was asked for.
    rows = [row for row in layer.changes if row.action != ConfigAudit.Action.EXPIRE]
    config = states[layer.field].document.config
    return LayerWrite(
        strategy_id=strategy_id,
        symbol=layer.symbol,
        action=rows[-1].action if rows else None,
        version=config.version,
        sequence=rows[-1].told_sequence if rows else config.sequence,
        published=is_published if rows else publisher.is_published(config.sequence),
        warnings=(
            *outcome.warnings,
            *_warnings(layer, rows[-1].action if rows else None),
            *layer_configs.refusal_warnings(config),
        ),
        config=config,
        inherited=outcome.inherited,
        is_stopped=outcome.is_stop,
        refusal=outcome.refusal,
    )


def commit_layer(
    strategy_id: str, symbol: str | None, at: datetime, change: Callable[[OpenLayer], T]
) -> tuple[OpenLayer, dict[str, FieldState], bool, T]:
    """Run ``change`` in a transaction, again where another writer was in the way; then publish what it recorded.

    Answers the layer, what the shared cache is to hold of all that was touched, whether it knows it now, and what
    ``change`` answered.
    """
    symbol = None if symbol is None else normalise_symbol(symbol)

    def use_case(end: Chain) -> tuple[OpenLayer, dict[str, FieldState], T]:
        layer = OpenLayer.read(end, strategy_id, symbol, at)
        answer = change(layer)
        return layer, layer.touched(), answer

    layer, states, answer = chain.write(use_case)
    return layer, states, not layer.changes or publisher.publish(layer.changes, states), answer


def layer_name(layer: OpenLayer) -> str:
    return f"{layer.strategy_id} {'as a whole' if layer.symbol is None else f'on {layer.symbol}'}"


def _warnings(layer: OpenLayer, action: str | None) -> tuple[str, ...]:
    """What the writer might not expect: that it is switched off what was just configured."""
    if action == ConfigAudit.Action.DISABLE:
        return ()
    warnings = []
    if layer.symbol is not None and not layer.own.enabled:
        warnings.append(f"{layer.strategy_id} stays switched off on {layer.symbol}.")
    if not layer.is_strategy_enabled:
        warnings.append(f"{layer.strategy_id} is switched off for all symbols.")
    return tuple(warnings)
