"""The committed OpenAPI document is the one that the code makes, and describes every route."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from service_kit import version
from strategy_config.api import urls
from tests.conftest import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def generated() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


def test_document__committed__is_the_generated_one(generated: dict[str, Any]) -> None:
    rendered = OpenApiYamlRenderer().render(generated, renderer_context={})
    assert DOCUMENT.read_bytes() == rendered, "run: manage.py spectacular --file docs/openapi.yaml"


def test_document__is_valid_openapi_3_1(generated: dict[str, Any]) -> None:
    validate_schema(generated)
    assert generated["openapi"].startswith("3.1")


def test_document__version__is_that_of_runtime_and_package(generated: dict[str, Any]) -> None:
    package = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())
    assert package["tool"]["setuptools"]["dynamic"]["version"] == {"attr": f"{version.__name__}.VERSION"}
    assert generated["info"]["version"] == version.VERSION


def test_document__describes_every_route_and_method(generated: dict[str, Any]) -> None:
    for route in urls.urlpatterns:
        path = "/api/v1/" + re.sub(r"<str:(\w+)>", r"{\1}", str(route.pattern))
        methods = {method.lower() for method in route.callback.view_class.permission_by_method}
        assert set(generated["paths"][path]) == methods


def test_document__each_operation__has_id_summary_security_and_every_status(generated: dict[str, Any]) -> None:
    ids = []
    described = {tag["name"] for tag in generated["tags"]}
    for path, operations in generated["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert set(operation["tags"]) <= described
            assert operation["security"] == [{"bearer": []}, {"session": []}]
            assert {"200", "401", "403", "406", "413", "429", "500", "503"} <= operation["responses"].keys()
            names_one = "{" in path or path.endswith(("/validate", "/signals", "/resume"))
            assert ("404" in operation["responses"]) == names_one
            if "requestBody" in operation:
                assert {"400", "415"} <= operation["responses"].keys()
                assert operation["requestBody"]["content"]["application/json"]["examples"]
    assert len(ids) == len(set(ids))


def test_document__loads_as_yaml_again() -> None:
    assert yaml.safe_load(DOCUMENT.read_bytes())["info"]["title"]
