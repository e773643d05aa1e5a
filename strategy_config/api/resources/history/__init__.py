"""The history of a strategy and of everything, and the restoring of an earlier state.

Imports no other resource.
"""
