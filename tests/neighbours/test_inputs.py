"""Inputs of the neighbours: what each file has as its request, against the running product."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import httpx
import pymongo
import pytest
import yaml
from bson import json_util
from django.core.management import call_command
from pytest_django.fixtures import Settings

from realtime_runtime import settings
from tests.conftest import PROJECT_ROOT
from tests.live_site import LiveSite
from tests.neighbours.conftest import STRATEGIES, Neighbourhood
from tests.neighbours.test_original_service import allowed_hosts
from tests.plain_http import NO_ROOTS

Content = Callable[[str], Any]
Signals = Callable[[str], Any]
MIGRATION = PROJECT_ROOT / "docs" / "MIGRATION.md"


class Peer(BaseHTTPRequestHandler):
    """A service of CONFLICT_CHECK_URLS; ``answers`` by the first part of the path, ``site`` is asked back."""

    asked: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, tuple[int, Any]]] = {}
    site: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("/")[1]
        self.asked.append(name)
        if name == "loop":
            own = {
                key: value for key, value in json.loads(body).items() if key in {"strategy_id", "parameters", "symbol"}
            }
            httpx.post(self.site[-1] + "/api/v1/config/validate", json=own, timeout=30, verify=NO_ROOTS)
        status, answer = self.answers[name]
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's output is not its place."""


@pytest.fixture
def content(fault_inputs: Path) -> Content:
    """The content of a JSON file of the folder."""
    return lambda name: json.loads((fault_inputs / name).read_text())


