"""Measure the claims of the documentation: run from a checkout, ``python -m benchmarks.startup``; never installed."""
