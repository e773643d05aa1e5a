"""Every object, the Compose file and the Dockerfile against the schemas and linters of their formats, offline."""

import copy
import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from tests.conftest import PROJECT_ROOT
from tests.deploy.manifests import OVERLAYS, Manifest, compose, kustomize, render

# The oldest that all fields we use exist in, and the newest that the validator brings.
KUBERNETES_VERSIONS = ("1.27", "1.37")
SERVICE_MONITOR_SCHEMA = json.loads((Path(__file__).parent / "service_monitor.schema.json").read_text())


def refuse_unknown(manifest: Manifest, version: str) -> None:
    """Raise ValidationError where the object is not what the API server of this version takes; unknown members too."""
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_object__of_an_overlay__fits_the_schema_of_kubernetes(overlay: str, version: str) -> None:
    objects = render(overlay)
    assert len(objects) > 10
    for manifest in objects:
        refuse_unknown(manifest, version)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_object__with_a_member_that_does_not_exist__is_refused(version: str) -> None:
    web = copy.deepcopy(next(m for m in render("production") if m["kind"] == "Deployment"))
    web["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        refuse_unknown(web, version)


def with_components(directory: Path, *names: str) -> tuple[Manifest, ...]:
    """The production overlay with these components switched on, as its comment says."""
    relative = Path(os.path.relpath(PROJECT_ROOT / "k8s", directory))
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(relative / "overlays" / "production")],
        "components": [str(relative / name) for name in names],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return kustomize(directory)


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    """With the monitoring."""
    return with_components(tmp_path_factory.mktemp("monitored"), "monitoring")


def test_monitoring__switched_on__adds_its_objects_and_changes_none(monitored: tuple[Manifest, ...]) -> None:
    added = [manifest for manifest in monitored if manifest not in render("production")]
    assert len(added) == len(monitored) - len(render("production"))
    kinds = [m["kind"] for m in added]
    assert sorted(kinds) == [
        "ConfigMap",
        "NetworkPolicy",
        "NetworkPolicy",
        *2 * ["PrometheusRule"],
        *4 * ["ServiceMonitor"],
    ]
    for manifest in added:
        if manifest["kind"] == "ServiceMonitor":
            jsonschema.validate(manifest, SERVICE_MONITOR_SCHEMA)
        elif manifest["kind"] != "PrometheusRule":  # tests/monitoring reads the rules themselves
            refuse_unknown(manifest, KUBERNETES_VERSIONS[-1])


def test_service_monitor__of_the_option__selects_a_service_and_a_port_of_its(tmp_path: Path) -> None:
    objects = with_components(tmp_path, "monitoring", "live-feed")
    services = [m for m in objects if m["kind"] == "Service"]
    monitors = [m for m in objects if m["kind"] == "ServiceMonitor"]
    for monitor in monitors:
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (s for s in services if wanted <= s["metadata"]["labels"].items())
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_service_monitor_schema__unknown_member__is_refused() -> None:
    monitor: dict[str, Any] = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "any"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "endpoints": [{"port": "http", "every": "15s"}]},
    }
    with pytest.raises(jsonschema.ValidationError, match="every"):
        jsonschema.validate(monitor, SERVICE_MONITOR_SCHEMA)


def test_compose_file__as_a_whole__fits_the_compose_specification() -> None:
    parsed = PyCompose.from_yaml(yaml.safe_dump(compose()))
    assert set(parsed.service_names()) == set(compose()["services"])


def test_compose_file__with_a_member_that_does_not_exist__is_refused() -> None:
    broken = copy.deepcopy(compose())
    broken["services"]["web"]["healthchek"] = {}
    with pytest.raises(ValueError, match="healthchek"):
        PyCompose.from_yaml(yaml.safe_dump(broken))


@pytest.mark.parametrize(
    ("dockerfile", "code"),
    [("Dockerfile", 0), ("-", 1)],
    ids=["ours", "one with an unpinned image"],
)
def test_dockerfile__linted__only_ours_passes(dockerfile: str, code: int) -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run(
        [hadolint, dockerfile], input="FROM python\n", capture_output=True, text=True, cwd=PROJECT_ROOT
    )
    assert done.returncode == code, done.stdout + done.stderr
