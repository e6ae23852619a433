"""pytest-flame: fail the tests that got slower, and name the frame."""
