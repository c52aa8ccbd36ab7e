"""Codecs of images: axes, dtypes and containers."""
