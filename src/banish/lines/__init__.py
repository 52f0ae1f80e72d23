"""Bytes to text and time: decoding, date patterns, time zones, clock rules. Pure."""
