"""The exact pass, inside the process: counts every call of an execution and records its footprint.

Nothing here knows pytest. What it does not see, and what therefore is not in a footprint: environment variables, the
clock, random numbers, the machine. Both sides are given the same ones.
"""
