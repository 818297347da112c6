"""For offline work to end."""
