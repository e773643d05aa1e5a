"""The connection to NATS: market messages into a bounded queue, signals out of an outbox.

Imports nothing else of the runtime.
"""
