"""Helpers for all packages: validation, random streams, files, frames, wording."""
