"""Training: a loop that knows no model, and where it runs."""
