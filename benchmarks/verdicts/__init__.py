"""The verdicts: banks of real processes, simulations, and comparisons with other tools."""
