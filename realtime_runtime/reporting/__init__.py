"""What the runtime reports through Redis and its log: heartbeat, books, prices, signals, activity.

Imports `config`, `messaging` and `settings`.
"""
