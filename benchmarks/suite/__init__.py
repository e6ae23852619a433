"""What a whole suite costs under the exact pass, and whether its proofs are right."""
