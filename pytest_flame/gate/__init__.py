"""The whole way of a run, from the selected tests to what is written down; knows no pytest."""
