"""The page of one layer, of a strategy or of one symbol of it: read, type, review, save, watch it being applied."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import timezone

from strategy_config.accounts.permissions import Permission
from strategy_config.admin import forms, heartbeats, strategy_cards, wording
from strategy_config.admin.forms import LayerForm
from strategy_config.admin.page import Page, may, origin_of, show_of, whole
from strategy_config.admin.poll_document import change_line
from strategy_config.admin.reason_form import ReasonForm, typed_reason
from strategy_config.admin.script_shapes import CheckDocument
from strategy_config.admin.urls import layer_url
from strategy_config.exceptions import InvalidRequestError, RedisUnavailableError, VersionConflictError
from strategy_config.models import ConfigAudit
from strategy_config.observed import runtimes
from strategy_config.resolution import expiry, symbols
from strategy_config.selectors import history, overviews
from strategy_config.services import dry_run, layer_edits, layers
from strategy_config.services.dry_run import Preview
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.strategies.registry import STRATEGIES


def layer(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """GET shows the form. POST goes one ``step``: back to it ("edit"), to the review, or to the change ("save")."""
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    state = forms.layer_state(strategy_id=strategy_id, symbol=symbol, at=timezone.now())
    if request.method != "POST":
        return _show_form(request, LayerForm(state, is_editable=may(request, Permission.CHANGE_PARAMETERS)))
    form = LayerForm(state, request.POST)
    if request.POST.get("base", state.etag) != state.etag:
        return _show_conflict(request, form)
    step = request.POST.get("step", "review")
    preview = _judge(form)
    if step == "edit" or preview is None:
        return _show_form(request, form, status=422 if form.errors else 200)
    reason = ReasonForm.of(request, is_sent=step == "save")
    if not reason.is_valid():
        return _show_review(request, form, preview, reason.given, reason.problem)
    return _save(request, form, preview, reason.given)


def check(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """What the services say to the form as it is typed: the words beside the fields while typing are theirs."""
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    state = forms.layer_state(strategy_id=strategy_id, symbol=symbol, at=timezone.now())
    form = LayerForm(state, request.POST)
    _judge(form)
    document: CheckDocument = {
        "errors": {name: [str(each) for each in form.errors[name]] for name in form.fields if name in form.errors},
        "other": [str(each) for each in form.non_field_errors()],
    }
    return JsonResponse(document)


def _judge(form: LayerForm) -> Preview | None:
    """Put what the services refuse to the form's fields; answers what the change would do, None where it cannot be."""
    if form.is_until_changed and forms.EXPIRY not in form.errors:
        try:
            expiry.check_expiry(form.expires_at, symbol=form.symbol, parameters=form.own_texts, at=timezone.now())
        except InvalidRequestError as refusal:
            form.add_error(forms.EXPIRY, refusal.message)
    if form.errors or not form.count:
        return None
    preview = dry_run.check_change(
        strategy_id=form.strategy_id,
        symbol=form.symbol,
        parameters=form.changes,
        is_merge=True,
        at=timezone.now(),
    )
    form.refuse(preview.errors)
    return None if preview.errors else preview


def _save(request: HttpRequest, form: LayerForm, preview: Preview, reason: str) -> HttpResponse:
    try:
        written = layers.merge_layer(
            strategy_id=form.strategy_id,
            symbol=form.symbol,
            parameters=form.changes,
            origin=origin_of(request, reason=reason),
            expires_at=form.expires_at if form.is_until_changed else layer_edits.UNSET,
            if_match=form.state.etag,
        )
    except VersionConflictError:
        state = forms.layer_state(strategy_id=form.strategy_id, symbol=form.symbol, at=timezone.now())
        return _show_conflict(request, LayerForm(state, request.POST))
    except InvalidParametersError as refusal:
        form.refuse(refusal.errors)
        return _show_form(request, form, status=422)
    except InvalidRequestError as refusal:
        return _show_review(request, form, preview, reason, refusal.message)
    return HttpResponseRedirect(f"{layer_url(form.strategy_id, form.symbol)}?saved={written.sequence}")


