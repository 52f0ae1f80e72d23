"""Sample log lines, a file for each filter; README.md describes them, ``notation`` reads them."""