@pytest.fixture
def peer() -> Iterator[str]:
    """Where the peers are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    Peer.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_conflict_check__of_a_peer_that_asks_back__is_one_request(
    content: Content, peer: str, live_site: Callable[..., LiveSite]
) -> None:
    request = content("interop-01-conflict-loop.json")["request"]
    Peer.answers["loop"] = (200, {"success": True, "data": {"validation_passed": True, "errors": [], "conflicts": []}})
    site = live_site(environment={"CONFLICT_CHECK_URLS": f"ta-bot={peer}/loop", "API_ANONYMOUS": "write"})
    Peer.site.append(site.url)
    answer = site.request(request["method"], request["path"], token=None, json=request["body"])
    assert answer.status_code == 200
    assert answer.json()["data"]["conflicts"] == []
    assert Peer.asked == ["loop"]


def test_conflict_check__of_peers_that_know_their_own_parameters_only__is_no_conflict(
    content: Content, peer: str, live_site: Callable[..., LiveSite]
) -> None:
    case = content("interop-07-false-conflict.json")
    names = [pair.partition("=")[0] for pair in case["setup"]["CONFLICT_CHECK_URLS"].split(",")]
    unknown = [
        {
            "field": found["description"].rpartition(" ")[2],
            "code": found["conflict_type"],
            "message": found["description"],
        }
        for found in case["got"]["conflicts"]
    ]
    assert len(unknown) == 2
    refusal = {"success": True, "data": {"validation_passed": False, "errors": unknown, "conflicts": []}}
    missing = {"detail": [{"loc": ["body", "config_type"], "msg": "Field required", "type": "missing"}]}
    Peer.answers |= {names[0]: (200, refusal), names[1]: (422, missing)}
    urls = ",".join(f"{name}={peer}/{name}" for name in names)
    site = live_site(environment={"CONFLICT_CHECK_URLS": urls, "API_ANONYMOUS": "read"})
    found = site.request("POST", case["request"]["path"], token=None, json=case["request"]["body"]).json()["data"]
    assert (found["conflicts"], found["validation_passed"]) == ([], True)
    assert sorted(Peer.asked) == sorted(names)


def test_pause__as_the_cio_sends_it__switches_off(content: Content, neighbourhood: Neighbourhood) -> None:
    request = content("interop-02-cio-pause.json")["request"]
    answer = neighbourhood.ask(
        request["method"], request["path"], json=request["body"], headers={"X-Petrosa-Issuer": "CIO"}
    )
    strategy_id = request["path"].split("/")[4]
    assert answer.status_code < 400
    assert neighbourhood.layer(strategy_id)["enabled"] is False
    neighbourhood.ask("POST", f"{STRATEGIES}/{strategy_id}/enable", json={"changed_by": "tests", "reason": "on again"})


def test_change__of_nothing_or_of_one__leaves_what_others_have_set(
    content: Content, neighbourhood: Neighbourhood
) -> None:
    case = content("interop-03-cio-empty-change.json")
    ((layer, before),) = case["before"].items()
    path = case["request"]["path"]
    assert layer == "global layer of orderbook_skew"
    neighbourhood.ask("PUT", path, json={"parameters": before, "changed_by": "tests"})
    version = neighbourhood.layer("orderbook_skew")["version"]
    assert neighbourhood.envelope("POST", path, json=case["request"]["body"]).success
    unchanged = neighbourhood.layer("orderbook_skew")
    assert (unchanged["version"], unchanged["overrides"]) == (version, before)
    variant = case["variant"]["body.parameters"]
    neighbourhood.envelope("POST", path, json={**case["request"]["body"], "parameters": variant})
    assert neighbourhood.layer("orderbook_skew")["overrides"] == {**before, **variant}


def test_rate_limit__of_writes__says_in_the_body_when_to_come_again(
    content: Content, live_site: Callable[..., LiveSite]
) -> None:
    case = content("interop-05-rate-limit.json")
    site = live_site(environment=case["setup"])
    body = {"parameters": {"top_levels": 6}, "changed_by": "tests"}
    answers = [site.post(f"{STRATEGIES}/orderbook_skew/config", body) for _ in range(3)]
    limited = next(answer for answer in answers if answer.status_code == case["expected"]["status"])
    assert limited.json()["retry_after"] == case["expected"]["body"]["retry_after"]


async def test_signal__for_the_audit_trail__has_the_members_of_the_file_and_its_id_as_the_intents(
    content: Content,
    signals_of: Signals,
    symbol: str,
) -> None:
    expected = content("interop-06-signal.json")["message"]
    sent = json.loads((await signals_of(symbol))[0].data)
    assert set(expected) <= set(sent)
    assert sent["intent_id"] == sent["id"]


def test_metrics_of_all__as_the_original_answers__have_its_members(
    content: Content, neighbourhood: Neighbourhood
) -> None:
    case = content("interop-08-metrics-all.json")
    method, path = case["request"].split(" ", 1)
    answer = neighbourhood.ask(method, "/api/v1" + path.removeprefix("/api/v1")).json()
    assert set(case["expected_members"]) <= set(answer)
    assert set(case["expected_members"]["pagination"]) <= set(answer["pagination"])
    for metrics in answer["data"].values():
        assert set(case["expected_members"]["data"]["ETHUSDT"]) <= set(metrics)


def test_environment__of_the_original__is_taken_and_what_nobody_reads_is_named(fault_inputs: Path) -> None:
    taken, ignored = (fault_inputs / "interop-09-original-defaults.env").read_text().split("# each of these")
    variables = dict(line.split("=", 1) for line in taken.splitlines() if "=" in line and not line.startswith("#"))
    unread = dict(line.split("=", 1) for line in ignored.splitlines() if "=" in line and not line.startswith("#"))
    assert (len(variables), len(unread)) == (4, 10)
    read = settings.read(variables | unread)
    assert read.nats_topic_intents == "cio.intent.trading"
    assert {each.variable for each in read.unread_variables} == unread.keys()


@pytest.mark.django_db(transaction=True)
def test_import__of_a_neighbours_document__passes_it_over_in_one_line(
    content: Content, mongodb_uri: str, settings: Settings
) -> None:
    case = content("interop-11-shared-database.json")
    document = json_util.loads(json.dumps(case["document_of_the_neighbour"]))
    settings.LEGACY_MONGODB_URI = mongodb_uri
    name = f"petrosa_{uuid.uuid4().hex[:8]}"
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        for collection in re.findall(r"strategy_config\w+", case["collection"]):
            client[name][collection].insert_one(dict(document))
        output, errors = StringIO(), StringIO()
        call_command("import_legacy", "--apply", "--source-database", name, stdout=output, stderr=errors)
        client.drop_database(name)
    told = [line for line in output.getvalue().splitlines() if document["strategy_id"] in line]
    assert (len(told), errors.getvalue()) == (1, "")
    assert told[0].startswith("Passed over: ")


def test_hosts__of_the_file__are_allowed(fault_inputs: Path) -> None:
    hosts = [
        line.split(" -> ")[0]
        for line in (fault_inputs / "interop-13-hosts.txt").read_text().splitlines()
        if "->" in line
    ]
    assert len(hosts) == 6
    assert [host for host in hosts if host.partition(":")[0] not in allowed_hosts()] == []


def test_description__request_of_the_file__leaves_out_nothing_that_its_types_require(fault_inputs: Path) -> None:
    """openapi-typescript makes required what is listed as such, and what has a default."""
    text = (fault_inputs / "interop-14-typescript.ts").read_text()
    path, sent = re.search(r'PATCH\("([^"]+)"', text), re.search(r"body: \{ (.*) \},", text)
    assert path is not None
    assert sent is not None
    members = set(re.findall(r"(\w+):", re.sub(r"\{[^{}]*\}", "{}", sent[1])))
    description = yaml.safe_load((PROJECT_ROOT / "docs" / "openapi.yaml").read_text())
    body = description["paths"][path[1]]["patch"]["requestBody"]["content"]["application/json"]["schema"]
    schema = description["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    demanded = {name for name, each in schema["properties"].items() if "default" in each} | set(schema["required"])
    assert members == {"parameters", "changed_by"}
    assert demanded <= members


# What the file names, and whether it is so here; else the line of the table of differences that says so.
SHAPES: dict[str, str | None] = {
    "POST …/config validate_only": None,
    "POST …/config": "| `metadata.action` of a change | `updated`",
    "POST …/config, refused": "| `error.details.errors` of a refused change | texts |",
    "DELETE …/config/BTCUSDT": None,
    "DELETE, nothing there": "| DELETE of nothing | 200, `DELETE_FAILED` |",
    "rollback, no such version": "| rollback to a version that does not exist | 200, `ROLLBACK_FAILED` |",
    "POST /strategies/cache/refresh": None,
    "GET …/audit": "| `version` of a row of the history | in `new_parameters` |",
    "GET /metrics/depth/<unknown>": "| depth or pressure of an unknown symbol | 200,",
    "GET /": None,
    "GET /openapi.json": None,
    "GET /healthz": None,
    "GET /ready": None,
    "GET /info": "| `/info` | service, environment, configuration, strategies, trading, risk |",
}


def test_shapes__of_the_original__are_here_or_in_the_table_of_differences(
    content: Content, neighbourhood: Neighbourhood, symbol: str
) -> None:
    shapes = content("interop-12-legacy-shapes.json")
    assert shapes.keys() == SHAPES.keys()
    table = MIGRATION.read_text()
    assert [line for line in SHAPES.values() if line is not None and line not in table] == []
    layer = f"{STRATEGIES}/orderbook_skew/config/{symbol}"
    body = {"parameters": {"top_levels": 6}, "changed_by": "tests"}
    checked = neighbourhood.ask("POST", layer, json={**body, "validate_only": True}).json()
    assert (
        checked["metadata"]["validation"] == shapes["POST …/config validate_only"]["expected"]["metadata"]["validation"]
    )
    neighbourhood.ask("POST", layer, json=body)
    deleted = neighbourhood.ask("DELETE", f"{layer}?changed_by=tests&reason=over").json()
    assert "deleted successfully" in deleted["data"]["message"]
    assert deleted["metadata"]["symbol"] == symbol
    refreshed = neighbourhood.site.post(f"{STRATEGIES}/cache/refresh").json()
    assert refreshed["metadata"]["action"] == shapes["POST /strategies/cache/refresh"]["expected"]["metadata"]["action"]
    root = neighbourhood.ask("GET", "/").json()
    assert {"service", "version", "status", "endpoints"} <= root.keys()
    assert neighbourhood.ask("GET", "/openapi.json").status_code == shapes["GET /openapi.json"]["expected"]
    health = neighbourhood.ask("GET", "/healthz").json()
    assert (health["status"], {"uptime_seconds", "checks", "version"} <= health.keys()) == ("healthy", True)
    assert neighbourhood.ask("GET", "/ready").json()["ready"] is True
