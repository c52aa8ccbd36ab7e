"""What the code of a row is drawn from; one family a file, named in the registry."""
