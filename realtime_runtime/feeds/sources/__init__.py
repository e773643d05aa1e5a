"""The other live sources: prices of other exchanges, dominance, on-chain activity.

Imports the modules of `feeds` itself.
"""
