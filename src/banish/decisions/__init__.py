"""Failure to Decision to Change: ban time, and the ledger that every decision passes. Pure."""
