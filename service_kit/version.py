"""The version that the service reports."""

VERSION = "0.1.0"
