"""Codecs of tables: one class for each kind of column, named in the registry."""
