"""Which of several runtimes trades a share of the symbols, and what the others do meanwhile.

Imports `messaging`.
"""
