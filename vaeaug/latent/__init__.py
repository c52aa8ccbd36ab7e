"""Arithmetic on codes: paths, neighbours, lattices, directions of attributes. Knows no network."""
