"""Django REST Framework and the OpenAPI document: settings that never differ between environments."""

from typing import Any

from service_kit.version import VERSION

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "strategy_config.api.common.authentication.BearerAuthentication",
        "strategy_config.api.common.authentication.AdminSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["strategy_config.api.common.permissions.HasPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["strategy_config.api.common.parsing.StrictJSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "strategy_config.api.common.openapi.ApiSchema",
    "EXCEPTION_HANDLER": "strategy_config.api.common.errors.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    # A merge takes the same body by POST and by PATCH.
    "COMPONENT_SPLIT_PATCH": False,
    "TITLE": "Real-time strategies: configuration",
    "DESCRIPTION": (
        "Change the parameters of running trading strategies without a restart, and see who changed what, when and why."
        "\n\n"
        "Every answer under `/api/v1` has the same envelope, except those tagged Market: "
        "`success`, `data`, `error`, `metadata`. Parameters resolve per name: "
        "symbol > global > environment > default.\n\n"
        "Authenticate with `Authorization: Bearer <token>` (`manage.py create_token USER`) or with an admin session. "
        "Without the envelope and without authentication: `/healthz`, `/ready`, `/metrics`, `/info`."
    ),
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["strategy_config.api.common.openapi.complete"],
    "TAGS": [
        {"name": "Strategies", "description": "The catalogue: the strategies, and the meaning of each parameter."},
        {"name": "Configuration", "description": "Read and change the parameters, for all symbols or for one."},
        {"name": "History", "description": "Who changed what, when and why; and rollback."},
        {"name": "Operation", "description": "The kill switch, halts, Redis, the runtimes and their signals."},
        {"name": "Market", "description": "Order-book analytics of the runtimes, without the envelope."},
    ],
}
