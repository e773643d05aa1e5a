"""Every write, each one use case: judged, stored with its history in one transaction, then published.

Imports publication and below; called through the module: ``layers.set_layer(...)``.
"""
