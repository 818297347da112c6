"""Many rows, many files, many jobs."""
