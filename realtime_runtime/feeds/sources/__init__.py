"""The other live sources: prices of other exchanges, dominance, on-chain activity.

Imports what stands in `feeds` itself.
"""
