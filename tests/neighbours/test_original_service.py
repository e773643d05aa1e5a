"""The service endpoints, as probes, dashboards and the original's own tests ask them, under every host in use."""

import re

import pytest

from tests.deploy.manifests import containers
from tests.neighbours.conftest import Neighbourhood

HOSTS = [
    "petrosa-realtime-strategies",
    "petrosa-realtime-strategies:80",
    "petrosa-realtime-strategies.petrosa-apps",
    "petrosa-realtime-strategies.petrosa-apps.svc.cluster.local",
    "petrosa-realtime-strategies.petrosa-apps.svc.cluster.local:80",
    "petrosa-realtime-strategies-service",
    "realtime-strategies:8080",
    "realtime-strategies-service:8080",
    "realtime-strategies-service.petrosa-apps.svc",
    "10.0.0.7:8080",
]


def test_root__asked_by_a_program__tells_where_everything_is(neighbourhood: Neighbourhood) -> None:
    response = neighbourhood.ask("GET", "/", headers={"Accept": "application/json"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["status"] == "running"
    assert answer["service"]
    assert answer["version"]
    assert answer["endpoints"]["health"] == "/healthz"
    for path in answer["endpoints"].values():
        assert neighbourhood.ask("GET", path).status_code in {200, 302, 401}, path


def test_root__asked_by_a_browser__is_the_documentation(neighbourhood: Neighbourhood) -> None:
    response = neighbourhood.ask("GET", "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (response.status_code, response.headers["Location"]) == (302, "/docs")


def test_healthz__of_both_processes__is_200_with_a_status(neighbourhood: Neighbourhood) -> None:
    site = neighbourhood.ask("GET", "/healthz").json()
    assert site["status"] == "healthy"
    assert site["uptime_seconds"] >= 0
    assert site.keys() >= {"checks", "version"}
    runtime = neighbourhood.runtime.answer("/healthz")
    assert runtime is not None
    assert runtime.status_code == 200


def test_ready__of_both_processes__says_ready(neighbourhood: Neighbourhood) -> None:
    assert neighbourhood.ask("GET", "/ready").json()["ready"] is True
    runtime = neighbourhood.runtime.answer("/ready")
    assert runtime is not None
    assert (runtime.status_code, runtime.json()["ready"]) == (200, True)
    assert runtime.json()["checks"]


def test_metrics__of_both_processes__are_prometheus_text(neighbourhood: Neighbourhood) -> None:
    runtime = neighbourhood.runtime.answer("/metrics")
    for answer in (neighbourhood.ask("GET", "/metrics"), runtime):
        assert answer is not None
        assert answer.status_code == 200
        assert "text/plain" in answer.headers["content-type"]


def test_info__of_the_site__has_service_environment_and_strategies(neighbourhood: Neighbourhood) -> None:
    answer = neighbourhood.ask("GET", "/info").json()
    assert answer["service"]["name"]
    assert answer["environment"]["environment"]
    assert "orderbook_skew" in answer["strategies"]["enabled"]
    assert answer["configuration"]


def allowed_hosts() -> list[str]:
    """Those of the site in production."""
    (web,) = (container for container in containers("production") if container.command == "web")
    given = {"POD_NAMESPACE": "petrosa-apps", "POD_IP": "10.0.0.7"}
    allowed = re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], web.environment["ALLOWED_HOSTS"] or "")
    return [name.strip() for name in allowed.split(",")]


@pytest.mark.parametrize("host", HOSTS)
def test_host__that_clients_may_have_in_their_url__is_allowed(host: str) -> None:
    assert host.partition(":")[0] in allowed_hosts()
