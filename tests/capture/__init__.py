"""Programs that run real services under attack and keep what they log: where the sample logs come from."""
