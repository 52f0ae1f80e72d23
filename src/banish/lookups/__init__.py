"""Answers what only the world knows: names, and which addresses are our own."""
