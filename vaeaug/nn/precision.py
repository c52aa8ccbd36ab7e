"""Where products are taken in bfloat16: on machines that do it faster."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["has_bfloat16", "reduce_precision"]


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies faster in bfloat16 than in single precision."""
    if device.type == "cpu":
        # Older releases of torch do not tell what the processor can do; they stay in single precision.
        told = getattr(torch.cpu, "get_capabilities", None)
        return told is not None and bool(told().get("avx512_bf16", False))
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def reduce_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that multiplies in bfloat16 where the machine does that faster; nothing otherwise.

    A product's inputs are then rounded to three digits, less than the 256 greys of 8 bits tell
    apart in most of their range; weights and sums stay in single precision.
    """
    if not has_bfloat16(device):
        return nullcontext()
    # Inside an autocast of the caller, cached weights would outlive the step that changes them.
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