def _show_form(request: HttpRequest, form: LayerForm, *, status: int = 200, **context: Any) -> HttpResponse:
    overview = overviews.strategy_overview(form.strategy_id, timezone.now())
    beats = heartbeats.latest()
    switched = history.last_switch(strategy_id=form.strategy_id, symbol=form.symbol)
    is_off_above = form.symbol is not None and not overview.is_enabled
    return show_of(
        request,
        "layer.html",
        strategy_id=form.strategy_id,
        symbol=form.symbol,
        title=wording.layer_name(form.strategy_id, form.symbol),
        status=status,
        trail=_trail(form)[:-1],
        form=form,
        overview=overview,
        scope=strategy_cards.scope(overview, beats),
        is_unseen=form.symbol is not None and heartbeats.is_unseen(form.symbol, beats),
        switched=switched,
        switched_whole=history.last_switch(strategy_id=form.strategy_id) if is_off_above else None,
        enabled_variable=STRATEGIES[form.strategy_id].enabled_variable(),
        applied=_applied(form.state.config.sequence),
        saved=whole(request.GET.get("saved")),
        # Typed at the review, which a conflict and the way back to the form lead away from.
        reason=typed_reason(request),
        may_edit=may(request, Permission.CHANGE_PARAMETERS),
        form_url=layer_url(form.strategy_id, form.symbol),
        check_url=f"{layer_url(form.strategy_id, form.symbol)}check.json",
        **context,
    )


def _show_review(
    request: HttpRequest, form: LayerForm, preview: Preview, reason: str, reason_error: str
) -> HttpResponse:
    lines = [
        {"change": each, "sentence": wording.change_sentence(each, form.symbol, preview.kept.get(each.parameter, {}))}
        for each in preview.changes
    ]
    moved = {each.parameter for each in preview.changes}
    still = [each for each in form.parameters if each.name in form.changes and each.name not in moved]
    return show_of(
        request,
        "review.html",
        strategy_id=form.strategy_id,
        symbol=form.symbol,
        title="Review",
        status=422 if reason_error else 200,
        trail=_trail(form),
        form=form,
        lines=lines,
        still=still,
        preview=preview,
        until=_until_sentence(form),
        reason=reason,
        reason_error=reason_error,
        form_url=layer_url(form.strategy_id, form.symbol),
    )


def _until_sentence(form: LayerForm) -> str:
    if form.symbol is None:
        return ""
    was = form.state.config.expires_at
    old = None if was is None else datetime.fromisoformat(was)
    if form.is_until_changed:
        return wording.expiry_sentence(form.symbol, old, form.expires_at)
    return "" if old is None or form.own_texts else wording.dropped_expiry_sentence(form.symbol, old)


def _show_conflict(request: HttpRequest, form: LayerForm) -> HttpResponse:
    """The form with what was typed, over what somebody else has written since it was opened."""
    base = whole(request.POST.get("base_sequence"))
    sequence = form.state.config.sequence if base is None else base
    meanwhile = history.changes_since(strategy_id=form.strategy_id, symbol=form.symbol, sequence=sequence)
    for row in reversed(meanwhile):
        for change in row.changes:
            if change["parameter"] in form.changes:
                form.notes[change["parameter"]] = _note(row, change)
    _judge(form)
    return _show_form(request, form, status=409, is_conflict=True, meanwhile=[change_line(row) for row in meanwhile])


def _note(row: ConfigAudit, change: dict[str, Any]) -> str:
    if change["new"] is None:
        return f"{row.changed_by} has removed the own value in the meantime."
    return f"{row.changed_by} has set this to {wording.shown(change['new'])} in the meantime."


def _applied(sequence: int) -> str:
    """Where the layer's last change stands, in words."""
    try:
        progress = runtimes.progress(sequence, timezone.now())
    except RedisUnavailableError:
        progress = None
    sentence = wording.progress_sentence(progress)
    return sentence[0].lower() + sentence[1:]


def _trail(form: LayerForm) -> tuple[tuple[str, str], ...]:
    own = (wording.layer_name(form.strategy_id, form.symbol), layer_url(form.strategy_id, form.symbol))
    if form.symbol is None:
        return (own,)
    return ((STRATEGIES[form.strategy_id].name, layer_url(form.strategy_id)), own)


PAGES = (
    Page("strategies/<str:strategy_id>/", "layer", layer),
    Page("strategies/<str:strategy_id>/check.json", "layer_check", check),
    Page("strategies/<str:strategy_id>/symbols/<str:symbol>/", "symbol_layer", layer),
    Page("strategies/<str:strategy_id>/symbols/<str:symbol>/check.json", "symbol_layer_check", check),
)
