"""Releases of libraries, gated and held against a bare loop."""
