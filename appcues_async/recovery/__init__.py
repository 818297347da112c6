"""A request whose answer was lost, until it is known what became of it."""
