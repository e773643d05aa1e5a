"""What every container and object has to have, whoever edits it: rights, limits, probes, pinned images, order."""

import os
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PROJECT_ROOT
from tests.deploy.dockerfile import instructions, last_stage
from tests.deploy.manifests import (
    OVERLAYS,
    WRITABLE,
    Container,
    Manifest,
    compose,
    compose_containers,
    containers,
    kustomize,
    pod_specs,
    render,
)

RUNTIME_ENDS_WITHIN_SECONDS = 10
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*|[\w./-]+@sha256:[0-9a-f]{64}")
CLOCKS = 1


def one(overlay: str, kind: str, name: str) -> Manifest:
    """The only object of that kind and name."""
    (found,) = (
        m for m in render(overlay) if (m["kind"], m["metadata"]["name"]) == (kind, f"realtime-strategies-{name}")
    )
    return found


def test_images__everywhere__are_pinned() -> None:
    images = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    images += [service["image"] for service in compose()["services"].values()]
    images += [container.manifest["image"] for overlay in OVERLAYS for container in containers(overlay)]
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_dockerfile__last_stage__has_no_root_and_no_tools() -> None:
    stage = last_stage()
    assert ("USER", "10001:10001") in stage
    assert not [rest for name, rest in stage if name == "RUN" and re.search(r"pip3? install|apt-get|curl|wget", rest)]
    assert any(name == "RUN" and re.search(r"pip uninstall .*\bpip\b", rest) for name, rest in stage)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods__of_an_overlay__run_without_rights(overlay: str) -> None:
    for manifest, spec in pod_specs(render(overlay)):
        context, where = spec["securityContext"], manifest["metadata"]["name"]
        assert context["runAsNonRoot"] is True, where
        assert context["runAsUser"] == context["runAsGroup"] == 10001, where
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert spec["automountServiceAccountToken"] is spec["enableServiceLinks"] is False, where
    for container in containers(overlay):
        assert container.manifest["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, container
        assert container.mounts <= set(WRITABLE), container


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_containers__of_an_overlay__ask_for_resources_and_have_limits(overlay: str) -> None:
    for container in containers(overlay):
        resources = container.manifest["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}, container.where


@pytest.mark.parametrize("service", compose_containers(), ids=lambda container: container.name)
def test_services__of_the_compose_file__run_without_rights(service: Container) -> None:
    manifest = service.manifest
    assert manifest["read_only"] is True
    assert manifest["cap_drop"] == ["ALL"]
    assert manifest["security_opt"] == ["no-new-privileges:true"]
    assert service.mounts <= set(WRITABLE)
    assert int(manifest["stop_grace_period"].removesuffix("s")) > RUNTIME_ENDS_WITHIN_SECONDS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_grace__of_the_runtime__is_longer_than_its_own_end(overlay: str) -> None:
    spec = one(overlay, "StatefulSet", "runtime")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > RUNTIME_ENDS_WITHIN_SECONDS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_clock__of_an_overlay__runs_exactly_once(overlay: str) -> None:
    once = (["worker"], ["relay"])
    workers = [m for m, spec in pod_specs(render(overlay)) if any(c["args"] in once for c in spec["containers"])]
    assert [c["args"] for c in workers[0]["spec"]["template"]["spec"]["containers"]] == list(once)
    assert [m["spec"]["replicas"] for m in workers] == [CLOCKS]
    assert [m["spec"]["strategy"]["type"] for m in workers] == ["Recreate"]
    scaled = {m["spec"]["scaleTargetRef"]["name"] for m in render(overlay) if m["kind"] == "HorizontalPodAutoscaler"}
    assert "realtime-strategies-worker" not in scaled


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes__of_long_running_processes__are_there_and_patient_enough(overlay: str) -> None:
    for container in containers(overlay):
        if container.command in {"web", "worker", "runtime"}:
            probes = {kind: container.manifest[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
            assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] >= 60
            if container.command == "web":
                slowest = int(container.environment["MONGODB_TIMEOUT_MS"] or "") / 1000
                assert probes["readiness"]["timeoutSeconds"] > slowest
                assert probes["liveness"]["httpGet"]["path"] == "/healthz"


def test_web__in_production__keeps_serving() -> None:
    web = one("production", "Deployment", "web")
    assert "replicas" not in web["spec"]
    assert one("production", "HorizontalPodAutoscaler", "web")["spec"]["minReplicas"] >= 2
    assert web["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    for name in ("web", "runtime"):
        budget = one("production", "PodDisruptionBudget", name)["spec"]
        assert budget["maxUnavailable"] == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors__of_services_budgets_and_policies__find_pods(overlay: str) -> None:
    objects = render(overlay)
    pods = [m["spec"]["template"]["metadata"]["labels"] for m, _ in pod_specs(objects)]
    selectors: list[tuple[str, Any]] = [
        (m["metadata"]["name"], _labels(m["spec"].get("selector") or m["spec"]["podSelector"]))
        for m in objects
        if m["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy"}
    ]
    assert len(selectors) >= 6
    for name, wanted in selectors:
        assert any(all(pod.get(key) in values for key, values in wanted.items()) for pod in pods), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network__of_every_pod__is_closed_but_for_what_is_named(overlay: str) -> None:
    (closed,) = (
        m
        for m in render(overlay)
        if m["kind"] == "NetworkPolicy"
        and "ingress" not in m["spec"]
        and m["spec"]["policyTypes"] == ["Ingress", "Egress"]
    )
    wanted = closed["spec"]["podSelector"]["matchLabels"].items()
    for manifest, _ in pod_specs(render(overlay)):
        assert wanted <= manifest["spec"]["template"]["metadata"]["labels"].items()
    ports = {rule["port"] for rule in one(overlay, "NetworkPolicy", "runtime-servers")["spec"]["egress"][0]["ports"]}
    assert ports == {6379, 4222}
    ports = {rule["port"] for rule in one(overlay, "NetworkPolicy", "site-nats")["spec"]["egress"][0]["ports"]}
    assert ports == {4222}


def conflict_check_ports(objects: tuple[Manifest, ...]) -> list[int]:
    (policy,) = (m for m in objects if m["kind"] == "NetworkPolicy" and m["metadata"]["name"].endswith("-web"))
    return [rule["port"] for rule in policy["spec"]["egress"][0]["ports"]]


def test_network__to_the_neighbours__has_the_ports_of_their_pods_and_takes_others_by_the_documented_patch(
    tmp_path: Path,
) -> None:
    assert conflict_check_ports(render("production")) == [80, 8000, 8080]
    text = (PROJECT_ROOT / "docs" / "DEPLOYMENT.md").read_text()
    blocks = re.findall(r"^  ```yaml\n(.*?)^  ```", text, re.MULTILINE | re.DOTALL)
    (patch,) = [block for block in blocks if "kind: NetworkPolicy" in block]
    base = os.path.relpath(PROJECT_ROOT / "k8s" / "overlays" / "production", tmp_path)
    kustomization = {"resources": [base], "patches": yaml.safe_load(textwrap.dedent(patch))}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert conflict_check_ports(kustomize(tmp_path)) == [80, 8000, 8080, 9000]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    ("name", "ports"), [("realtime-strategies-service", [8080]), ("petrosa-realtime-strategies", [80, 8080])]
)
def test_service__that_clients_know__keeps_its_name_and_port(overlay: str, name: str, ports: list[int]) -> None:
    (service,) = (m for m in render(overlay) if m["metadata"]["name"] == name)
    assert [port["port"] for port in service["spec"]["ports"]] == ports
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {"http"}
    (pods,) = (
        manifest["spec"]["template"]["metadata"]["labels"]
        for manifest, spec in pod_specs(render(overlay))
        if any(container["args"] == ["web"] for container in spec["containers"])
    )
    assert service["spec"]["selector"].items() <= pods.items()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services__of_the_web__are_scraped_by_one_of_them(overlay: str) -> None:
    scraped = {"app.kubernetes.io/name": "realtime-strategies", "app.kubernetes.io/component": "web"}
    found = [
        m["metadata"]["name"]
        for m in render(overlay)
        if m["kind"] == "Service" and scraped.items() <= m["metadata"]["labels"].items()
    ]
    assert found == ["realtime-strategies-service"]


def test_compose_file__start_order__is_by_health() -> None:
    services = compose()["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert how == {"condition": expected}, (name, other)
            assert other == "migrate" or "healthcheck" in services[other], other
    assert {"migrate", "mongodb", "valkey"} <= services["web"]["depends_on"].keys()


def test_compose_file__names_of_volumes_and_networks__are_declared() -> None:
    document = compose()
    for service in document["services"].values():
        assert {entry.split(":")[0] for entry in service.get("volumes", ())} <= document["volumes"].keys()
        assert set(service["networks"]) <= document["networks"].keys()
    assert document["networks"]["backend"] == {"internal": True}


def _labels(selector: Manifest) -> dict[str, list[str]]:
    """A selector as the values that each label may have."""
    if "matchExpressions" in selector:
        return {e["key"]: e["values"] for e in selector["matchExpressions"]}
    return {key: [value] for key, value in selector.get("matchLabels", selector).items()}
