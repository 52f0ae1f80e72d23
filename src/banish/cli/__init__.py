"""One module per program."""
