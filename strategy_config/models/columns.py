"""What several tables have in common: the lengths of texts, and how the history spells the global layer."""

STRATEGY_ID_LENGTH = 64
SYMBOL_LENGTH = 24
CHANGED_BY_LENGTH = 100
REASON_LENGTH = 1_000
REQUEST_ID_LENGTH = 128
GLOBAL_SYMBOL = ""
"""The symbol of the global layer in the history (NULLs would not collide in a unique constraint); None elsewhere."""
