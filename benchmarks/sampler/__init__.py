"""The sampler: what it sees, what it misses, what it costs."""
