"""One layer written: judged, stored with its history in one transaction, then published."""

from dataclasses import dataclass
from typing import TypeVar

from strategy_config.models import ConfigAudit
from strategy_config.publication import publisher
from strategy_config.resolution import layer_configs
from strategy_config.services.editing import NOTHING_MORE, Outcome, Refusal
from strategy_config.services.open_batch import OpenBatch
from strategy_config.services.open_layer import OpenLayer
from strategy_config.services.renamed_strategies import stop_former
from strategy_core.configuration import wire_documents

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerWrite:
    """An accepted change, and the layer right after it, whoever wrote since.

    ``action`` and ``sequence`` are those of its last row of history; None, and the layer's, where nothing was changed.
    ``published`` false: stored, Redis will be told as soon as it is back. ``inherited`` names what was given
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
        """There was nothing to change: no version was made."""
        return self.action is None


def layer_write(batch: OpenBatch, layer: OpenLayer, outcome: Outcome = NOTHING_MORE) -> LayerWrite:
    """Publish what was committed of a layer, and answer what became of it."""
    is_published = batch.publish()
    if outcome.stopped_by is not None:
        stop_former(layer.key, outcome.stopped_by)
    # An expiry that was due is recorded by the way: it is not what was asked for.
    rows = [row for row in batch.changes if row.action != ConfigAudit.Action.EXPIRE]
    action = rows[-1].action if rows else None
    config = batch.state_of(layer).document.config
    return LayerWrite(
        strategy_id=layer.strategy_id,
        symbol=layer.symbol,
        action=action,
        version=config.version,
        sequence=rows[-1].told_sequence if rows else config.sequence,
        published=is_published if rows else publisher.is_published(config.sequence),
        warnings=(*outcome.warnings, *_warnings(layer, action), *layer_configs.refusal_warnings(config)),
        config=config,
        inherited=outcome.inherited,
        is_stopped=outcome.stopped_by is not None,
        refusal=outcome.refusal,
    )


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
