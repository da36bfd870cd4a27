"""`tollgate report`: the sums of a month, from published events."""
