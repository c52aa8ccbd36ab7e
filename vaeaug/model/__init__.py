"""The model: built, fitted, kept, and used to generate, encode, edit and explore."""
