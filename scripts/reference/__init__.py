"""What is generated from THE TABLE: the manual pages, the reference of the command line, and the completion for three shells."""
