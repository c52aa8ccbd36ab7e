"""Networks and distributions; torch only, no data containers."""
