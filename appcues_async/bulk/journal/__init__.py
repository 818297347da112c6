"""What a run intended, what was accepted and what has finished, in SQLite."""
