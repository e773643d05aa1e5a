"""What the runtimes report: heartbeats, acknowledgements, signals, order books, prices.

Imports history and below.
"""
