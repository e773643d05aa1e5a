"""The version of the product, in its one place; tests/ci/test_version.py compares whatever else must spell it out."""

VERSION = "0.1.0"
