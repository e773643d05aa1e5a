"""A simulated market, labelled as such in every message.

Imports the modules of `feeds` itself.
"""
