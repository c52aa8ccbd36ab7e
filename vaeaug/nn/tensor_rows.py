"""Rows of a tensor of any dtype, read and written by number."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["replace_rows", "take_rows"]

#: Dtypes that torch 2.6 neither reads nor writes by number, and those of the same size that it does.
_VIEWED = {
    **{torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64},
    **{torch.float8_e4m3fn: torch.uint8, torch.float8_e5m2: torch.uint8},
}


def replace_rows(images: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    """Return images with some replaced, of their class and memory format; gradients reach the others."""
    out = images.clone()
    plain, viewed = out.as_subclass(Tensor), _VIEWED.get(images.dtype)
    if viewed is not None:
        plain, new = plain.view(viewed), new.view(viewed)
    plain.index_copy_(0, rows, new)
    return out


def take_rows(images: Tensor, rows: Tensor) -> Tensor:
    """Return images by number."""
    viewed = _VIEWED.get(images.dtype)
    return images[rows] if viewed is None else images.view(viewed)[rows].view(images.dtype)
