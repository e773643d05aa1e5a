"""The configuration as one YAML file: what it looks like, reading it without trusting it, writing it.

strategies:
  orderbook_skew:
    enabled: true              # left out: stays as it is
    parameters:                # the layer's own parameters; null: none; left out: stay as they are
      buy_threshold: 1.3
    symbols:
      BTCUSDT:                 # null: no parameters of its own
        enabled: true
        expires_at: 2030-01-01T00:00:00Z
        parameters: {top_levels: 10}
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from strategy_config.exceptions import InvalidRequestError, InvalidSymbolError, Refusal
from strategy_config.resolution import instants
from strategy_config.resolution.layer_keys import LayerKey
from strategy_config.resolution.symbols import normalise_symbol
from strategy_config.services import strict_yaml
from strategy_config.services.import_plan import Wanted
from strategy_core.strategies.registry import STRATEGIES

LONGEST_BYTES = strict_yaml.LONGEST_BYTES
MOST_LAYERS = 5_000
MOST_MEMBERS = 200
_TOP = {"strategies"}
_GLOBAL = {"enabled", "parameters", "symbols"}
_SYMBOL = {"enabled", "expires_at", "parameters"}


@dataclass(slots=True)
class ConfigFile:
    """What a file says: the layers that it wants, the strategies that it names, and what makes no sense in it.

    ``unknown`` are named strategies that the code does not have.
    """

    wanted: list[Wanted] = field(default_factory=list)
    strategy_ids: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    keys: set[LayerKey] = field(default_factory=set)

    def refuse(self, where: str, message: str) -> None:
        """Add a refusal."""
        self.refusals.append(Refusal(where, message))


def read(content: bytes) -> ConfigFile:
    """Read a file. Raises InvalidRequestError where it is no YAML, or too much of it; all else is in ``refusals``."""
    document = _load(content)
    found = ConfigFile()
    if not isinstance(document, dict) or not isinstance(document.get("strategies"), dict):
        raise InvalidRequestError("The file must have `strategies:` with strategies below it.", field="file")
    _refuse_too_many({"": document, **document["strategies"]})
    _refuse_unknown(found, "file", document, _TOP)
    for strategy_id, entry in document["strategies"].items():
        _read_strategy(found, strategy_id, entry)
    return found


def write(wanted: Mapping[str, list[Wanted]], *, heading: str = "") -> str:
    """The file that says this, by strategy; ``heading`` becomes a comment."""
    document = {strategy_id: dict(_entries(layers)) for strategy_id, layers in wanted.items()}
    return "".join(f"# {line}\n" for line in heading.splitlines()) + strict_yaml.dump({"strategies": document})


def _load(content: bytes) -> Any:
    if len(content) > LONGEST_BYTES:
        raise InvalidRequestError(f"The file must have at most {LONGEST_BYTES // 1024} KiB.", field="file")
    try:
        return strict_yaml.load(content)
    except strict_yaml.StrictYamlError as exception:
        raise InvalidRequestError(f"The file is not valid YAML: {exception}", field="file") from None


def _refuse_too_many(strategies: dict[Any, Any]) -> None:
    """Before anything is compared: how many layers the file names, and how many values each."""
    entries = [each for each in strategies.values() if isinstance(each, dict)]
    symbols = [each["symbols"] for each in entries if isinstance(each.get("symbols"), dict)]
    count = len(entries) + sum(map(len, symbols))
    if count > MOST_LAYERS:
        raise InvalidRequestError(f"The file names {count} layers; at most {MOST_LAYERS}.", field="file")
    layers = [*entries, *(layer for each in symbols for layer in each.values() if isinstance(layer, dict))]
    for layer in layers:
        for members in (layer, layer.get("parameters")):
            if isinstance(members, dict) and len(members) > MOST_MEMBERS:
                raise InvalidRequestError(
                    f"A layer of the file has {len(members)} names; at most {MOST_MEMBERS}.", field="file"
                )


def _read_strategy(found: ConfigFile, strategy_id: Any, entry: Any) -> None:
    if strategy_id not in STRATEGIES:
        found.unknown.append(str(strategy_id)[:64])
        return
    where = f"{strategy_id} global"
    if not isinstance(entry, dict):
        found.refuse(where, "It must have enabled, parameters or symbols below it.")
        return
    found.strategy_ids.append(strategy_id)
    _refuse_unknown(found, where, entry, _GLOBAL)
    _read_layer(found, LayerKey(strategy_id, None), entry)
    symbols = entry.get("symbols")
    if symbols is not None and not isinstance(symbols, dict):
        found.refuse(where, "symbols must have symbols below it.")
        return
    for name, layer in (symbols or {}).items():
        _read_symbol(found, strategy_id, name, layer)


def _read_symbol(found: ConfigFile, strategy_id: str, name: Any, entry: Any) -> None:
    if not isinstance(name, str):
        found.refuse(f"{strategy_id} on {str(name)[:64]}", f'A symbol is a text: write "{str(name)[:24]}" in quotes.')
        return
    try:
        key = LayerKey(strategy_id, normalise_symbol(name))
    except InvalidSymbolError as exception:
        found.refuse(f"{strategy_id} on {name[:64]}", exception.message)
        return
    is_second = key in found.keys
    found.keys.add(key)
    if is_second:
        found.refuse(str(key), "Duplicate entry: give it only once.")
    elif entry is None:
        found.wanted.append(Wanted(key, has_parameters=True))
    elif isinstance(entry, dict):
        _refuse_unknown(found, str(key), entry, _SYMBOL)
        _read_layer(found, key, entry)
    else:
        found.refuse(str(key), "It must have enabled, expires_at or parameters below it, or null.")


def _read_layer(found: ConfigFile, key: LayerKey, entry: dict[Any, Any]) -> None:
    parameters, enabled, expires_at = entry.get("parameters"), entry.get("enabled"), entry.get("expires_at")
    until = _instant(expires_at)
    before = len(found.refusals)
    if parameters is not None and not (isinstance(parameters, dict) and all(isinstance(n, str) for n in parameters)):
        found.refuse(str(key), "parameters must have names and values below it, or null.")
    if enabled is not None and not isinstance(enabled, bool):
        found.refuse(str(key), "enabled must be true or false.")
    if expires_at is not None:
        if until is None:
            found.refuse(str(key), "expires_at must be an instant with a time zone, like 2030-01-31T12:00:00Z.")
        elif parameters is None:
            found.refuse(str(key), "expires_at goes with parameters: give both.")
    if len(found.refusals) > before or not entry.keys() & {"parameters", "enabled"}:
        return
    found.wanted.append(Wanted(key, "parameters" in entry, parameters, until, enabled))


def _instant(value: Any) -> datetime | None:
    """The instant in UTC; None for anything else, and where UTC has no such year."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
        return None if instant.tzinfo is None else instants.to_milliseconds(instant)
    except (ValueError, OverflowError):
        return None


def _refuse_unknown(found: ConfigFile, where: str, entry: dict[Any, Any], known: set[str]) -> None:
    for name in entry:
        if name not in known:
            found.refuse(where, f"{str(name)[:64]!r} is not a known key; expected one of {', '.join(sorted(known))}.")


def _entries(layers: list[Wanted]) -> Iterator[tuple[str, Any]]:
    symbols = {}
    for wanted in layers:
        if wanted.key.symbol is None:
            yield from _entry(wanted)
        else:
            symbols[wanted.key.symbol] = dict(_entry(wanted))
    if symbols:
        yield "symbols", symbols


def _entry(wanted: Wanted) -> Iterator[tuple[str, Any]]:
    if wanted.enabled is not None:
        yield "enabled", wanted.enabled
    if wanted.expires_at is not None:
        yield "expires_at", wanted.expires_at
    if wanted.has_parameters:
        yield "parameters", None if wanted.parameters is None else dict(wanted.parameters)
