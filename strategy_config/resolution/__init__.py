"""From rows to what holds: layers, expiry, documents, entity tags, names and texts. Asks nothing of the database.

Imports models, exceptions.
"""
