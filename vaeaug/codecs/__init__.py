"""Codecs: users' data to numbers and back, in numpy and pandas only."""

from vaeaug.codecs.columns import REGISTRY, ColumnCodec
from vaeaug.codecs.context import ContextCodec
from vaeaug.codecs.images import ImageCodec
from vaeaug.codecs.tabular import TableCodec

__all__ = ["REGISTRY", "ColumnCodec", "ContextCodec", "ImageCodec", "TableCodec"]
