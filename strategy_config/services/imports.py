"""The configuration out into a file and back in: planned, then applied as a whole or not at all."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from service_kit.tracing import traced
from strategy_config.exceptions import Refusal, VersionConflictError
from strategy_config.history import chain
from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin, reasoned_origin
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, instants, known_strategies, layer_rows, work_limit
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.selectors import strategy_rows
from strategy_config.services import import_plan, yaml_file
from strategy_config.services.import_plan import ImportRefusedError, Plan, Wanted
from strategy_config.services.open_batch import OpenBatch, batch_write
from strategy_config.store import transactions
from strategy_core.strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True)
class Applied:
    """What was written; ``published`` false: stored, and published as soon as Redis is back."""

    plan: Plan
    sequence: int | None
    published: bool


@dataclass(frozen=True, slots=True)
class _Options:
    prune: bool
    may_switch: bool
    allow_enable: bool
    removed: set[str]


@transactions.store_errors()
def export_configuration(*, at: datetime, strategy_ids: Collection[str] = (), symbols: Collection[str] = ()) -> str:
    """The layers as they are at the instant, as a YAML file that an import reads; nothing selected: everything.

    With ``symbols`` only the layers of these symbols. Raises NotFoundError, InvalidSymbolError.
    """
    chosen = [known_strategies.strategy_class(each).id for each in strategy_ids] or list(STRATEGIES)
    only = {normalise_symbol(symbol) for symbol in symbols}
    rows = strategy_rows.with_new_strategies(StrategyConfig.objects.filter(strategy_id__in=chosen))
    found: dict[str, list[Wanted]] = defaultdict(list)
    for strategy_id in chosen:
        if not only:
            row = rows[strategy_id]
            found[strategy_id].append(Wanted(LayerKey(strategy_id, None), True, row.parameters, None, row.enabled))
    overrides = SymbolOverride.objects.filter(strategy_id__in=chosen)
    for override in overrides.filter(symbol__in=only) if only else overrides:
        work_limit.check()
        row_now = expiry.expired(override) if expiry.is_due(override, at) else override
        if layer_rows.has_layer(row_now):
            key = LayerKey(override.strategy_id, override.symbol)
            found[override.strategy_id].append(
                Wanted(key, True, row_now.parameters, row_now.expires_at, row_now.enabled)
            )
    return yaml_file.write(found, heading=f"Configuration of strategies, as of {instants.iso(at)}")


@transactions.store_errors()
def plan_import(
    *, content: bytes, at: datetime, prune: bool = False, may_switch: bool = True, allow_enable: bool = False
) -> Plan:
    """What an import of the file would change, and everything in it that is refused; changes nothing.

    ``prune`` also deletes the parameters of layers that the file leaves out of the strategies that it names; nothing
    is ever switched on by being left out. Without ``allow_enable`` what is off stays off, whatever the file says: an
    export of before a stop must not undo it; ``Plan.kept_off`` names these layers. A strategy that the store has and
    the code no longer has is passed over. Raises InvalidRequestError where the file cannot be read at all.
    """
    file = yaml_file.read(content)
    removed = set(strategy_rows.removed_strategies())
    rows = StrategyConfig.objects.filter(strategy_id__in=file.strategy_ids)
    overrides = SymbolOverride.objects.filter(strategy_id__in=file.strategy_ids)
    options = _Options(prune, may_switch, allow_enable, removed)
    return _plan(file, list(rows), list(overrides), at, options)


@traced
def apply_import(
    *,
    content: bytes,
    origin: Origin,
    prune: bool = False,
    may_switch: bool = True,
    allow_enable: bool = False,
    fingerprint: str | None = None,
) -> Applied:
    """Import the file: all of it in one transaction under ``origin.reason``, which is required, or nothing.

    ``fingerprint`` is that of the plan that was agreed to. Raises InvalidRequestError, ImportRefusedError (with the
    plan), VersionConflictError where the plan is no longer that one, StoreUnavailableError.
    """
    origin = reasoned_origin(origin)
    file = yaml_file.read(content)
    options = _Options(prune, may_switch, allow_enable, set(strategy_rows.removed_strategies()))

    def attempt(end: Chain) -> tuple[OpenBatch, Plan]:
        with OpenBatch(end, origin.at) as batch:
            batch.read(file.strategy_ids)
            overrides = [each for strategy_id in file.strategy_ids for each in batch.overrides(strategy_id)]
            plan = _plan(file, batch.rows, overrides, origin.at, options)
            if plan.refusals:
                raise ImportRefusedError(plan)
            if fingerprint is not None and fingerprint != plan.fingerprint:
                raise VersionConflictError(
                    "The configuration has changed since this plan was made. Review the new plan."
                )
            import_plan.record(plan, batch, origin)
        return batch, plan

    batch, plan = chain.write(attempt)
    written = batch_write(batch)
    return Applied(plan, written.sequence, written.published)


def _plan(
    file: yaml_file.ConfigFile,
    rows: Sequence[StrategyConfig],
    overrides: Sequence[SymbolOverride],
    at: datetime,
    options: _Options,
) -> Plan:
    wanted = [*file.wanted, *(_left_out(file, rows, overrides) if options.prune else ())]
    plan = import_plan.make_plan(
        rows=list(strategy_rows.with_new_strategies(rows).values()),
        overrides=overrides,
        wanted=wanted,
        at=at,
        may_switch=options.may_switch,
        allow_enable=options.allow_enable,
    )
    unheard_of = [
        Refusal(each, known_strategies.unknown_strategy(each).message)
        for each in file.unknown
        if each not in options.removed
    ]
    passed_over = tuple(each for each in file.unknown if each in options.removed)
    return replace(plan, refusals=(*unheard_of, *file.refusals, *plan.refusals), passed_over=passed_over)


def _left_out(
    file: yaml_file.ConfigFile, rows: Sequence[StrategyConfig], overrides: Sequence[SymbolOverride]
) -> list[Wanted]:
    """The layers with parameters that the file does not name. One that is refused there is named all the same."""
    named = {each.key for each in file.wanted}
    refused = {refusal.where for refusal in file.refusals}
    keys = [LayerKey(row.strategy_id, None) for row in rows if row.parameters is not None]
    keys += [LayerKey(each.strategy_id, each.symbol) for each in overrides if each.parameters is not None]
    return [Wanted(key, has_parameters=True) for key in keys if key not in named and str(key) not in refused]
