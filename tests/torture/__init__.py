"""What nobody does to a daemon on purpose, done on purpose, and often."""
