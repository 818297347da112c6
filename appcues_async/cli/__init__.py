"""Commands for people: arguments and display only."""
