"""The unix socket: the table of commands, server, client, rendering."""
