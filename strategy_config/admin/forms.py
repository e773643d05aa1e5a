"""The form of one layer: typed texts in, changes of parameters out, made from the strategy's declaration.

It parses; what is allowed is the services' business. A field that is left empty inherits.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import QueryDict

from strategy_config.admin.wording import shown
from strategy_config.resolution import resolution
from strategy_config.selectors import selectors
from strategy_core.configuration import layers, wire
from strategy_core.strategies.base import ParameterGroup, ParameterSpec

Kind = Literal["number", "switch", "items", "choice", "text"]
GROUP_TITLES: Mapping[ParameterGroup, str] = {
    "trigger": "When it signals",
    "filter": "When it stays silent",
    "timing": "Time and windows",
    "confidence": "How sure a signal is",
    "limit": "Size and limits",
}
STEPS_OF_RANGE = 100
STEPS_OF_DEFAULT = 10
SECONDS_OF_AN_HOUR = 3_600
WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
TRUE, FALSE = "true", "false"
EXPIRY = "expires_at"


@dataclass(frozen=True, slots=True)
class LayerState:
    """A layer as it is now, and what it would inherit without values of its own."""

    config: wire.LayerConfig
    inherited: Mapping[str, Any]
    sources: Mapping[str, str]
    etag: str


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter in the form. ``text`` is what stands in the field, ``was`` what stood there when it was opened.

    ``errors`` are the refusals in words, ``note`` what somebody else has done to it meanwhile, ``refusal`` why the
    stored value is not in force.
    """

    spec: ParameterSpec
    kind: Kind
    text: str
    was: str
    inherited: Any
    source: str
    errors: tuple[str, ...] = ()
    note: str = ""
    refusal: str = ""

    @property
    def is_own(self) -> bool:
        return self.text != ""

    @property
    def is_changed(self) -> bool:
        return self.text != self.was

    @property
    def state(self) -> str:
        return "changed" if self.is_changed else "own" if self.is_own else "inherited"

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(self.text.split(",")) if self.text else ()

    @property
    def limits(self) -> str:
        """The allowed range in words."""
        spec = self.spec
        if spec.type == "list":
            least = f"at least {shown(spec.minimum)}; " if spec.minimum is not None else ""
            return f"{least}with none ticked it inherits"
        if spec.minimum is None or spec.maximum is None:
            return ""
        limits = f"{shown(spec.minimum)} to {shown(spec.maximum)}"
        if spec.unit == "s" and spec.maximum >= SECONDS_OF_AN_HOUR:
            limits += f" ({_in_words(spec.minimum)} to {_in_words(spec.maximum)})"
        return limits

    @property
    def step(self) -> str:
        """A hundredth of the range, no more than a tenth of the default: one press is never another order of magnitude.

        Rounded to 1, 2 or 5 of its power of ten; whole for whole numbers.
        """
        spec = self.spec
        if spec.minimum is None or spec.maximum is None:
            return "1"
        raw = (spec.maximum - spec.minimum) / STEPS_OF_RANGE
        if spec.default:
            raw = min(raw, abs(spec.default) / STEPS_OF_DEFAULT)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
        return shown(max(1, round(step))) if spec.type == "int" else shown(round(step, 10))


@dataclass(slots=True)
class Until:
    """How long a symbol's own values hold: a time in UTC as its field shows it, "" for as long as nobody changes them.

    ``at`` is what ``text`` stands for, of use where there are no ``errors``.
    """

    text: str
    was: str
    at: datetime | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def is_changed(self) -> bool:
        return self.text != self.was

    @property
    def state(self) -> str:
        return "changed" if self.is_changed else "own" if self.text else "inherited"


@dataclass(slots=True)
class LayerForm:
    """The fields of a layer. ``changes`` are the parsed values that differ from what was there, None to drop one.

    ``until`` is None for a strategy as a whole, which never expires. ``dropped`` are refused values that are dropped.
    """

    strategy_id: str
    symbol: str | None
    state: LayerState
    fields: list[Field]
    changes: dict[str, Any] = field(default_factory=dict)
    other_errors: list[str] = field(default_factory=list)
    until: Until | None = None
    dropped: list[str] = field(default_factory=list)

    @property
    def own_refusals(self) -> Mapping[str, str]:
        """The values of this layer that are not in force, and why."""
        layer = "global" if self.symbol is None else "symbol"
        return {each.parameter: each.message for each in self.state.config.refused if each.layer == layer}

    def drop_refused(self) -> None:
        """Make dropping every such value of the layer a change of the form."""
        self.dropped = list(self.own_refusals)
        for name in self.dropped:
            self.changes[name] = None
        self.fields = [replace(each, text="") if each.spec.name in self.dropped else each for each in self.fields]

    @property
    def count(self) -> int:
        """How many changes there are, of parameters and of the expiry."""
        return len(self.changes) + self.is_until_changed

    @property
    def own_texts(self) -> dict[str, str]:
        """What the layer would set itself, as typed."""
        return {each.spec.name: each.text for each in self.fields if each.is_own}

    @property
    def is_until_changed(self) -> bool:
        return self.until is not None and self.until.is_changed

    @property
    def groups(self) -> list[tuple[str, list[Field]]]:
        """The fields by what they are for, in declaration order within."""
        grouped = [(title, [f for f in self.fields if f.spec.group == key]) for key, title in GROUP_TITLES.items()]
        return [(title, fields) for title, fields in grouped if fields]

    @property
    def has_errors(self) -> bool:
        is_until_wrong = self.until is not None and bool(self.until.errors)
        return is_until_wrong or bool(self.other_errors) or any(each.errors for each in self.fields)

    def refuse(self, errors: Sequence[layers.ParameterError]) -> None:
        """Put refusals of a service to their fields."""
        names = {each.spec.name for each in self.fields}
        for error in errors:
            if error.field in names:
                self._amend(error.field, error=error.message)
            else:
                self.other_errors.append(error.message)

    def note(self, name: str, words: str) -> None:
        """Say with a field what has happened to it."""
        self._amend(name, note=words)

    def _amend(self, name: str, *, error: str | None = None, note: str | None = None) -> None:
        for index, each in enumerate(self.fields):
            if each.spec.name == name:
                errors = each.errors if error is None else (*each.errors, error)
                self.fields[index] = replace(each, errors=errors, note=each.note if note is None else note)


