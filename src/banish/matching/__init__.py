"""Text to Match: tags, filters, sessions. Pure."""
