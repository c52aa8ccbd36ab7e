"""What codes are drawn from, given the class; one family a file, named in the registry."""
