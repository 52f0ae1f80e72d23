"""jail.conf(5) to settings: layers, includes, interpolation, tags."""
