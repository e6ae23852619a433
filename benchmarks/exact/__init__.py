"""What the exact pass costs."""
