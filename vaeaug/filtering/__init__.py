"""Filters of synthetic rows: by a judge of their labels, or by a committee of classifiers."""

from vaeaug.filtering.label_filter import LabelFilter

__all__ = ["LabelFilter"]
