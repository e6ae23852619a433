"""What measures the documentation's claims: run from a checkout, ``python -m benchmarks.startup``; never installed."""
