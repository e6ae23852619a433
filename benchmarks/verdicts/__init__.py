"""The verdicts: banks of real processes, simulations, and other tools beside the gate."""
