"""Every non-trivial read. Errors of the store's connection come out as StoreUnavailableError."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth.models import User

from strategy_config.exceptions import InvalidRequestError, NotFoundError
from strategy_config.history import halt_rows
from strategy_config.models import (
    ApiToken,
    ChangeSequence,
    ConfigAudit,
    Halt,
    RelayPosition,
    StrategyConfig,
    SymbolOverride,
)
from strategy_config.resolution import item_failures, resolution
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.store import transactions
from strategy_core.configuration import wire
from strategy_core.configuration.halts import RESUMED_LIMIT, Scope
from strategy_core.strategies.registry import STRATEGIES

ONLY_GLOBAL = ""
READS_WITHOUT_LOCK = 3
_NOT_IN_EVENTS = ("old_parameters", "new_parameters", "salts", "redacted", "hash", "previous_hash")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StrategySummary:
    """One line of the list of strategies. ``symbol_overrides`` are the symbols that have a layer."""

    strategy_id: str
    name: str
    description: str
    category: str
    type: str
    enabled: bool
    has_global_config: bool
    symbol_overrides: tuple[str, ...]
    parameter_count: int
    version: int
    updated_at: datetime | None
    updated_by: str | None


class _LayerOfSymbol(NamedTuple):
    """A symbol's row, as much as the list needs: a thousand instances of the model cost more than the rest."""

    strategy_id: str
    symbol: str
    parameters: dict[str, Any] | None
    enabled: bool
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class PublicationState:
    """The store at one sequence: accepted changes, oldest first, and the state of fields of the shared cache.

    ``states`` are all fields, or at least those that the changes touched; ``fields`` the names of all layers, where
    ``states`` are: some of them may have no state.
    """

    sequence: int
    changes: list[ConfigAudit]
    states: dict[str, resolution.FieldState]
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LiveState:
    """What is in force as of a row of the history. ``relayed``: up to where other services were told."""

    position: int
    sequence: int
    layers: list[StrategyConfig | SymbolOverride]
    tokens: list[ApiToken]
    usernames: frozenset[str]
    halts: list[Halt]
    relayed: int


def strategy_row(strategy_id: str) -> StrategyConfig:
    """The global layer, a new row where there is none yet; raises NotFoundError for a strategy not in the code."""
    resolution.strategy_class(strategy_id)
    return any_strategy_row(strategy_id)


def any_strategy_row(strategy_id: str) -> StrategyConfig:
    """As ``strategy_row``, also of a strategy that only the store has; raises NotFoundError where nobody has it."""
    try:
        return StrategyConfig.objects.get(strategy_id=strategy_id)
    except StrategyConfig.DoesNotExist:
        return resolution.new_row(strategy_id)


@transactions.store_errors()
def removed_strategies() -> list[str]:
    """The strategies of the store that the code no longer has."""
    return list(StrategyConfig.objects.exclude(strategy_id__in=list(STRATEGIES)).values_list("strategy_id", flat=True))


def with_new_strategies(rows: Iterable[StrategyConfig]) -> dict[str, StrategyConfig]:
    """Global layers by strategy, catalogue order first; a new row for each strategy that `migrate` has not seen yet.

    Those that the code no longer has come last.
    """
    found = {row.strategy_id: row for row in rows}
    known = {each: found[each] if each in found else resolution.new_row(each) for each in STRATEGIES}
    return {**known, **found}


@transactions.store_errors()
def layer_config(*, strategy_id: str, symbol: str | None = None, at: datetime) -> wire.LayerConfig:
    """What holds for the strategy, or for one symbol of it, at the instant ``at``.

    A symbol without a layer shows the global one under its own version (0 where it never had a layer).
    Raises NotFoundError, InvalidSymbolError.
    """
    resolution.strategy_class(strategy_id)
    if symbol is None:
        return resolution.global_config(strategy_row(strategy_id))
    symbol = normalise_symbol(symbol)
    return resolution.symbol_config(strategy_row(strategy_id), effective_override(strategy_id, symbol, at))


