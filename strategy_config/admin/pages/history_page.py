"""History: filtered, two versions side by side, back to one of them, exported. Nothing here changes a row of it."""

import csv
import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from strategy_config.accounts.permissions import Permission
from strategy_config.admin import wording
from strategy_config.admin.page import Page, all_facts, origin_of, show, show_of, whole
from strategy_config.admin.reason_form import ReasonForm
from strategy_config.admin.script_shapes import UnverifiedDocument, VerifyDocument
from strategy_config.admin.urls import history_url, layer_url, version_url
from strategy_config.exceptions import InvalidRequestError, RedisUnavailableError, VersionConflictError
from strategy_config.history import audit_rows, halt_rows, verification_progress
from strategy_config.models import ConfigAudit
from strategy_config.resolution import differences, entity_tags, instants, known_strategies, symbols
from strategy_config.selectors import history, stored_layers
from strategy_config.selectors.history import HistoryFilter
from strategy_config.services import dry_run, rollback
from strategy_core.configuration.validation import InvalidParametersError
from strategy_core.strategies.registry import STRATEGIES

ROWS = 50
CHANNELS = ("admin", "api", "import", "schedule")
_FORMULA_SIGNS = frozenset("=+-@\t\r")


def rows(request: HttpRequest) -> HttpResponse:
    """The newest rows that the filter lets through, and the way to older ones."""
    chosen = _filter(request)
    found = history.page(chosen, limit=ROWS, before=whole(request.GET.get("before")))
    query = {name: value for name, value in request.GET.items() if value and name != "before"}
    return show(
        request,
        "history.html",
        title="History",
        rows=[_line(row) for row in found.rows],
        older=urlencode({**query, "before": found.next_before}) if found.next_before is not None else "",
        query=urlencode(query),
        filtered_by=" · ".join(map(str, query.values())),
        filter=request.GET,
        strategies=all_facts(),
        actions=ConfigAudit.Action.values,
        channels=CHANNELS,
        chain=verification_progress.chain_state(),
    )


