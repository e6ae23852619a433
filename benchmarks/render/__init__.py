"""Drawing: how long it takes, how large it gets, and beside other tools."""