def effective_override(strategy_id: str, symbol: str, at: datetime) -> SymbolOverride:
    """The symbol's layer as it counts at the instant: without what has expired, a new row where it never had one."""
    override = SymbolOverride.objects.filter(strategy_id=strategy_id, symbol=symbol).first()
    if override is None:
        return SymbolOverride(strategy_id=strategy_id, symbol=symbol)
    return resolution.expired(override) if resolution.is_due(override, at) else override


@transactions.store_errors()
def documents(strategy_id: str) -> dict[str, wire.Document]:
    """The document of every layer of the strategy that was ever set, by the field of the shared cache.

    Raises NotFoundError.
    """
    row = strategy_row(strategy_id)
    states = resolution.states_of(row, SymbolOverride.objects.filter(strategy_id=strategy_id))
    return {field: state.document for field, state in states.items()}


@transactions.store_errors()
def strategy_summaries(at: datetime) -> list[StrategySummary]:
    """All strategies in catalogue order, in two queries however many overrides there are."""
    rows = with_new_strategies(StrategyConfig.objects.all())
    symbols: dict[str, list[str]] = defaultdict(list)
    for values in SymbolOverride.objects.values_list(*_LayerOfSymbol._fields):
        override = _LayerOfSymbol(*values)
        if not override.enabled or (override.parameters is not None and not resolution.is_due(override, at)):
            symbols[override.strategy_id].append(override.symbol)
    return [
        StrategySummary(
            strategy_id=strategy.id,
            name=strategy.name,
            description=strategy.description,
            category=strategy.category,
            type=strategy.type,
            enabled=resolution.is_enabled(rows[strategy.id]),
            has_global_config=rows[strategy.id].parameters is not None,
            symbol_overrides=tuple(symbols[strategy.id]),
            parameter_count=len(strategy.specs()),
            version=rows[strategy.id].version,
            updated_at=rows[strategy.id].updated_at,
            updated_by=rows[strategy.id].updated_by or None,
        )
        for strategy in STRATEGIES.values()
    ]


@transactions.store_errors()
def audit_page(
    *,
    strategy_id: str,
    symbol: str | None = None,
    action: str | None = None,
    changed_by: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[ConfigAudit], str | None]:
    """A page of history, newest first, and the cursor of the next one, None after the last.

    ``symbol`` ONLY_GLOBAL is the global layer, None all layers. ``since`` and ``until`` are inclusive.
    Raises NotFoundError where neither the code nor the store has the strategy, InvalidSymbolError, InvalidRequestError
    (cursor).
    """
    if not resolution.is_known(strategy_id):
        any_strategy_row(strategy_id)
    rows = ConfigAudit.objects.filter(strategy_id=strategy_id).order_by("-sequence")
    if symbol is not None:
        rows = rows.filter(symbol=symbol and normalise_symbol(symbol))
    if action is not None:
        rows = rows.filter(action=action)
    if changed_by is not None:
        rows = rows.filter(changed_by=changed_by)
    if since is not None:
        rows = rows.filter(changed_at__gte=since)
    if until is not None:
        rows = rows.filter(changed_at__lte=until)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
            raise InvalidRequestError("cursor must be the next_cursor of an earlier answer.", field="cursor")
        rows = rows.filter(sequence__lt=int(cursor))
    page = list(rows[: limit + 1])
    if len(page) <= limit:
        return page, None
    return page[:limit], str(page[limit - 1].sequence)


@transactions.store_errors()
def open_halts() -> tuple[Halt, ...]:
    """The halts in force, the oldest first."""
    return tuple(Halt.objects.filter(resumed_at=None).order_by("sequence"))


@transactions.store_errors()
def ended_halts(*, limit: int = RESUMED_LIMIT) -> tuple[Halt, ...]:
    """The halts that ended last, by default as many as runtimes remember."""
    return tuple(Halt.objects.exclude(resumed_at=None).order_by("-resumed_at")[:limit])


