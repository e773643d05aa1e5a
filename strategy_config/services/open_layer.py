"""One layer under change, inside a transaction: what it is, what it becomes, and the history of that."""

from datetime import datetime
from typing import Any

from strategy_config.history.chain import Chain
from strategy_config.history.origins import Origin
from strategy_config.models import ConfigAudit, StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry, instants, known_strategies, layer_configs, layer_documents, layer_rows
from strategy_config.resolution.differences import differences
from strategy_config.resolution.entity_tags import require_match
from strategy_config.resolution.layer_documents import FieldState
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.store import compiled_queries
from strategy_core.configuration import redis_keys, validation
from strategy_core.configuration.parameter_values import NOTHING, StrategyClass, Values


def expiry_origin(row: SymbolOverride, at: datetime) -> Origin:
    """What the history says of an expiry that is recorded at ``at``."""
    who = expiry.EXPIRED_BY
    return Origin(who, who, "schedule", request_id="", at=at, reason=expiry.expiry_reason(row))


class OpenLayer:
    """One layer, read under the lock of the chain, in ``chain.write``.

    Made by ``OpenBatch.layer``. ``own`` is its row (a new one where the symbol has none yet), ``overrides`` the symbol
    rows of the strategy for the global layer, else just ``own``.
    """

    def __init__(
        self, chain: Chain, row: StrategyConfig, overrides: list[SymbolOverride], symbol: str | None, at: datetime
    ) -> None:
        self.strategy_id: str = row.strategy_id
        self.symbol = symbol
        self._at = at
        self._chain = chain
        self._row = row
        self._overrides = overrides
        self.own: StrategyConfig | SymbolOverride = row if symbol is None else overrides[0]

    @property
    def strategy(self) -> StrategyClass:
        """The strategy's declaration; raises NotFoundError where the code no longer has it.

        Without it a layer can be switched off, expire and be removed, and neither set nor switched on.
        """
        return known_strategies.strategy_class(self.strategy_id)

    @property
    def key(self) -> LayerKey:
        """Its name."""
        return LayerKey(self.strategy_id, self.symbol)

    @property
    def changes(self) -> list[ConfigAudit]:
        """The rows of history so far, oldest first: those of this transaction."""
        return self._chain.rows

    @property
    def field(self) -> str:
        """The layer's field in Redis."""
        return redis_keys.field_name(self.strategy_id, self.symbol)

    @property
    def is_strategy_enabled(self) -> bool:
        """The current switch for all symbols."""
        return layer_rows.is_enabled(self._row)

    @property
    def is_own_switch_on(self) -> bool:
        """The layer's own switch, whatever the one above it says."""
        return self.own.enabled if isinstance(self.own, SymbolOverride) else self.is_strategy_enabled

    @property
    def sequence(self) -> int:
        """That of the last change which reaches this layer."""
        return max(self._row.sequence, self.own.sequence)

    def require_match(self, if_match: str | None) -> None:
        """Compare with an If-Match header; raises VersionConflictError."""
        require_match(if_match, self._row, self.own, self._at)

    def validated(self, parameters: Values) -> dict[str, Any]:
        """The layer's future own parameters, normalised; raises InvalidParametersError with every error.

        They are judged as resolved: for the layer itself, and for every symbol layer above a global one. A stored value
        that no longer fits and stays as it is refuses nothing.
        """
        return validation.validate_layer(
            self.strategy,
            parameters,
            below=self.values_below(),
            overrides=self.parameters_above(),
            stored=layer_rows.own_values(self.own),
        )

    def inherited_values(self) -> Values:
        """Every parameter as the layer has it without values of its own."""
        return layer_configs.inherited_values(self._row, self.symbol)

    def values_below(self) -> Values:
        """What is set and in force below the layer, without the defaults."""
        return layer_rows.values_below(
            self.strategy_id, None if self.symbol is None else layer_rows.own_values(self._row)
        )

    def require_removable(self) -> None:
        """Raises InvalidParametersError where a symbol layer leans on the parameters of this one."""
        if self.symbol is None and known_strategies.is_known(self.strategy_id):
            self.validated(NOTHING)

    def record_due_expiry(self) -> None:
        """If the layer has expired and that is not recorded yet, record it first."""
        if isinstance(self.own, SymbolOverride) and expiry.is_due(self.own, self._at):
            self.record("EXPIRE", None, expiry_origin(self.own, self._at))

    def record_switch(self, enabled: bool, origin: Origin) -> None:
        """Set the layer's own switch; parameters and expiry stay as they are."""
        expires_at = self.own.expires_at if isinstance(self.own, SymbolOverride) else None
        action = "ENABLE" if enabled else "DISABLE"
        self.record(action, self.own.parameters, origin, enabled=enabled, expires_at=expires_at)

    def record_parameters(
        self, parameters: dict[str, Any] | None, origin: Origin, *, expires_at: datetime | None, is_forced: bool = False
    ) -> None:
        """Make ``parameters`` the layer's own; what would change nothing makes no version unless ``is_forced``."""
        own = self.own
        before = (own.parameters, own.expires_at if isinstance(own, SymbolOverride) else None)
        if is_forced or before != (parameters, expires_at):
            action = "CREATE" if own.parameters is None else "UPDATE"
            self.record(action, {} if parameters is None else parameters, origin, expires_at=expires_at)

    def record(
        self,
        action: str,
        parameters: dict[str, Any] | None,
        origin: Origin,
        *,
        enabled: bool | None = None,
        expires_at: datetime | None = None,
        changes: list[dict[str, Any]] | None = None,
    ) -> None:
        """Make ``parameters`` the layer's own: one version and one row of history. ``enabled`` None: as it is.

        ``changes`` are what the row says to have changed; None: what differs.
        """
        own = self.own
        old_parameters, before = own.parameters, _switches(own)
        own.parameters = parameters
        if enabled is not None:
            own.enabled = enabled
        if isinstance(own, SymbolOverride):
            own.expires_at = expires_at
        if old_parameters is None and parameters is not None or own.created_at is None:
            own.created_at = origin.at
        own.version += 1
        own.sequence = self._chain.next_sequence
        own.updated_at, own.updated_by, own.reason = origin.at, origin.changed_by, origin.reason
        if own._state.adding:
            own.save()
        else:
            compiled_queries.update(own)
        if changes is None:
            changes = [*differences(_set(old_parameters), _set(parameters)), *differences(before, _switches(own))]
        self._chain.append(
            ConfigAudit(
                strategy_id=self.strategy_id,
                symbol=self.symbol or "",
                action=action,
                version=own.version,
                old_parameters=old_parameters,
                new_parameters=parameters,
                changes=changes,
                changed_by=origin.changed_by,
                actor=origin.actor,
                channel=origin.channel,
                request_id=origin.request_id,
                changed_at=origin.at,
                reason=origin.reason,
            )
        )

    def state(self) -> FieldState:
        """What Redis is to hold of the layer."""
        if self.symbol is None:
            return layer_documents.global_state(self._row)
        return layer_documents.symbol_state(self._row, self._overrides[0])

    def parameters_above(self) -> dict[str, Values]:
        """The own parameters of the symbol layers above a global one, by symbol; none above a symbol's."""
        if self.symbol is not None:
            return {}
        return {
            override.symbol: layer_rows.own_values(override)
            for override in self._overrides
            if override.parameters is not None and not expiry.is_due(override, self._at)
        }


def _set(parameters: dict[str, Any] | None) -> Values:
    return NOTHING if parameters is None else parameters


def _switches(row: StrategyConfig | SymbolOverride) -> dict[str, Any]:
    """What a layer has besides parameters, as the history shows it."""
    if isinstance(row, SymbolOverride):
        return {"enabled": row.enabled, "expires_at": instants.iso(row.expires_at)}
    return {"enabled": row.enabled}
