"""Fields of a layer's form, made from the declarations of parameters. An empty field inherits.

A field parses; the services judge.
"""

import math
import re
from datetime import UTC, datetime
from typing import Any, Literal

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from strategy_config.admin.wording import shown
from strategy_core.configuration import parameter_values
from strategy_core.strategies.base import ParameterSpec

Kind = Literal["number", "switch", "items", "choice", "text"]
STEPS_OF_RANGE = 100
STEPS_OF_DEFAULT = 10
SECONDS_OF_AN_HOUR = 3_600
LONGEST_TEXT = 64
WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
TRUE, FALSE = "true", "false"


class LayerBoundField(BoundField):
    """A field of a layer's form: what was typed over what is stored now.

    The form carries along, as ``was-`` and the field's name, the text that the field showed when it was opened. Only
    what differs from that was typed: a value that somebody else has changed since is not written back by accident.
    """

    form: Any
    field: Any

    @property
    def data(self) -> str:
        """What is to be there: typed, or else stored."""
        if self.name in self.form.dropped:
            return ""
        opened_with = self.form.data.get(self.html_initial_name)
        typed = (super().data or "").strip()
        if opened_with is None or not self.field.has_changed(opened_with, typed):
            return self.was
        return typed

    @property
    def text(self) -> str:
        """What the field shows."""
        value: str = self.value()
        return value

    @property
    def was(self) -> str:
        """What it would show if nobody had typed; the form is judged, and sent again, as opened on this."""
        value: str = self.initial
        return value

    @property
    def is_own(self) -> bool:
        return self.text != ""

    @property
    def is_changed(self) -> bool:
        return self.text != self.was

    @property
    def state(self) -> Literal["changed", "own", "inherited"]:
        return "changed" if self.is_changed else "own" if self.is_own else "inherited"

    @property
    def note(self) -> str:
        """What somebody else has done to it in the meantime."""
        words: str = self.form.notes.get(self.name, "")
        return words


class ParameterField(forms.Field):
    """One parameter. ``inherited`` holds without an own value; ``refusal`` is why the stored one is not in force."""

    bound_field_class = LayerBoundField

    def __init__(
        self, spec: ParameterSpec, *, inherited: Any = None, source: str = "", refusal: str = "", **options: Any
    ) -> None:
        self.spec = spec
        self.kind = _kind_of(spec)
        self.inherited = inherited
        self.source = source
        self.refusal = refusal
        super().__init__(required=False, label=spec.name, help_text=spec.description, widget=self._widget(), **options)

    def to_python(self, value: Any) -> Any:
        """The value that the text gives, None for an empty one."""
        if value == "":
            return None
        try:
            return parse(self.spec, value)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean(self, value: Any) -> Any:
        """Only what was changed is parsed: a stored value that does not fit stays until somebody drops it."""
        return super().clean(value) if self.has_changed(self.initial, value) else None

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the texts give different values; "1.20" and "1.2" do not."""
        if initial == data:
            return False
        if initial == "" or data == "":
            return True
        try:
            return bool(parse(self.spec, initial) != parse(self.spec, data))
        except ValueError:
            return True

    @property
    def limits(self) -> str:
        """The allowed range in words."""
        spec = self.spec
        if spec.type == "list":
            least = f"at least {shown(spec.minimum)}; " if spec.minimum is not None else ""
            return f"{least}none selected means inherited"
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

    def _widget(self) -> forms.Widget:
        """The errors and limits of a field are beside it, under ids that name the parameter."""
        spec, inherits = self.spec, ("", f"inherited: {shown(self.inherited)}")
        name = spec.name
        choices = [(each, each) for each in spec.allowed_values or ()]
        if self.kind == "items":
            return TickedItems(choices=choices)
        described = {"aria-describedby": f"limits-{name} errors-{name}"}
        if self.kind == "switch":
            return forms.Select(described, choices=[inherits, (TRUE, "on"), (FALSE, "off")])
        if self.kind == "choice":
            return forms.Select(described, choices=[inherits, *choices])
        attributes = {
            **described,
            "placeholder": shown(self.inherited),
            "autocomplete": "off",
            "spellcheck": "false",
            "maxlength": LONGEST_TEXT,
        }
        if self.kind == "number":
            attributes |= {
                "class": "number",
                "inputmode": "decimal",
                "data-step": self.step,
                "data-min": shown(spec.minimum),
                "data-max": shown(spec.maximum),
            }
        return forms.TextInput(attributes)


class TickedItems(forms.CheckboxSelectMultiple):
    """A list parameter as boxes; its text are the ticked items with commas between."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        """Also of a review, which carries the text along in one hidden field."""
        return ",".join(item.strip() for item in map(str, data.getlist(name)))

    def format_value(self, value: Any) -> list[str]:
        """The ticked items."""
        return value.split(",") if value else []


class ExpiryField(forms.Field):
    """When a symbol's own values end: a time in UTC, "" for as long as nobody changes them."""

    bound_field_class = LayerBoundField

    def __init__(self, **options: Any) -> None:
        attributes = {"step": "any", "aria-describedby": "until-local errors-expires_at"}
        super().__init__(required=False, widget=UtcTimeInput(attributes), **options)

    def to_python(self, value: Any) -> datetime | None:
        """The instant."""
        if not value:
            return None
        try:
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        except ValueError as error:
            raise ValidationError("expires_at must be a time in UTC such as 2030-01-31T12:00.") from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """By the text."""
        return bool(initial != data)


class UtcTimeInput(forms.TextInput):
    """A browser's own field for times."""

    input_type = "datetime-local"


def parse(spec: ParameterSpec, text: str) -> Any:
    """The value that was typed. One comma is taken for a decimal point, unless it could separate thousands.

    Raises ValueError with a message for the person who typed.
    """
    text = text.strip()
    if spec.type in {"int", "float"} and "," in text:
        head, _, tail = text.partition(",")
        if "," in tail or "." in text or (len(tail) == 3 and head.lstrip("+-") not in {"", "0"}):
            raise ValueError(
                f"{spec.name} {text!r} can be read in two ways. Use a point for decimals and no thousands separator, "
                f"such as {shown(spec.example)}."
            )
        text = f"{head}.{tail}"
    if spec.type == "float" and WHOLE.fullmatch(text):
        return int(text)  # so that a refusal names what was typed
    value = parameter_values.parse_text(spec, text)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{spec.name} must be a number, not {text!r}.")
    return value


def text_of(spec: ParameterSpec, value: Any) -> str:
    """The text of a value, "" for None."""
    if value is None:
        return ""
    if spec.type == "bool" and isinstance(value, bool):
        return TRUE if value else FALSE
    return ",".join(map(str, value)) if isinstance(value, list) else shown(value)


def local_text_of(instant: datetime) -> str:
    """The instant as a field for times shows it: in UTC, without naming it, no finer than necessary."""
    local = instant.astimezone(UTC).replace(tzinfo=None)
    return local.isoformat(timespec="auto" if local.microsecond or local.second else "minutes")


def _in_words(seconds: float) -> str:
    """ "90 s", "30 min", "24 h": in the largest unit that divides it."""
    for size, unit in ((SECONDS_OF_AN_HOUR, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{shown(seconds)} s"


def _kind_of(spec: ParameterSpec) -> Kind:
    if spec.type == "list":
        return "items"
    if spec.type == "bool":
        return "switch"
    if spec.allowed_values is not None:
        return "choice"
    return "text" if spec.type == "str" else "number"
