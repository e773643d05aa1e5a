"""The list of strategies as far as Redis knows it, for use while the database is down."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.redis import redis_client
from strategy_config.selectors.summaries import StrategySummary
from strategy_core.configuration import wire_documents
from strategy_core.strategies.registry import STRATEGIES


def strategy_summaries(at: datetime) -> list[StrategySummary]:
    """All strategies in catalogue order, as `selectors.strategy_summaries`.

    A global layer that sets nothing cannot be told from none here. Raises RedisUnavailableError, also where
    there is no document, or none that can be read, of some strategy.
    """
    key = redis_client.keys().config
    found: Any = redis_client.run(lambda client: client.hgetall(key))
    try:
        documents = {field.decode(): wire_documents.decode_document(raw) for field, raw in found.items()}
    except ValueError as exception:
        raise RedisUnavailableError(f"Redis holds unreadable data: {exception}") from exception
    if missing := STRATEGIES.keys() - documents.keys():
        raise RedisUnavailableError(f"Redis holds nothing of {', '.join(sorted(missing))}.")
    symbols = _symbols(documents, at)
    return [_summary(strategy_id, documents[strategy_id].config, symbols[strategy_id]) for strategy_id in STRATEGIES]


def _symbols(documents: Mapping[str, wire_documents.Document], at: datetime) -> dict[str, list[str]]:
    """By strategy the symbols that have a layer now."""
    now_ms = at.timestamp() * 1000
    symbols: dict[str, list[str]] = defaultdict(list)
    for document in documents.values():
        has_expired = document.expires_at_ms is not None and document.expires_at_ms <= now_ms
        config = document.after if has_expired else document.config
        if config is not None and config.symbol is not None and config.is_override:
            symbols[config.strategy_id].append(config.symbol)
    return symbols


def _summary(strategy_id: str, config: wire_documents.LayerConfig, symbols: list[str]) -> StrategySummary:
    strategy = STRATEGIES[strategy_id]
    return StrategySummary(
        strategy_id=strategy_id,
        name=strategy.name,
        description=strategy.description,
        category=strategy.category,
        type=strategy.type,
        enabled=config.enabled,
        has_global_config=bool(config.own),
        symbol_overrides=tuple(sorted(symbols)),
        parameter_count=len(strategy.specs()),
        version=config.version,
        updated_at=None if config.updated_at is None else datetime.fromisoformat(config.updated_at),
        updated_by=config.updated_by,
    )
