"""What the OpenAPI document says beside its operations: security schemes and shared types."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from strategy_config.api.common.operations import JsonSchema
from strategy_config.api.common.permissions import possible_anonymous_permissions
from strategy_core.strategies.registry import STRATEGIES

_STRATEGY_IDS: JsonSchema = {"type": "string", "enum": list(STRATEGIES)}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # an untyped metaclass hook
    """How the document names bearer tokens."""

    target_class = "strategy_config.api.common.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> JsonSchema:
        """The scheme."""
        return {"type": "http", "scheme": "bearer", "description": "From `manage.py create_token USER`."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # an untyped metaclass hook
    """How the document names the admin's session."""

    target_class = "strategy_config.api.common.authentication.AdminSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> JsonSchema:
        """The scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The admin session; unsafe methods also need the X-CSRFToken header.",
        }


class ApiSchema(AutoSchema):
    """Operations that anonymous clients may use here (API_ANONYMOUS) say that credentials are optional."""

    def get_auth(self) -> list[JsonSchema]:
        """The security requirements, any of which will do."""
        needed = getattr(self.view, "permission_by_method", {}).get(self.method)
        optional: list[JsonSchema] = [{}] if needed in possible_anonymous_permissions() else []
        return [*super().get_auth(), *optional]


def complete(result: JsonSchema, generator: Any, request: Any, public: bool) -> JsonSchema:
    """Finish the generated document: bodies are required where a member of them is."""
    for path in result["paths"].values():
        for described in path.values():
            if "requestBody" in described:
                reference = described["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                body = result["components"]["schemas"][reference.rpartition("/")[2]]
                described["requestBody"]["required"] = "required" in body
    result["components"]["schemas"]["StrategyId"] = {**_STRATEGY_IDS, "description": "A strategy of the catalogue."}
    for part in (result["paths"], *result["components"]["schemas"].values()):
        _share_strategy_ids(part)
    return result


def _share_strategy_ids(part: Any) -> None:
    """Generated clients get one type for the id of a strategy, wherever it stands."""
    members = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, value in list(members):
        if isinstance(value, dict) and _STRATEGY_IDS.items() <= value.items():
            part[name] = {"$ref": "#/components/schemas/StrategyId"}
        else:
            _share_strategy_ids(value)
