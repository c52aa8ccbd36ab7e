"""One page on how new rows compare with real ones: figures, findings, verdict."""
