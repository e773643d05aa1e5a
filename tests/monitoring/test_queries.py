"""Alerts and dashboard ask for metrics and labels that exist, and the documentation tells of the same alerts."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.conftest import PROJECT_ROOT
from tests.monitoring.exposed import metrics

# The site looks the store up when it is scraped.
pytestmark = pytest.mark.django_db
RULES = yaml.safe_load((PROJECT_ROOT / "k8s/monitoring/alerts.yaml").read_text())
ORIGINAL_NAMES = yaml.safe_load((PROJECT_ROOT / "k8s/monitoring/original-names.yaml").read_text())
RECORDS: list[dict[str, Any]] = [rule for group in ORIGINAL_NAMES["spec"]["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((PROJECT_ROOT / "k8s/monitoring/dashboard.json").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
GRAFANA = {"$__rate_interval": "1m", "$instance": ".*"}
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
UNBOUNDED = {"symbol", "path", "user", "request_id", "trace_id"}


def queries() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of everything."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for rule in RECORDS:
        yield rule["record"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in GRAFANA.items():
                query = query.replace(name, value)
            yield panel["title"], query
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"label_values\((\w+), \w+\)", r"\1", variable["query"]["query"])


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    """What a query reads."""
    found: list[promql_parser.VectorSelector] = []

    def collect(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(query), collect)
    return found


def unknown(query: str) -> list[str]:
    """The metrics and labels of a query that nothing shows."""
    problems = []
    read = selectors(query)
    for selector in read:
        labels = metrics().get(selector.name or "")
        if labels is None:
            problems.append(str(selector.name))
            continue
        problems += [f"{selector.name}{{{m.name}}}" for m in selector.matchers.matchers if m.name not in labels]
    grouped = {label for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for label in re.findall(r"\w+", group)}
    known = set().union(*(metrics().get(selector.name or "", set()) for selector in read))
    made = set(re.findall(r'"(\w+)",\s*"[^"]*",\s*"\w+",\s*"[^"]*"\s*\)', query))
    return problems + sorted(grouped - known - made)


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_query__of_an_alert_or_a_panel__reads_metrics_and_labels_that_exist(where: str, query: str) -> None:
    assert selectors(query)
    assert unknown(query) == []


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("rate(realtime_runtime_signal_total[5m]) > 0", ["realtime_runtime_signal_total"]),
        ('realtime_runtime_connected{of="nats"} == 0', ["realtime_runtime_connected{of}"]),
        ("sum by (strategie) (realtime_runtime_signals_total)", ["strategie"]),
        ("sum by (le) (realtime_runtime_decode_seconds_count)", ["le"]),
    ],
)
def test_query__with_a_name_that_does_not_exist__is_found_out(query: str, problems: list[str]) -> None:
    assert unknown(query) == problems


def test_metrics__without_a_limit_of_their_own__have_no_label_that_grows() -> None:
    growing = {name for name, labels in metrics().items() if labels & UNBOUNDED}
    assert growing == {"realtime_runtime_symbol_market_age_seconds"}


def test_metrics__of_ours__carry_their_unit_and_are_all_looked_at() -> None:
    ours = {
        name for name in metrics() if name.startswith(("realtime_runtime_", "realtime_feed_", "configsite_", "http_"))
    }
    assert [name for name in ours if re.search(r"_(ms|milliseconds|us|percent|count_total)$", name)] == []
    read = {selector.name for _, query in queries() for selector in selectors(query)}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in ours}
    seen = {re.sub(r"_(bucket|count|sum)$", "", name or "") for name in read}
    # For who looks closer: what was confirmed, how often connections came back, what is kept.
    assert families - seen <= {
        "realtime_runtime_signals_sent_total", "realtime_runtime_signals_withheld_total",
        "realtime_runtime_share_takeovers_total", "realtime_runtime_nats_reconnects_total", "realtime_runtime_symbols",
        "configsite_runtimes", "configsite_task_seconds",
        "realtime_feed_info", "realtime_feed_nats_reconnects_total", "realtime_feed_rate_limited_total",
    }  # fmt: skip


def as_said(text: str) -> str:
    """A cell of the table, or an annotation, without its markup."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"docs/\1", text).replace("`", "").rstrip(".").casefold()


def test_alerts__of_the_rules_and_of_the_documentation__are_the_same() -> None:
    text = (PROJECT_ROOT / "docs/OPERATIONS.md").read_text()
    table = ROW.findall(text[text.index("## What each alert means") :])
    rules = {
        rule["alert"]: tuple(as_said(rule["annotations"][key]) for key in ("summary", "description", "action"))
        for rule in ALERTS
    }
    assert len(rules) == len(ALERTS)
    assert {name: tuple(map(as_said, cells)) for name, *cells in table} == rules
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS}
    order = [severities[name] for name, *_ in table]
    assert set(order) == {"page", "ticket"}
    assert order == sorted(order), "what wakes somebody up stands first"


def test_dashboard__panels__do_not_overlap_and_have_one_id_each() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("command", [["check", "rules", "rules.yaml"], ["test", "rules", "cases.yaml"]])
@pytest.mark.parametrize(("rules", "cases"), [(RULES, "alert_cases.yaml"), (ORIGINAL_NAMES, "original_cases.yaml")])
def test_rules__by_promtool__are_rules_and_do_what_they_should(
    rules: dict[str, Any], cases: str, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]))
    shutil.copy(Path(__file__).parent / cases, tmp_path / "cases.yaml")
    done = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True)  # noqa: S607
    assert done.returncode == 0, done.stdout + done.stderr
