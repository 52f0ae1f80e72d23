"""Ban to the world outside: mail, webhooks, block lists, other people's firewalls. Queued, bounded, and never in a ban's way."""
