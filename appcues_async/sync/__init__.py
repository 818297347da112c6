"""Syncs: what changed since the last time, and only that."""
