"""What has to do with processes: who may run the model, and memory that all of them see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import get_worker_info

from vaeaug.errors import InputError
from vaeaug.utils.random import neutral_torch

__all__ = ["explain_forked_cuda", "is_worker", "share_zeros"]

_SHM = "/dev/shm"


def is_worker() -> bool:
    """Tell whether this code runs in a worker process of a DataLoader."""
    return get_worker_info() is not None


@contextmanager
def explain_forked_cuda(who: str) -> Iterator[None]:
    """Turn CUDA's refusal to work in a forked process into an error that names the way out.

    Raises
    ------
    InputError
    """
    try:
        yield
    except RuntimeError as error:
        if "forked subprocess" not in str(error):
            raise
        raise InputError(
            f"{who}: the augmenter is on a GPU, and CUDA cannot be used in a forked worker process. Either "
            'use num_workers=0, or BatchAugment after the loader, or load the augmenter with device="cpu".'
        ) from error


def share_zeros(shape: tuple[int, ...], dtype: torch.dtype, who: str) -> torch.Tensor:
    """Return a tensor of zeros that all worker processes see, forked or spawned.

    Raises
    ------
    InputError
        If the machine (or container) lends less memory for that.
    """
    wanted = int(torch.Size(shape).numel()) * dtype.itemsize
    if os.path.isdir(_SHM):
        facts = os.statvfs(_SHM)
        free = facts.f_bavail * facts.f_frsize
        if wanted > free:
            raise InputError(
                f"{who}: the pool takes {wanted / 1e6:.0f} MB of shared memory, {_SHM} has {free / 1e6:.0f} "
                "MB. Set pool_size to fewer items, or give the container more (docker run --shm-size)."
            )
    with neutral_torch():
        return torch.zeros(shape, dtype=dtype, device="cpu").share_memory_()
