"""One request, answered: bodies, pace, attempts, retries."""
