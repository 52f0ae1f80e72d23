"""Finds what makes people believe that they are protected when they are not."""