@transactions.store_errors()
def halts_by_id(ids: Iterable[str]) -> dict[str, Halt]:
    """The halts of these ids, those that are not stored left out."""
    return {str(row.id): row for row in Halt.objects.filter(pk__in=[uuid.UUID(each) for each in ids])}


@transactions.store_errors()
def tokens_of(*, user: User) -> list[ApiToken]:
    """All tokens of the user, the newest first, revoked and expired ones too."""
    return list(ApiToken.objects.filter(user=user))


@transactions.store_errors()
def own_token(*, user: User, token_id: uuid.UUID | str) -> ApiToken:
    """A token of the user; raises NotFoundError, also where it is somebody else's."""
    try:
        token = ApiToken.objects.filter(user=user, pk=uuid.UUID(str(token_id))).first()
    except ValueError:
        token = None
    if token is None:
        raise NotFoundError("You have no such token.")
    return token


@transactions.store_errors()
def chain_head() -> tuple[int, str]:
    """The last sequence and the hash of its audit row; changes with every accepted write."""
    head = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
    return head.value, head.head_hash


@transactions.store_errors()
def whole_state() -> PublicationState:
    """Every layer as of one sequence, without history."""
    sequence, rows, all_overrides = all_layers()
    overrides: dict[str, list[SymbolOverride]] = defaultdict(list)
    for override in all_overrides:
        overrides[override.strategy_id].append(override)
    states: dict[str, resolution.FieldState] = {}
    every = with_new_strategies(rows)
    for strategy_id, row in every.items():
        with item_failures.contained("document", strategy_id=strategy_id):
            states.update(resolution.states_of(row, overrides[strategy_id]))
    symbols = (wire.field_name(each.strategy_id, each.symbol) for each in all_overrides)
    return PublicationState(sequence, [], states, frozenset((*every, *symbols)))


@transactions.store_errors()
def all_layers() -> tuple[int, list[StrategyConfig], list[SymbolOverride]]:
    """A sequence, and the rows of all layers as of it, those of strategies that the code no longer knows included."""

    def read(head: ChangeSequence) -> tuple[int, list[StrategyConfig], list[SymbolOverride]]:
        return head.value, list(StrategyConfig.objects.all()), list(SymbolOverride.objects.all())

    return _at_one_end(read)


@transactions.store_errors()
def live_state() -> LiveState:
    """Everything that the history accounts for, as of one row of it."""

    def read(head: ChangeSequence) -> LiveState:
        tokens = list(ApiToken.objects.select_related("user"))
        usernames = User.objects.values_list("username", flat=True) if tokens else ()
        relayed = RelayPosition.objects.filter(pk=RelayPosition.ONLY_ID).first()
        return LiveState(
            position=head.position,
            sequence=head.value,
            layers=[*StrategyConfig.objects.all(), *SymbolOverride.objects.all()],
            tokens=tokens,
            usernames=frozenset(usernames),
            halts=list(Halt.objects.all()),
            relayed=0 if relayed is None else relayed.sequence,
        )

    return _at_one_end(read)


@transactions.store_errors()
def state_after(sequence: int, *, limit: int) -> PublicationState | None:
    """The changes after ``sequence`` and what they touched; None where they are more than ``limit``.

    No changes where ``sequence`` is the last one, or ahead of the store.
    """
    last = last_sequence()
    if last <= sequence:
        return PublicationState(last, [], {})
    if last - sequence > limit:
        return None

    def read(head: ChangeSequence) -> tuple[int, list[ConfigAudit], list[tuple[StrategyConfig, list[SymbolOverride]]]]:
        changes = list(ConfigAudit.objects.filter(sequence__gt=sequence).order_by("sequence"))
        return head.value, changes, _touched_by(changes)

    last, changes, touched = _at_one_end(read)
    states: dict[str, resolution.FieldState] = {}
    for row, overrides in touched:
        with item_failures.contained("document", strategy_id=row.strategy_id):
            states.update(resolution.states_of(row, overrides))
    return PublicationState(last, changes, states)


