"""One decision about many overrides: stored for all of them or for none."""

from collections.abc import Sequence

from service_kit.tracing import traced
from strategy_config.exceptions import NotFoundError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, reasoned_origin
from strategy_config.models import SymbolOverride
from strategy_config.resolution import expiry, work_limit
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services.open_batch import BatchWrite, OpenBatch, batch_write, check_keys


@traced
def copy_override(*, strategy_id: str, symbol: str, to_symbols: Sequence[str], origin: Origin) -> BatchWrite:
    """Give other symbols the same own parameters, with the same expiry; their switches stay as they are.

    One that has them already keeps its version. The reason is required. Raises NotFoundError where there is nothing to
    copy, InvalidSymbolError, InvalidRequestError, InvalidParametersError.
    """
    source = normalise_symbol(symbol)
    keys = [LayerKey(strategy_id, name) for name in dict.fromkeys(map(normalise_symbol, to_symbols)) if name != source]

    origin = reasoned_origin(origin)
    check_keys(keys)

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, origin.at) as batch:
            batch.read([strategy_id])
            template = _open_override(batch, LayerKey(strategy_id, source))
            if template.parameters is None or expiry.is_due(template, origin.at):
                raise NotFoundError(f"{strategy_id} on {source} has no parameters of its own to copy.")
            for key in keys:
                work_limit.check()
                layer = batch.layer(key)
                layer.record_due_expiry()
                layer.record_parameters(layer.validated(template.parameters), origin, expires_at=template.expires_at)
        return batch

    return batch_write(chain.write(attempt))


@traced
def delete_overrides(*, keys: Sequence[LayerKey], origin: Origin) -> BatchWrite:
    """Remove the own parameters of many symbols; their switches stay as they are.

    The reason is required. Raises NotFoundError where one has none, InvalidSymbolError, InvalidRequestError.
    """

    origin = reasoned_origin(origin)
    check_keys(keys)

    def attempt(end: Chain) -> OpenBatch:
        with OpenBatch(end, origin.at) as batch:
            batch.read(key.strategy_id for key in keys)
            for key in keys:
                work_limit.check()
                layer = batch.layer(key)
                layer.record_due_expiry()
                if layer.own.parameters is None:
                    raise NotFoundError(f"{key} has no parameters of its own to delete. Nothing was changed.")
                layer.record("DELETE", None, origin)
        return batch

    return batch_write(chain.write(attempt))


def _open_override(batch: OpenBatch, key: LayerKey) -> SymbolOverride:
    own = batch.layer(key).own
    if not isinstance(own, SymbolOverride):
        raise TypeError(f"{key} is no override.")
    return own
