"""The REST API under /api/v1/: a view parses a request, calls one service or selector by name, and renders.

Imports services and what lies below them. Inside: common < config_answer, strategy_list < resources, fast_reads < urls.

Why Django REST Framework with Pydantic models, and not django-ninja, which derives views and document from such models:
a stop must be stored even if the rest of its request is malformed, refused parameters answer 200 or 422 as the client
prefers, and the limits come before anything is parsed. DRF leaves these steps to us; django-ninja takes them over.
"""
