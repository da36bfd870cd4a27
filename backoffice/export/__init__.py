"""`tollgate export`: topics as JSON lines."""
