"""Documents become active configuration here: each is validated again, what is invalid is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from realtime_runtime.config import layers, wire
from realtime_runtime.config.active import ActiveConfig, Layers

LayerKey = tuple[str, str | None]


class RejectedDocumentError(Exception):
    """A document that must not be traded on. The message says why."""


@dataclass(frozen=True, slots=True)
class AcceptedLayer:
    """A valid document: the bytes that it came in, and what it puts in force before and after its expiry."""

    key: LayerKey
    raw: bytes
    sequence: int
    now: ActiveConfig
    expires_at_ms: int | None
    after: ActiveConfig | None

    def in_force(self, time_ms: float) -> ActiveConfig:
        """What holds at ``time_ms`` (Unix, milliseconds)."""
        if self.after is not None and self.expires_at_ms is not None and time_ms >= self.expires_at_ms:
            return self.after
        return self.now


class Catalogue:
    """The strategies that this process knows, and what its own environment says of them."""

    def __init__(
        self, strategies: Mapping[str, layers.StrategyClass], environment: Mapping[str, layers.EnvironmentLayer]
    ) -> None:
        self._strategies = strategies
        self._environment = environment

    def base_layers(self) -> Layers:
        """What holds for strategies without a document: environment and defaults."""
        return MappingProxyType(
            {
                (strategy_id, None): ActiveConfig(
                    enabled=self._environment[strategy_id].enabled,
                    parameters=layers.resolve(strategy, environment=self._environment[strategy_id].values).parameters,
                    sequence=0,
                    global_version=0,
                    symbol_version=0,
                )
                for strategy_id, strategy in self._strategies.items()
            }
        )

    def accept(self, field: str, raw: bytes) -> AcceptedLayer:
        """Validate the document of a field; raises RejectedDocumentError.

        A parameter that the document lacks (a site older than this runtime) comes from environment or default.
        """
        try:
            document = wire.decode_document(raw)
        except wire.WireError as exception:
            raise RejectedDocumentError(str(exception)) from None
        strategy_id, symbol = document.config.strategy_id, document.config.symbol
        if wire.field_name(strategy_id, symbol) != field:
            raise RejectedDocumentError(f"the document belongs to {wire.field_name(strategy_id, symbol)[:64]!r}")
        if strategy_id not in self._strategies:
            raise RejectedDocumentError("no strategy of that name is known here")
        if symbol is not None and not wire.SYMBOL_PATTERN.fullmatch(symbol):
            raise RejectedDocumentError("not a symbol")
        if (document.after is None) != (document.expires_at_ms is None):
            raise RejectedDocumentError("expires_at_ms and after come together")
        after = document.after
        if after is not None and (after.strategy_id, after.symbol) != (strategy_id, symbol):
            raise RejectedDocumentError("after belongs to another layer")
        return AcceptedLayer(
            key=(strategy_id, symbol),
            raw=raw,
            sequence=document.config.sequence,
            now=self._activate(document.config, document.global_version, document.symbol_version),
            expires_at_ms=document.expires_at_ms,
            after=None
            if after is None
            else self._activate(
                after,
                after.version if symbol is None else document.global_version,
                0 if symbol is None else after.version,
            ),
        )

    def _activate(self, config: wire.LayerConfig, global_version: int, symbol_version: int) -> ActiveConfig:
        try:
            resolved = layers.resolve(
                self._strategies[config.strategy_id],
                environment=self._environment[config.strategy_id].values,
                global_values=config.parameters,
            )
        except layers.InvalidParametersError as exception:
            raise RejectedDocumentError(str(exception)) from None
        return ActiveConfig(
            enabled=config.enabled,
            parameters=resolved.parameters,
            sequence=config.sequence,
            global_version=global_version,
            symbol_version=symbol_version,
        )


def encode_documents(documents: Mapping[str, bytes]) -> bytes:
    """Fields and their documents as one JSON object; the documents' bytes stay as they are."""
    return msgspec.json.encode({field: msgspec.Raw(raw) for field, raw in documents.items()})


def decode_documents(body: bytes) -> dict[str, bytes]:
    """The reverse of encode_documents; raises msgspec.DecodeError."""
    return {field: bytes(raw) for field, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}
