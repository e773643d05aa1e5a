"""The database: transactions with their retries, the circuit breaker, what differs from store to store.

Imports models, exceptions.
"""
