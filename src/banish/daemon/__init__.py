"""The live driver: how a log line travels through the rooms, and what keeps that going."""
