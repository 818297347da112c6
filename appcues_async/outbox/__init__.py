"""An outbox: single events and profile updates, kept on disk and sent in batches."""
