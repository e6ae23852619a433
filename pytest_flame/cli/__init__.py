"""The ``flame`` command: draws and compares profiles from any tool. Independent of pytest."""
