"""A simulated market, labelled as such in every message.

Imports what stands in `feeds` itself.
"""