def layer_state(*, strategy_id: str, symbol: str | None, at: datetime) -> LayerState:
    """Read a layer for its form. Raises NotFoundError, InvalidSymbolError, StoreUnavailableError."""
    config = selectors.layer_config(strategy_id=strategy_id, symbol=symbol, at=at)
    environment = resolution.environment_of(strategy_id)
    if symbol is None:
        below = resolution.unstored_config(strategy_id, None)
    else:
        below = selectors.layer_config(strategy_id=strategy_id, at=at)
    named = {
        name: f"environment, {environment.variables.get(name, '')}" if source == "environment" else source
        for name, source in below.sources.items()
    }
    return LayerState(config, below.parameters, named, selectors.etag(config))


def layer_form(state: LayerState, data: QueryDict | None = None) -> LayerForm:
    """The form as the layer is, or as it was sent back: then with its changes, and with errors where it is unreadable.

    Whoever sends it tells for each field what stood there when it was opened, so that values which somebody else has
    changed meanwhile are not written back by the way.
    """
    strategy = resolution.strategy_class(state.config.strategy_id)
    form = LayerForm(state.config.strategy_id, state.config.symbol, state, [])
    for spec in strategy.specs():
        own = state.config.overrides.get(spec.name)
        now = "" if own is None else _text_of(spec, own)
        text = now
        if data is not None and f"was-{spec.name}" in data:
            typed = ",".join(item.strip() for item in map(str, data.getlist(f"p-{spec.name}"))).strip()
            if not _is_same(spec, typed, str(data[f"was-{spec.name}"])):
                text = typed
        form.fields.append(
            Field(
                spec,
                _kind_of(spec),
                text,
                now,
                state.inherited[spec.name],
                state.sources[spec.name],
                refusal=form.own_refusals.get(spec.name, ""),
            )
        )
        if not _is_same(spec, text, now):
            _read(form, spec, text)
    if form.symbol is not None:
        form.until = _until(form, data)
    if data is not None and "drop_refused" in data:
        form.drop_refused()
    return form


def parse(spec: ParameterSpec, text: str) -> Any:
    """The value that was typed. One comma is taken for a decimal point, unless it could part thousands.

    Raises ValueError with a message for the one who typed.
    """
    text = text.strip()
    if spec.type in {"int", "float"} and "," in text:
        head, _, tail = text.partition(",")
        if "," in tail or "." in text or (len(tail) == 3 and head.lstrip("+-") not in {"", "0"}):
            raise ValueError(
                f"{spec.name} {text!r} can be read in two ways. Write it with a point for decimals and nothing else, "
                f"such as {shown(spec.example)}."
            )
        text = f"{head}.{tail}"
    if spec.type == "float" and WHOLE.fullmatch(text):
        return int(text)  # so that a refusal names what was typed
    value = layers.parse_text(spec, text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{spec.name} must be a number, not {text!r}.")
    return value


def _read(form: LayerForm, spec: ParameterSpec, text: str) -> None:
    if text == "":
        form.changes[spec.name] = None
        return
    try:
        form.changes[spec.name] = parse(spec, text)
    except ValueError as error:
        form._amend(spec.name, error=str(error))


def _until(form: LayerForm, data: QueryDict | None) -> Until:
    """As ``layer_form``: only what was typed over what stood there counts."""
    expires_at = form.state.config.expires_at
    now = "" if expires_at is None else _as_local(datetime.fromisoformat(expires_at))
    typed = now if data is None else str(data.get(f"p-{EXPIRY}", now)).strip()
    if data is None or typed == data.get(f"was-{EXPIRY}", now):
        typed = now
    until = Until(typed, now)
    if until.text:
        try:
            until.at = datetime.fromisoformat(until.text).replace(tzinfo=UTC)
        except ValueError:
            until.errors.append(f"{EXPIRY} must be a time in UTC, like 2030-01-31T12:00.")
    return until


def _in_words(seconds: float) -> str:
    """ "90 s", "30 min", "24 h": in the greatest unit that leaves no rest."""
    for size, unit in ((SECONDS_OF_AN_HOUR, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{shown(seconds)} s"


def _as_local(instant: datetime) -> str:
    """The instant as a field for times shows it: in UTC, without naming it, no finer than it has to be."""
    local = instant.astimezone(UTC).replace(tzinfo=None)
    return local.isoformat(timespec="auto" if local.microsecond or local.second else "minutes")


def _is_same(spec: ParameterSpec, text: str, other: str) -> bool:
    """Whether two texts stand for the same; "1.20" and "1.2" do."""
    if text == other:
        return True
    if text == "" or other == "":
        return False
    try:
        return bool(parse(spec, text) == parse(spec, other))
    except ValueError:
        return False


def _text_of(spec: ParameterSpec, value: Any) -> str:
    if spec.type == "bool" and isinstance(value, bool):
        return TRUE if value else FALSE
    return ",".join(map(str, value)) if isinstance(value, list) else shown(value)


def _kind_of(spec: ParameterSpec) -> Kind:
    if spec.type == "list":
        return "items"
    if spec.type == "bool":
        return "switch"
    if spec.allowed_values is not None:
        return "choice"
    return "text" if spec.type == "str" else "number"
