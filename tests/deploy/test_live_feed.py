"""The live feed as an option of an overlay: what it adds, what it is given, and where it may go."""

import pytest

from realtime_runtime.feeds.live import live_settings
from tests.deploy.manifests import Manifest, render
from tests.deploy.test_environment import read_by_live_feed
from tests.deploy.test_schemas import KUBERNETES_VERSIONS, refuse_unknown, with_components


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    """What the option adds to the production overlay, by kind."""
    objects = with_components(tmp_path_factory.mktemp("live"), "live-feed")
    found = [manifest for manifest in objects if manifest not in render("production")]
    assert len({manifest["kind"] for manifest in found}) == len(found)
    return {manifest["kind"]: manifest for manifest in found}


def test_live_feed__switched_on__adds_what_kubernetes_takes_and_changes_none(added: dict[str, Manifest]) -> None:
    assert set(added) == {"ConfigMap", "Deployment", "NetworkPolicy", "Service"}
    for manifest in added.values():
        for version in KUBERNETES_VERSIONS:
            refuse_unknown(manifest, version)


def test_live_feed__its_environment__is_read_and_can_be_used(added: dict[str, Manifest]) -> None:
    (container,) = added["Deployment"]["spec"]["template"]["spec"]["containers"]
    own = {variable["name"]: variable["valueFrom"]["secretKeyRef"] for variable in container["env"]}
    given = added["ConfigMap"]["data"]
    assert own.keys() | given.keys() <= read_by_live_feed()
    assert {name for name, reference in own.items() if not reference.get("optional")} == {"NATS_URL"}
    assert live_settings.read(given).feed.sources == live_settings.SOURCES
    assert container["envFrom"][0]["configMapRef"]["name"] == added["ConfigMap"]["metadata"]["name"]


def test_live_feed__its_pod__runs_once_without_rights(added: dict[str, Manifest]) -> None:
    spec = added["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["terminationGracePeriodSeconds"] > 5
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def test_live_feed__its_probes_and_its_service__ask_where_it_answers(added: dict[str, Manifest]) -> None:
    (container,) = added["Deployment"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert str(port["containerPort"]) == added["ConfigMap"]["data"]["FEED_HEALTH_PORT"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startup": "/healthz", "liveness": "/healthz", "readiness": "/ready",
    }  # fmt: skip
    service = added["Service"]["spec"]
    assert [(each["port"], each["targetPort"]) for each in service["ports"]] == [(8083, port["name"])]
    assert service["selector"].items() <= added["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


def test_live_feed__its_policy__lets_it_out_to_the_world_but_not_into_the_cluster(added: dict[str, Manifest]) -> None:
    policy = added["NetworkPolicy"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= (
        added["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    )
    nats, world = policy["egress"]
    assert [rule["port"] for rule in nats["ports"]] == [4222]
    assert {rule["port"] for rule in world["ports"]} == {443, 8443, 9443}
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(world["to"][0]["ipBlock"]["except"])
