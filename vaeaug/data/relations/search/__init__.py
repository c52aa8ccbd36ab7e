"""Where rules between columns are looked for, one file per kind, and what counts as evidence."""