def export(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """Everything that the filter lets through, as CSV or as JSON lines."""
    chosen = _filter(request)
    lines = _csv_lines(chosen) if kind == "csv" else _json_lines(chosen)
    content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/jsonl; charset=utf-8"
    answer = StreamingHttpResponse(lines, content_type=content_type)
    stamp = timezone.now().strftime("%Y%m%dT%H%M%SZ")
    answer["Content-Disposition"] = f'attachment; filename="history-{stamp}.{kind}"'
    return answer


def verify(request: HttpRequest) -> HttpResponse:
    """POST verifies the next rows; the page asks again until the end is reached."""
    if request.method != "POST":
        return HttpResponse(status=405)
    try:
        found, head = verification_progress.verify_on(timezone.now())
    except RedisUnavailableError:
        refusal: UnverifiedDocument = {"text": "Redis is unreachable: the progress of the verification is unknown."}
        return JsonResponse(refusal, status=503)
    document: VerifyDocument = {
        "verified": found.position,
        "head": head,
        "bad": None if found.bad is None else {"position": found.bad.position, "problem": found.bad.problem},
        "is_done": found.position >= head,
    }
    return JsonResponse(document)


def diff(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """Two versions of a layer; the older is the one before the newer where it is not said, the newer the last."""
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    newer = whole(request.GET.get("new"))
    older = whole(request.GET.get("old"))
    if newer is None:
        newer = history.versions(strategy_id=strategy_id, symbol=symbol, wanted=())[0].layer_version
    if older is None:
        older = max(0, newer - 1)
    found = history.versions(strategy_id=strategy_id, symbol=symbol, wanted=(older, newer))
    old, new = (found[version] if version else None for version in (older, newer))
    before, after = (None if row is None else row.new_parameters for row in (old, new))
    changes = differences.own_differences(STRATEGIES.get(strategy_id), before, after)
    return show_of(
        request,
        "diff.html",
        title=f"{_name(strategy_id, symbol)}: version {older} and version {newer}",
        trail=(("History", reverse("admin:history")), (_name(strategy_id, symbol), layer_url(strategy_id, symbol))),
        lines=[{"change": change} for change in changes],
        versions=[{"version": older, "row": old}, {"version": newer, "row": new}],
        switched=wording.row_sentence(_switches(old, new)),
        older=older,
        newer=newer,
        newest=found[0].version,
        strategy_id=strategy_id,
        symbol=symbol,
    )


def roll_back(request: HttpRequest, strategy_id: str, symbol: str | None = None) -> HttpResponse:
    """The review of going back to a version, and the way back itself."""
    symbol = None if symbol is None else symbols.normalise_symbol(symbol)
    version = whole(request.POST.get("version") or request.GET.get("version"))
    if version is None or version < 1:
        raise InvalidRequestError("Select the version to roll back to.", field="version")
    reason, problem = ReasonForm.of(request), ""
    if reason.is_valid():
        try:
            written = rollback.roll_back(
                strategy_id=strategy_id,
                symbol=symbol,
                target_version=version,
                origin=origin_of(request, reason=reason.given),
                if_match=request.POST.get("base"),
            )
            return HttpResponseRedirect(f"{layer_url(strategy_id, symbol)}?saved={written.sequence}")
        except VersionConflictError:
            problem = "Somebody changed this layer after you opened the review. The review below is up to date."
        except InvalidParametersError as refusal:
            problem = str(refusal)
    target = history.versions(strategy_id=strategy_id, symbol=symbol, wanted=(version,))[version]
    now = timezone.now()
    config = stored_layers.layer_config(strategy_id=strategy_id, symbol=symbol, at=now)
    preview = dry_run.check_change(
        strategy_id=strategy_id, symbol=symbol, parameters=target.new_parameters or {}, at=now
    )
    return show_of(
        request,
        "rollback.html",
        strategy_id=strategy_id,
        symbol=symbol,
        title=f"Roll back to version {version}",
        status=409 if problem else 422 if request.method == "POST" else 200,
        trail=(("History", reverse("admin:history")), (_name(strategy_id, symbol), layer_url(strategy_id, symbol))),
        name=_name(strategy_id, symbol),
        target=target,
        preview=preview,
        lines=[
            {"change": each, "sentence": wording.change_sentence(each, symbol, preview.kept.get(each.parameter, {}))}
            for each in preview.changes
        ],
        config=config,
        base=entity_tags.etag(config),
        problem=problem,
        reason=reason.given,
        reason_error=reason.problem,
        back_url=layer_url(strategy_id, symbol),
    )


def _switches(old: ConfigAudit | None, new: ConfigAudit | None) -> list[dict[str, Any]]:
    """What the newer version itself changed beside parameters."""
    if new is None or old is not None and old.layer_version != new.layer_version - 1:
        return []
    return [change for change in new.changes if change["parameter"] in {"enabled", "expires_at"}]


def _line(row: ConfigAudit) -> dict[str, Any]:
    # Versions of a strategy that the code no longer has can be compared, but not restored.
    known = known_strategies.is_known(row.strategy_id)
    layer = (row.strategy_id, row.symbol or None)
    if row.version is None:
        name = f"halt of {halt_rows.recorded_scope(row)}" if halt_rows.is_halt(row) else audit_rows.row_name(row)
        return {"row": row, "words": wording.row_sentence(row.changes), "layer": name}
    return {
        "row": row,
        "words": wording.row_sentence(row.changes) or wording.NO_DIFFERENCE,
        "layer": _name(*layer),
        "history_url": history_url(*layer),
        "diff_url": version_url("diff", *layer, row.version),
        "rollback_url": version_url("rollback", *layer, row.version) if known else "",
    }


def _filter(request: HttpRequest) -> HistoryFilter:
    """What the form says; raises InvalidRequestError for an invalid time, InvalidSymbolError."""
    given = request.GET
    symbol = given.get("symbol", "").strip()
    if symbol and symbol != HistoryFilter.GLOBAL:
        symbol = symbols.normalise_symbol(symbol)
    return HistoryFilter(
        strategy_id=given.get("strategy", ""),
        symbol=symbol,
        who=given.get("who", "").strip(),
        action=given.get("action", ""),
        channel=given.get("channel", ""),
        since=_instant(given.get("since", ""), "since"),
        until=_instant(given.get("until", ""), "until"),
    )


def _instant(text: str, field: str) -> datetime | None:
    """What a field for a time sends, taken as UTC."""
    if not text:
        return None
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise InvalidRequestError(f"{field} must be a time in UTC such as 2030-01-31T12:00.", field=field)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _name(strategy_id: str, symbol: str | None) -> str:
    name = wording.layer_name(strategy_id, symbol)
    return name if known_strategies.is_known(strategy_id) else f"{name} (no longer in the code)"


def _json_lines(chosen: HistoryFilter) -> Iterator[bytes]:
    """A chunk a batch: a chunk a row would cost the server more than the rows do."""
    for batch in history.batches(chosen):
        yield b"".join(orjson.dumps(audit_rows.as_json(row), option=orjson.OPT_APPEND_NEWLINE) for row in batch)


def _csv_lines(chosen: HistoryFilter) -> Iterator[str]:
    """A chunk a batch, as above."""
    heading: list[Iterable[object]] = [_CELLS]
    for batch in history.batches(chosen):
        chunk = io.StringIO()
        rows = ([cell(value) for cell, value in zip(_CELLS.values(), row, strict=False)] for row in batch)
        csv.writer(chunk).writerows(chain(heading, rows))
        heading = []
        yield chunk.getvalue()


def _text(value: str) -> str:
    """A text that a spreadsheet would run as a formula is kept from it by an apostrophe."""
    return f"'{value}" if value[:1] in _FORMULA_SIGNS else value


def _json(value: Any) -> str:
    return orjson.dumps(audit_rows.canonical(value)).decode()


def _or_empty(value: object) -> str:
    return "" if value is None else _text(str(value))


# The columns of the CSV, which are the first of a row as it is read.
_AS_READ: Mapping[object, Callable[[Any], object]] = {
    int | None: _or_empty,
    str: _text,
    str | None: _or_empty,
    uuid.UUID | None: _or_empty,
    datetime: instants.iso,
}
_NO_CELLS = {"id", "format", "salts", "redacted"}
_CELLS = {
    name: _AS_READ.get(kind, _json)
    for name, kind in audit_rows.ReadRow.__annotations__.items()
    if name not in _NO_CELLS
}


PAGES = (
    Page("history/", "history", rows),
    Page("history/export.<str:kind>", "history_export", export),
    Page("history/verify.json", "history_verify", verify, change=Permission.VIEW),
    Page("strategies/<str:strategy_id>/versions/", "diff", diff),
    Page("strategies/<str:strategy_id>/symbols/<str:symbol>/versions/", "symbol_diff", diff),
    Page("strategies/<str:strategy_id>/rollback/", "rollback", roll_back, see=Permission.CHANGE_PARAMETERS),
    Page(
        "strategies/<str:strategy_id>/symbols/<str:symbol>/rollback/",
        "symbol_rollback",
        roll_back,
        see=Permission.CHANGE_PARAMETERS,
    ),
)
