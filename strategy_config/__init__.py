"""The Django app of the configuration: rooms, in the order that pyproject.toml has them in.

Imports strategy_core and service_kit of our packages, and no other.
"""
