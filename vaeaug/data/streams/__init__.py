"""Data that is read again in every epoch instead of being held in memory."""
