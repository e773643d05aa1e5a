"""Documents become active configuration here, in two steps: the switch, then the parameters. Pure.

The switch of a layer that this process knows is obeyed whatever the rest of its document is: "off" always, "on" only
with parameters that validate here. Parameters that do not leave the last good ones of the layer in force; without
any, the layer does not trade.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec

from realtime_runtime.config import traded
from strategy_core.configuration import layers, redis_keys, wire_json
from strategy_core.configuration.environment_layer import EnvironmentLayer
from strategy_core.configuration.parameter_values import StrategyClass, as_json, carried_over
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.engine.active import ActiveConfig, LayerKey, Layers
from strategy_core.market.symbols import is_symbol


class RejectedDocumentError(Exception):
    """A document, or a part of it, that must not be traded on. The message says why."""


@dataclass(frozen=True, slots=True)
class AcceptedLayer:
    """A layer as this process holds it: what is in force before and after its expiry.

    ``raw`` are the bytes that it was read from, b"" where there are none. ``problem`` says why its parameters were
    refused: then only its switch counts, and ``now`` and ``after`` stand on the last good parameters, or do not trade.
    ``left_out`` are the parameters that nobody here knows; the rest of the document holds.
    """

    key: LayerKey
    raw: bytes
    sequence: int
    now: ActiveConfig
    expires_at_ms: int | None = None
    after: ActiveConfig | None = None
    problem: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def is_stand_in(self) -> bool:
        """Whether nothing was ever read of it: see `Catalogue.unread`."""
        return self.sequence < 0

    def in_force(self, time_ms: float) -> ActiveConfig:
        """What holds at ``time_ms`` (Unix, milliseconds)."""
        if self.after is not None and self.expires_at_ms is not None and time_ms >= self.expires_at_ms:
            return self.after
        return self.now

    def switched_off(self) -> "AcceptedLayer":
        """The layer with its switch off, now and after its expiry, under the sequence that it has."""
        after = None if self.after is None else replace(self.after, enabled=False, held_back=None)
        return replace(self, raw=b"", now=replace(self.now, enabled=False, held_back=None), after=after)

    def saved(self) -> bytes:
        """The document for the snapshot: as it came, or what is in force of one that was refused."""
        if self.raw and self.problem is None:
            return self.raw
        return wire_json.encode(
            traded.TradedDocument(
                config=_as_traded(self.key, self.now),
                global_version=self.now.global_version,
                symbol_version=self.now.symbol_version,
                expires_at_ms=None if self.after is None else self.expires_at_ms,
                after=None if self.after is None else _as_traded(self.key, self.after),
            )
        )


class Catalogue:
    """The strategies that this process knows, and what its own environment says of them."""

    def __init__(
        self,
        strategies: Mapping[str, StrategyClass],
        environment: Mapping[str, EnvironmentLayer],
    ) -> None:
        self._strategies = strategies
        self._environment = environment
        self._base: Layers = MappingProxyType(
            {
                (strategy_id, None): ActiveConfig(
                    enabled=environment[strategy_id].enabled and not strategy.former_ids,
                    parameters=layers.resolve(strategy, environment=environment[strategy_id].values).parameters,
                    sequence=0,
                    global_version=0,
                    symbol_version=0,
                    # It may have been stopped under its former name.
                    held_back=f"no layer yet since it was {strategy.former_ids[-1]}" if strategy.former_ids else None,
                )
                for strategy_id, strategy in strategies.items()
            }
        )

    def base_layers(self) -> Layers:
        """What holds for strategies without a document: environment and defaults."""
        return self._base

    def key_of(self, field: str) -> LayerKey:
        """The layer that a field of the hash names; raises RejectedDocumentError where this process has none such."""
        strategy_id, colon, name = field.partition(":")
        if strategy_id not in self._strategies:
            raise RejectedDocumentError("this version has no strategy of that name")
        if colon and not is_symbol(name):
            raise RejectedDocumentError("not a symbol")
        return strategy_id, name if colon else None

    def accept(
        self, field: str, raw: bytes, held: AcceptedLayer | None = None, in_force: ActiveConfig | None = None
    ) -> AcceptedLayer:
        """The layer that the document of a field says; ``held`` is the one before it, ``in_force`` what holds of that.

        Raises RejectedDocumentError only where the field names no layer of this process: nothing trades under it.
        A parameter that the document lacks (a site older than this runtime) comes from environment or default.
        """
        key = self.key_of(field)
        try:
            document = traded.decode_document(raw)
            _require_layer(document, key)
        except (wire_json.WireError, RejectedDocumentError) as exception:
            return self._switch_alone(key, raw, str(exception), held, in_force)
        config, after = document.config, document.after
        now, problem = self._activate(key, config, (document.global_version, document.symbol_version), in_force)
        later = None
        if after is not None:
            versions = (after.version, 0) if key[1] is None else (document.global_version, after.version)
            later, later_problem = self._activate(key, after, versions, None if held is None else held.after)
            problem = problem or (later_problem and f"after the expiry: {later_problem}")
        return AcceptedLayer(
            key=key,
            raw=raw,
            sequence=config.sequence,
            now=now,
            expires_at_ms=document.expires_at_ms,
            after=later,
            problem=problem,
            left_out=tuple(sorted(self._unknown(config) | (set() if after is None else self._unknown(after)))),
        )

    def unread(self, field: str, reason: str) -> AcceptedLayer:
        """A layer of which only its existence is known: it does not trade until its document is read."""
        key = self.key_of(field)
        return AcceptedLayer(key, b"", -1, replace(self._blank(key), enabled=False, held_back=reason), problem=reason)

    def _activate(
        self, key: LayerKey, config: traded.TradedLayer, versions: tuple[int, int], good: ActiveConfig | None
    ) -> tuple[ActiveConfig, str | None]:
        """What the config puts in force, and why its parameters were refused, where they were."""
        strategy_id, unknown = key[0], self._unknown(config)
        values = carried_over(self._strategies[strategy_id], config.parameters)
        known = {name: value for name, value in values.items() if name not in unknown}
        try:
            resolved = layers.resolve(
                self._strategies[strategy_id],
                environment=self._environment[strategy_id].values,
                global_values=known,
            )
        except InvalidParametersError as exception:
            return self._without_parameters(key, config.enabled, good, str(exception)), str(exception)
        return ActiveConfig(config.enabled, resolved.parameters, config.sequence, *versions), None

    def _switch_alone(
        self, key: LayerKey, raw: bytes, problem: str, held: AcceptedLayer | None, in_force: ActiveConfig | None
    ) -> AcceptedLayer:
        """What can be obeyed of a document that cannot be read as one: a switch that it does not name is off."""
        outline = traded.outline_of(raw)
        is_own = (outline.strategy_id, outline.symbol) == key
        before = 0 if held is None else held.sequence
        after = None
        if is_own and outline.expires_at_ms is not None:
            good = None if held is None else held.after
            after = self._without_parameters(key, outline.is_enabled_after or False, good, problem)
        return AcceptedLayer(
            key=key,
            raw=raw,
            sequence=outline.sequence if is_own and outline.sequence is not None else before,
            now=self._without_parameters(key, is_own and (outline.is_enabled or False), in_force, problem),
            expires_at_ms=None if after is None else outline.expires_at_ms,
            after=after,
            problem=problem,
        )

    def _without_parameters(
        self, key: LayerKey, is_wanted: bool, good: ActiveConfig | None, reason: str
    ) -> ActiveConfig:
        """The last good configuration where that trades and may go on, else one that does not trade."""
        if is_wanted and good is not None and good.enabled:
            return good
        return replace(good or self._blank(key), enabled=False, held_back=reason if is_wanted else None)

    def _blank(self, key: LayerKey) -> ActiveConfig:
        return self._base[key[0], None]

    def _unknown(self, config: traded.TradedLayer) -> set[str]:
        strategy = self._strategies[config.strategy_id]
        return carried_over(strategy, config.parameters).keys() - strategy.parameters.model_fields.keys()


def _require_layer(document: traded.TradedDocument, key: LayerKey) -> None:
    config, after = document.config, document.after
    if (config.strategy_id, config.symbol) != key:
        raise RejectedDocumentError(f"it belongs to {redis_keys.field_name(config.strategy_id, config.symbol)[:64]!r}")
    if (after is None) != (document.expires_at_ms is None):
        raise RejectedDocumentError("expires_at_ms and after come together")
    if after is not None and (after.strategy_id, after.symbol) != key:
        raise RejectedDocumentError("after belongs to another layer")


def _as_traded(key: LayerKey, config: ActiveConfig) -> traded.TradedLayer:
    return traded.TradedLayer(
        strategy_id=key[0],
        symbol=key[1],
        enabled=config.enabled,
        parameters=as_json(config.parameters),
        version=config.global_version if key[1] is None else config.symbol_version,
        sequence=config.sequence,
    )


def encode_documents(documents: Mapping[str, bytes]) -> bytes:
    """Fields and their documents as one JSON object; the documents' bytes stay as they are."""
    return msgspec.json.encode({field: msgspec.Raw(raw) for field, raw in documents.items()})


def decode_documents(body: bytes) -> dict[str, bytes]:
    """The reverse of encode_documents; raises msgspec.DecodeError."""
    return {field: bytes(raw) for field, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}
