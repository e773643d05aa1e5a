"""Import and export: the configuration out as YAML, and back in through a plan."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from strategy_config.accounts.permissions import Permission
from strategy_config.admin.page import Page, all_facts, may, origin_of, show, whole
from strategy_config.admin.reason_form import ReasonForm
from strategy_config.exceptions import InvalidRequestError, VersionConflictError
from strategy_config.services import imports, yaml_file
from strategy_config.services.import_plan import ImportRefusedError, Plan

SESSION_KEY = "import"
NO_FILE = "Choose a file, preferably one made by the export."


def transfer(request: HttpRequest) -> HttpResponse:
    """The export, and the field for a file."""
    return _show_start(request, saved=whole(request.GET.get("saved")))


def export(request: HttpRequest) -> HttpResponse:
    """The file; ``strategy`` and ``symbols`` choose."""
    now = timezone.now()
    text = imports.export_configuration(
        at=now,
        strategy_ids=request.GET.getlist("strategy"),
        symbols=request.GET.get("symbols", "").replace(",", " ").split(),
    )
    answer = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="strategies-{now:%Y%m%dT%H%M%SZ}.yaml"'
    return answer


def plan(request: HttpRequest) -> HttpResponse:
    """POST takes the file and goes on to GET, which shows what it would do. It is kept in the session till then."""
    if request.method == "POST":
        file = request.FILES.get("file")
        if file is None:
            return _show_start(request, problem=NO_FILE)
        content = file.read(yaml_file.LONGEST_BYTES + 1)
        try:
            yaml_file.read(content)
        except InvalidRequestError as refusal:
            return _show_start(request, problem=refusal.message)
        text = content.decode("utf-8-sig")
        request.session[SESSION_KEY] = {
            "text": text,
            "name": str(file.name)[:100],
            "prune": "prune" in request.POST,
            "allow_enable": "allow_enable" in request.POST,
        }
        return HttpResponseRedirect(reverse("admin:import_plan"))
    kept = request.session.get(SESSION_KEY)
    if kept is None:
        return HttpResponseRedirect(reverse("admin:transfer"))
    return _show_plan(request, kept)


def apply(request: HttpRequest) -> HttpResponse:
    """The plan that was shown, as a whole or not at all."""
    kept = request.session.get(SESSION_KEY)
    if kept is None or request.method != "POST":
        return HttpResponseRedirect(reverse("admin:transfer"))
    if "cancel" in request.POST:
        del request.session[SESSION_KEY]
        return HttpResponseRedirect(reverse("admin:transfer"))
    reason = ReasonForm.of(request)
    if not reason.is_valid():
        return _show_plan(request, kept, status=422, reason=reason.given, reason_error=reason.problem)
    try:
        applied = imports.apply_import(
            content=kept["text"].encode(),
            origin=origin_of(request, reason=reason.given, channel="import"),
            prune=kept["prune"],
            may_switch=may(request, Permission.SWITCH_STRATEGY),
            allow_enable=kept.get("allow_enable", False),
            fingerprint=request.POST.get("fingerprint"),
        )
    except (VersionConflictError, ImportRefusedError) as refusal:
        return _show_plan(request, kept, status=refusal.status, problem=refusal.message, reason=reason.given)
    del request.session[SESSION_KEY]
    return HttpResponseRedirect(f"{reverse('admin:transfer')}?saved={applied.sequence or ''}")


def _show_start(request: HttpRequest, *, problem: str = "", **context: Any) -> HttpResponse:
    return show(
        request,
        "transfer.html",
        title="Import and export",
        status=422 if problem else 200,
        problem=problem,
        strategies=all_facts(),
        longest=yaml_file.LONGEST_BYTES // 1024,
        **context,
    )


def _show_plan(request: HttpRequest, kept: dict[str, Any], *, status: int = 200, **context: Any) -> HttpResponse:
    found: Plan = imports.plan_import(
        content=kept["text"].encode(),
        at=timezone.now(),
        prune=kept["prune"],
        may_switch=may(request, Permission.SWITCH_STRATEGY),
        allow_enable=kept.get("allow_enable", False),
    )
    return show(
        request,
        "import_plan.html",
        title="Import plan",
        status=status,
        trail=(("Import and export", reverse("admin:transfer")),),
        plan=found,
        counted=_counted(found),
        file_name=kept["name"],
        prune=kept["prune"],
        **context,
    )


def _counted(found: Plan) -> str:
    """ "1 to create, 2 to change": what there is of each."""
    counts = {
        "create": found.count("CREATE"),
        "change": found.count("UPDATE"),
        "delete": found.count("DELETE"),
        "switch": found.count("ENABLE", "DISABLE"),
    }
    return ", ".join(f"{count} to {verb}" for verb, count in counts.items() if count)


_TRADERS = {"see": Permission.CHANGE_PARAMETERS, "change": Permission.CHANGE_PARAMETERS}
PAGES = (
    Page("transfer/", "transfer", transfer),
    Page("transfer/export.yaml", "export_config", export),
    Page("transfer/plan/", "import_plan", plan, **_TRADERS),
    Page("transfer/apply/", "import_apply", apply, **_TRADERS),
)
