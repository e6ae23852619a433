"""The ``flame`` command: profiles of any tool drawn and compared. Knows nothing of pytest."""
