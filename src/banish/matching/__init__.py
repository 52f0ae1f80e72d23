"""Text to Match: tags, filters, sessions over several lines. Pure."""
