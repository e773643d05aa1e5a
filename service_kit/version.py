"""The version of the product, in its one place; tests/ci/test_version.py compares the other places that name it."""

VERSION = "0.1.0"