@transactions.store_errors()
def changes_after(sequence: int, *, limit: int) -> tuple[list[wire.ChangeEvent], int]:
    """The first ``limit`` accepted changes after ``sequence``, oldest first, and the last sequence there is."""
    return _events_after(sequence, limit), last_sequence()


@transactions.store_errors()
def relayed_sequence() -> int:
    """The last change that other services were told of; 0 before the first."""
    return RelayPosition.objects.values_list("sequence", flat=True).get(pk=RelayPosition.ONLY_ID)


@transactions.store_errors()
def unrelayed_changes(*, limit: int) -> list[wire.ChangeEvent]:
    """The first ``limit`` accepted changes that other services were not told of yet, oldest first."""
    return _events_after(relayed_sequence(), limit)


def _events_after(sequence: int, limit: int) -> list[wire.ChangeEvent]:
    rows = ConfigAudit.objects.filter(sequence__gt=sequence).order_by("sequence").defer(*_NOT_IN_EVENTS)[:limit]
    return [_event(row) for row in rows]


def _event(row: ConfigAudit) -> wire.ChangeEvent:
    is_halt = halt_rows.is_halt(row)
    scope = halt_rows.recorded_scope(row) if is_halt else Scope(strategy_id=row.strategy_id, symbol=row.symbol or None)
    return wire.ChangeEvent(
        sequence=row.told_sequence,
        strategy_id=scope.strategy_id,
        symbol=scope.symbol,
        action=row.action,
        version=row.version,
        changed_by=row.changed_by,
        reason=row.reason,
        changed_at=resolution.iso(row.changed_at) or "",
        halt_id=row.object_id if is_halt else None,
    )


@transactions.store_errors()
def last_sequence() -> int:
    """The sequence of the last accepted change, 0 before the first."""
    return ChangeSequence.objects.values_list("value", flat=True).get(pk=ChangeSequence.ONLY_ID)


@transactions.store_errors()
def last_position() -> int:
    """The position of the last row of the history, 0 before the first."""
    return ChangeSequence.objects.values_list("position", flat=True).get(pk=ChangeSequence.ONLY_ID)


def _touched_by(changes: list[ConfigAudit]) -> list[tuple[StrategyConfig, list[SymbolOverride]]]:
    """The layers whose documents the changes have altered: for a global change, all of the strategy."""
    symbols: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        if change.object_kind is None:
            symbols[change.strategy_id].add(change.symbol)
    touched = []
    for strategy_id, names in symbols.items():
        overrides = SymbolOverride.objects.filter(strategy_id=strategy_id)
        if ONLY_GLOBAL not in names:
            overrides = overrides.filter(symbol__in=names)
        row = StrategyConfig.objects.filter(strategy_id=strategy_id).first()
        touched.append((StrategyConfig(strategy_id=strategy_id) if row is None else row, list(overrides)))
    return touched


def _at_one_end(read: Callable[[ChangeSequence], T]) -> T:
    """What ``read``, given the end of the history, finds while nothing is accepted.

    Tried without a lock first: where the end is the same before and after, nothing was written in between.
    """
    for _ in range(READS_WITHOUT_LOCK):
        before = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
        found = read(before)
        after = ChangeSequence.objects.get(pk=ChangeSequence.ONLY_ID)
        if (after.value, after.head_hash) == (before.value, before.head_hash):
            return found
    with transactions.atomic():
        return read(ChangeSequence.objects.select_for_update().get(pk=ChangeSequence.ONLY_ID))


def etag(config: wire.LayerConfig) -> str:
    """The entity tag of a config, quotes included."""
    return resolution.etag(config.strategy_id, config.symbol, config.version, config.sequence)
