"""Where log text comes from: files and how they are watched."""
