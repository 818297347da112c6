"""The journal of runs: chunks intended, accepted and finished, in SQLite."""
