"""Tests of banish, in rooms as the package is."""
