"""Numbers for those who watch the watchman: what is measured, how it is written for Prometheus, and who hands it out."""
