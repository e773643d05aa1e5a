"""The form of one layer: typed texts in, changes of parameters out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from django import forms
from django.http import QueryDict

from strategy_config.admin.parameter_fields import (
    ExpiryField,
    LayerBoundField,
    ParameterField,
    local_text_of,
    text_of,
)
from strategy_config.resolution import entity_tags, known_strategies, layer_configs
from strategy_config.selectors import stored_layers
from strategy_core.configuration import validation, wire_documents
from strategy_core.strategies.base import ParameterGroup, ParameterSpec

GROUP_TITLES: Mapping[ParameterGroup, str] = {
    "trigger": "When it signals",
    "filter": "When it stays silent",
    "timing": "Time and windows",
    "confidence": "Confidence of a signal",
    "limit": "Size and limits",
}
EXPIRY = "expires_at"


@dataclass(frozen=True, slots=True)
class LayerState:
    """A layer as it is now, and what it would inherit without values of its own."""

    config: wire_documents.LayerConfig
    inherited: Mapping[str, Any]
    sources: Mapping[str, str]
    etag: str


class LayerForm(forms.Form):
    """The fields of a layer as it is, or as it was sent back: then with its changes, and errors where it is unreadable.

    ``changes`` are the parsed values that differ from what is stored, None to drop one. ``notes`` say by field what
    somebody else has done to it. A strategy as a whole never expires and has no field for that.
    """

    def __init__(self, state: LayerState, data: QueryDict | None = None, *, is_editable: bool = True) -> None:
        super().__init__(data, auto_id="%s")
        self.strategy_id, self.symbol, self.state = state.config.strategy_id, state.config.symbol, state
        self.notes: dict[str, str] = {}
        self.changes: dict[str, Any] = {}
        self.specs: Sequence[ParameterSpec] = known_strategies.strategy_class(self.strategy_id).specs()
        for spec in self.specs:
            self.fields[spec.name] = ParameterField(
                spec,
                inherited=state.inherited[spec.name],
                source=state.sources[spec.name],
                refusal=self.own_refusals.get(spec.name, ""),
                initial=text_of(spec, state.config.own.get(spec.name)),
                disabled=not is_editable,
            )
        if self.symbol is not None:
            expires_at = state.config.expires_at
            now = "" if expires_at is None else local_text_of(datetime.fromisoformat(expires_at))
            self.fields[EXPIRY] = ExpiryField(initial=now, disabled=not is_editable)
        self.full_clean()

    def add_prefix(self, field_name: str) -> str:
        """``p-`` keeps parameters apart from the other names of the page's form."""
        return f"p-{field_name}"

    def add_initial_prefix(self, field_name: str) -> str:
        """The name of the hidden field with what a field showed when the form was opened."""
        return f"was-{field_name}"

    def clean(self) -> None:
        """Collect the changes."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data if name in self.cleaned_data}
        changed.pop(EXPIRY, None)
        self.changes = {**changed, **dict.fromkeys(self.dropped)}

    @cached_property
    def own_refusals(self) -> Mapping[str, str]:
        """The values of this layer that are not in force, and why."""
        layer = "global" if self.symbol is None else "symbol"
        return {each.parameter: each.message for each in self.state.config.refused if each.layer == layer}

    @cached_property
    def dropped(self) -> list[str]:
        """The refused values that the sender drops: all of the layer or none."""
        return list(self.own_refusals) if self.is_bound and "drop_refused" in self.data else []

    @property
    def parameters(self) -> list[LayerBoundField]:
        """The parameters' fields, in declaration order."""
        return [self._bound(spec.name) for spec in self.specs]

    @property
    def until(self) -> LayerBoundField | None:
        """The field of the expiry."""
        return self._bound(EXPIRY) if EXPIRY in self.fields else None

    @property
    def is_until_changed(self) -> bool:
        return self.until is not None and self.until.is_changed

    @property
    def expires_at(self) -> datetime | None:
        """The instant that was typed, of use where the field has no errors."""
        return self.cleaned_data.get(EXPIRY)

    @property
    def count(self) -> int:
        """How many changes there are, of parameters and of the expiry."""
        return len(self.changes) + self.is_until_changed

    @property
    def own_texts(self) -> dict[str, str]:
        """What the layer would set itself, as typed."""
        return {each.name: each.text for each in self.parameters if each.is_own}

    @property
    def groups(self) -> list[tuple[str, list[LayerBoundField]]]:
        """The parameters by what they are for, in declaration order within."""
        grouped = [
            (title, [each for each in self.parameters if each.field.spec.group == key])
            for key, title in GROUP_TITLES.items()
        ]
        return [(title, fields) for title, fields in grouped if fields]

    def refuse(self, errors: Sequence[validation.ParameterError]) -> None:
        """Put refusals of a service to their fields."""
        for error in errors:
            self.add_error(error.field if error.field in self.fields else None, error.message)

    def _bound(self, name: str) -> LayerBoundField:
        return cast(LayerBoundField, self[name])


def layer_state(*, strategy_id: str, symbol: str | None, at: datetime) -> LayerState:
    """Read a layer for its form. Raises NotFoundError, InvalidSymbolError, StoreUnavailableError."""
    config = stored_layers.layer_config(strategy_id=strategy_id, symbol=symbol, at=at)
    environment = known_strategies.environment_of(strategy_id)
    if symbol is None:
        below = layer_configs.unstored_config(strategy_id, None)
    else:
        below = stored_layers.layer_config(strategy_id=strategy_id, at=at)
    named = {
        name: f"environment, {environment.variables.get(name, '')}" if source == "environment" else source
        for name, source in below.sources.items()
    }
    return LayerState(config, below.parameters, named, entity_tags.etag(config))
