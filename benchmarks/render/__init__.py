"""Drawing: how long it takes, how large the result is, and how other tools compare."""
