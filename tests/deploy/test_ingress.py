"""The way in from outside the cluster: the buffering proxy, what it may reach, and that the web knows its host."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT_ROOT
from tests.deploy.manifests import Manifest, kustomize, render
from tests.deploy.test_schemas import KUBERNETES_VERSIONS, refuse_unknown

PREFIX = "nginx.ingress.kubernetes.io/"


def of_kind(objects: tuple[Manifest, ...], kind: str, name: str) -> Manifest:
    (found,) = (m for m in objects if m["kind"] == kind and m["metadata"]["name"] == f"realtime-strategies{name}")
    return found


def environment_of_web(objects: tuple[Manifest, ...]) -> dict[str, str]:
    spec = of_kind(objects, "Deployment", "-web")["spec"]["template"]["spec"]
    return {each["name"]: each["value"] for each in spec["containers"][0]["env"] if "value" in each}


def test_ingress__in_production__buffers_requests_and_limits_connections() -> None:
    """Faults D5: the proxy was a paragraph of the documentation and no object."""
    ingress = of_kind(render("production"), "Ingress", "")
    for version in KUBERNETES_VERSIONS:
        refuse_unknown(ingress, version)
    annotations = ingress["metadata"]["annotations"]
    assert annotations[f"{PREFIX}proxy-request-buffering"] == "on"
    assert annotations[f"{PREFIX}proxy-buffering"] == "on"
    assert annotations[f"{PREFIX}proxy-body-size"] == "2m"
    assert annotations[f"{PREFIX}proxy-http-version"] == "1.1"
    assert int(annotations[f"{PREFIX}limit-connections"]) <= 100
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    service = of_kind(render("production"), "Service", "-service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_ingress__its_controller__reaches_the_web_alone() -> None:
    policy = of_kind(render("production"), "NetworkPolicy", "-ingress")
    web = of_kind(render("production"), "Deployment", "-web")
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= web["spec"]["template"]["metadata"]["labels"].items()
    assert selected["app.kubernetes.io/component"] == "web"
    ((source,),) = (rule["from"] for rule in policy["spec"]["ingress"])
    assert source.keys() == {"namespaceSelector", "podSelector"}


@pytest.mark.parametrize("host", ["strategies.example.com", "trading.shop.test"])
def test_host__changed_in_one_place__is_known_to_web_and_certificate(tmp_path: Path, host: str) -> None:
    shutil.copytree(PROJECT_ROOT / "k8s", tmp_path / "k8s")
    path = tmp_path / "k8s" / "ingress" / "ingress.yaml"
    document = yaml.safe_load(path.read_text())
    document["spec"]["rules"][0]["host"] = host
    path.write_text(yaml.safe_dump(document))
    objects = kustomize(tmp_path / "k8s" / "overlays" / "production")
    assert of_kind(objects, "Ingress", "")["spec"]["tls"][0]["hosts"] == [host]
    variables = environment_of_web(objects)
    allowed = variables["ALLOWED_HOSTS"].split(",")
    assert (allowed[0], allowed[-1]) == ("$(POD_IP)", host)
    assert "petrosa-realtime-strategies" in allowed
    assert variables["CSRF_TRUSTED_ORIGINS"] == f"https://{host}"
    assert variables["TRUSTED_PROXIES"] == "1"
