"""The live client of the configuration in Redis: reads, checks, puts in force, acknowledges, keeps a snapshot.

Imports nothing else of the runtime.
"""
