"""Entity tags of layers, and If-Match compared with them."""

import hashlib
import json
import re
from datetime import datetime

from strategy_config.exceptions import VersionConflictError
from strategy_config.models import StrategyConfig, SymbolOverride
from strategy_config.resolution import expiry
from strategy_config.resolution.known_strategies import environment_of
from strategy_core.configuration import wire_documents
from strategy_core.configuration.environment_layer import EnvironmentLayer


def etag(config: wire_documents.LayerConfig) -> str:
    """The entity tag of a config, quotes included."""
    return layer_etag(config.strategy_id, config.symbol, config.version, config.sequence)


_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


def require_match(
    if_match: str | None, row: StrategyConfig, own: StrategyConfig | SymbolOverride, at: datetime
) -> None:
    """Compare an If-Match header (entity tags, a bare ``"<version>"``, ``*``; None: none was sent) with a layer.

    ``own`` is the layer's row (a new one where there is none yet), ``row`` that of its strategy. Raises
    VersionConflictError.
    """
    if if_match is None or if_match.strip() == "*":
        return
    version, symbol = own.version, None
    if isinstance(own, SymbolOverride):
        symbol = own.symbol
        if expiry.is_due(own, at):
            version += 1
    tag = layer_etag(row.strategy_id, symbol, version, max(row.sequence, own.sequence)).strip('"')
    given = _ENTITY_TAG.findall(if_match)
    if not any(text in {tag, str(version)} for weak, text in given if not weak):
        message = f'If-Match does not match the current layer, which is at version {version} ("{tag}"). '
        raise VersionConflictError(message + _why_not(given, {tag, str(version)}), current_version=version)


def _why_not(given: list[tuple[str, str]], held: set[str]) -> str:
    """What to do about entity tags that do not match: they are of another state, or not tags that can match."""
    if not given:
        return 'Send an entity tag in quotes, as a read returns it, a version as "3", or *.'
    if any(weak for weak, _ in given):
        return "A weak tag (W/) never matches here: send the ETag as it was returned, without W/."
    if any(text.startswith(tag) for _, text in given for tag in held if not tag.isdigit()):
        return "A proxy has marked the tag: send the ETag without what was added to it."
    return "The layer may have been changed: read it again, then decide."


def layer_etag(strategy_id: str, symbol: str | None, version: int, sequence: int) -> str:
    """The entity tag, quotes included. A fifth part stands for the variables that the process was started with."""
    environment = environment_of(strategy_id)
    parts = [strategy_id, symbol or "global", str(version), str(sequence)]
    if environment.values or environment.is_enabled_set:
        parts.append(_digest(environment))
    return f'"{":".join(parts)}"'


def _digest(environment: EnvironmentLayer) -> str:
    said = [dict(environment.values), environment.enabled if environment.is_enabled_set else None]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
