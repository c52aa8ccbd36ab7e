"""What every room may use: validation, random streams, files, frames, wording. Knows nothing of models."""
