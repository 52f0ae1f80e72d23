"""Tests, see the module of the same name."""
