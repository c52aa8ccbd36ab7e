"""Between the user's data and the numbers that a model sees, and back."""
