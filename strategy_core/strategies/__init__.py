"""The strategies, one file each: parameters, metadata and rule. `registry` lists them, `base` is what they build on.

Imports `market`.
"""
