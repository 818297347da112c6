"""A path, bytes, rows or frames, read into blocks of good rows."""
