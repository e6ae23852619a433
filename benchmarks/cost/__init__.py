"""The cost of a body in a process of the gate, compared with a bare loop."""
