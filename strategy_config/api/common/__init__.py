"""What all resources share: authentication, permissions, rate limits, parsing, the envelope, errors, the OpenAPI terms.

Imports services and what lies below them; nothing else of the API.
"""
