"""Each variable that a container is given is read by its process, and each that its process needs is given."""

import re
from pathlib import PurePosixPath

import pytest

from configsite.env import ProductionEnvironment, ServerEnvironment
from realtime_runtime.settings import Settings
from service_kit.environment import LogSettings
from strategy_core.strategies.registry import STRATEGIES
from tests.conftest import PROJECT_ROOT
from tests.deploy.dockerfile import image_environment
from tests.deploy.manifests import OVERLAYS, Container, all_containers, containers, render
from tests.embedded.test_env_example import FEED, READ_BY_PROCFILE, listed, variables_in

SITE = ("web", "worker", "relay", "migrate", "manage")
BY_LIBRARIES = {"DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR"}
NEEDED = {
    **dict.fromkeys(SITE, {"SECRET_KEY", "ALLOWED_HOSTS", "MONGODB_URI", "REDIS_URL", "ENVIRONMENT"}),
    "relay": {"SECRET_KEY", "MONGODB_URI", "REDIS_URL", "NATS_URL", "ENVIRONMENT"},
    "runtime": {"REDIS_URL", "NATS_URL", "ENVIRONMENT"},
    "feed": {"NATS_URL"},
}
SECRETS = {"SECRET_KEY", "MONGODB_URI", "REDIS_URL", "NATS_URL", "HALT_SECRET"}
PATHS = ("CONFIG_SNAPSHOT_PATH", "CELERY_SCHEDULE", "PROMETHEUS_MULTIPROC_DIR")


def of_the_strategies() -> set[str]:
    """Every name that the strategies read, the older ones included."""
    names = {name for strategy in STRATEGIES.values() for spec in strategy.specs() for name in spec.environment}
    return names | {strategy.enabled_variable() for strategy in STRATEGIES.values()}


def read_by_live_feed() -> set[str]:
    """What ``feed live`` reads."""
    return {name for part in FEED for name in part.variables()} | LogSettings.variables()


def read_by(container: Container) -> set[str]:
    """What the container's process reads."""
    if container.arguments == ("feed", "live"):
        return read_by_live_feed()
    if container.command == "feed":
        return {"NATS_URL", "NATS_CONSUMER_TOPIC"}
    if container.command == "runtime":
        return set(Settings.variables()) | of_the_strategies()
    site = ProductionEnvironment.variables() | ServerEnvironment.variables()
    return site | variables_in(READ_BY_PROCFILE, PROJECT_ROOT / "Procfile") | of_the_strategies() | BY_LIBRARIES


def test_environment__of_every_container__is_read_by_its_process() -> None:
    unread = {}
    for container in all_containers():
        text = " ".join(value for value in container.environment.values() if value)
        named_by_others = set(re.findall(r"\$\((\w+)\)", text))
        extra = container.environment.keys() - read_by(container) - named_by_others
        if extra:
            unread[f"{container.where}, {container.name}"] = extra
    assert unread == {}


def test_environment__of_every_container__has_what_its_process_needs() -> None:
    for container in all_containers():
        assert NEEDED[container.command] <= container.environment.keys(), (container.where, container.name)


def test_environment__of_every_container__names_only_listed_variables() -> None:
    given = {name for container in all_containers() for name in container.environment}
    assert given - {"POD_IP", "POD_NAMESPACE"} <= listed().keys() | BY_LIBRARIES | of_the_strategies()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_environment__secret_variables__come_from_secrets_only(overlay: str) -> None:
    found = {
        (name, value)
        for container in containers(overlay)
        for name, value in container.environment.items()
        if name in SECRETS
    }
    assert {name for name, _ in found} == SECRETS
    assert {value for _, value in found} == {None}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets__of_an_overlay__are_referenced_never_contained(overlay: str) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in render(overlay)}
    text = str(render(overlay))
    assert not re.search(r"\w+://[^\s/]*:[^\s/]*@", text)
    assert "'name': 'petrosa-sensitive-credentials', 'key': 'mongodb-uri'" in _references(overlay)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_runtime__of_an_overlay__gets_no_secret_of_the_site(overlay: str) -> None:
    (runtime,) = (container for container in containers(overlay) if container.command == "runtime")
    assert not {"SECRET_KEY", "MONGODB_URI"} & runtime.environment.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_redis__user_of_each_process__is_one_of_the_documented(overlay: str) -> None:
    users = set(re.findall(r"^user (\w+) on ", (PROJECT_ROOT / "docs" / "redis-users.acl").read_text(), re.MULTILINE))
    used = {
        (container.name, variable["valueFrom"]["secretKeyRef"]["key"])
        for container in containers(overlay)
        for variable in container.manifest.get("env", ())
        if variable["name"] == "REDIS_URL"
    }
    assert {("web", "web-redis-url"), ("worker", "worker-redis-url"), ("runtime", "runtime-redis-url")} <= used
    assert {key.removesuffix("-redis-url") for _, key in used} == users


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_strategies__enabled_switches__are_the_same_for_site_and_runtime(overlay: str) -> None:
    names = {strategy.enabled_variable() for strategy in STRATEGIES.values()}
    given = [
        {name: container.environment.get(name) for name in names}
        for container in containers(overlay)
        if container.command != "feed"
    ]
    assert None not in given[0].values()
    assert all(switches == given[0] for switches in given)


def test_paths__that_a_process_writes__lie_in_writable_mounts() -> None:
    seen = set()
    for container in all_containers():
        environment = image_environment() | {k: v for k, v in container.environment.items() if v is not None}
        if container.command != "runtime":
            environment.pop("CONFIG_SNAPSHOT_PATH")
        for name in PATHS:
            if name in environment:
                path = PurePosixPath(environment[name])
                mounted = {str(parent) for parent in (path, *path.parents)} & container.mounts
                assert mounted, (container.where, name, str(path), container.mounts)
                seen.add((container.command, name))
    assert {("runtime", "CONFIG_SNAPSHOT_PATH"), ("web", "PROMETHEUS_MULTIPROC_DIR")} <= seen


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_replicas__of_the_runtime__are_told_to_it(overlay: str) -> None:
    (runtime,) = (manifest for manifest in render(overlay) if manifest["kind"] == "StatefulSet")
    (container,) = (container for container in containers(overlay) if container.command == "runtime")
    assert container.environment["RUNTIME_REPLICAS"] == str(runtime["spec"]["replicas"])


def _references(overlay: str) -> str:
    return " ".join(
        str({key: source["secretKeyRef"][key] for key in ("name", "key")})
        for container in containers(overlay)
        for variable in container.manifest.get("env", ())
        if "secretKeyRef" in (source := variable.get("valueFrom", {}))
    )
