"""What a process of the gate costs a body, against a bare loop."""
