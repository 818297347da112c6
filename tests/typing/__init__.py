"""The public signatures in use: programs that are never run, and that mypy and basedpyright check."""
