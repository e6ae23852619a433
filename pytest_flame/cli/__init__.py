"""The ``flame`` command: draws and compares profiles from any tool, and finds the commit that made a test slower.

Independent of pytest, except that ``bisect`` runs it."""
