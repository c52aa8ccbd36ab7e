"""Images drawn and varied as tensors, on the device of a batch, without a way through numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaeaug.augmenter import VAEAugmenter
from vaeaug.integrations.exchange import Exchange
from vaeaug.model.detail import ImageDetail
from vaeaug.model.fitted import get_fitted
from vaeaug.utils.random import Purpose, derive_seed, neutral_torch, numpy_generator

__all__ = ["TensorImages", "works_on_tensors"]


def works_on_tensors(augmenter: Any) -> bool:
    """Tell whether an augmenter makes images, and so can make tensors of them on any device."""
    return isinstance(augmenter, VAEAugmenter) and get_fitted(augmenter).is_image


class TensorImages:
    """Draw and vary images of a kind with a VAEAugmenter; the same images as its methods make, as tensors.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted on images.
    exchange : Exchange
        Between that augmenter and tensors of the kind.
    """

    def __init__(self, augmenter: VAEAugmenter, exchange: Exchange) -> None:
        self.fitted, self.exchange = get_fitted(augmenter), exchange
        self.detail = ImageDetail.find(self.fitted)

    def contexts(self, y: Any, rows: int) -> Tensor:
        """Return the contexts of labels (m,), one label, or None, float32 (m, K) on the CPU.

        Raises
        ------
        UnknownLabelError
        InputError
        """
        return torch.from_numpy(self.fitted.encode_labels(y, rows))

    def sample(self, contexts: Tensor, *, temperature: float, seed: int) -> Tensor:
        """Return new images (m, *kind.shape), in the dtype of the kind, on the device of the contexts."""
        source = self.fitted.model if self.detail is None else self.detail
        with neutral_torch(), torch.no_grad():
            made = source.sample(contexts, temperature=temperature, seed=derive_seed(seed))
            return self._to_items(made).to(contexts.device)

    def vary(self, images: Tensor, contexts: Tensor, *, strength: float, seed: int) -> Tensor:
        """Return a variation of each image (m, *kind.shape), in the dtype of the kind, on their device."""
        model, seed = self.fitted.model, derive_seed(seed)
        with neutral_torch(), torch.no_grad():
            x = self._to_planes(images.detach())
            contexts = contexts.to(images.device)
            mean, scale = model.encode(x, contexts)
            noise = numpy_generator(seed, Purpose.NOISE).standard_normal(tuple(mean.shape))
            z = mean + strength * scale * torch.from_numpy(noise).to(mean)
            before, after = (
                model.decode(code, contexts, temperature=0.0, seed=seed).to(images.device)
                for code in (mean, z)
            )
            return self._to_items((x + (after - before)).clamp(-1, 1))

    def _to_items(self, planes: Tensor) -> Tensor:
        """Return images (m, C, H, W) in [−1, 1] as rows of the kind."""
        codec, exchange = self.fitted.codec, self.exchange
        low, high = codec.range_
        values = (self._precise(planes) + 1).mul_((high - low) / 2).add_(low).clamp_(low, high)
        if codec.dtype_.kind in "biu":
            values = values.round_()
        if codec.arrangement_.channels == "last":
            values = values.permute(0, 2, 3, 1)
        values = values.reshape(len(values), *codec.arrangement_.shape)
        values = values.permute(0, *(axis + 1 for axis in exchange.order)).reshape(-1, *exchange.kind.shape)
        dtype = exchange.kind.array_dtype
        white, wanted = exchange.whites or (1, 1)
        if white != wanted:
            values = values / white * wanted
        if dtype.kind in "biu":
            limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            values = values.round().clamp(*limits)
        return values.to(getattr(torch, exchange.kind.dtype))

    def _to_planes(self, images: Tensor) -> Tensor:
        """Undo :meth:`_to_items`: float32 (m, C, H, W), values beyond the range of fit cut to [−1, 1]."""
        codec, exchange = self.fitted.codec, self.exchange
        arrangement = codec.arrangement_
        values, order = self._precise(images), exchange.order
        shape = tuple(arrangement.shape[axis] for axis in order)
        back = np.argsort(order).tolist()
        values = values.reshape(-1, *shape).permute(0, *(axis + 1 for axis in back))
        white, wanted = exchange.whites or (1, 1)
        if white != wanted:
            values = values / wanted * white
        values = values.reshape(-1, *arrangement.shape)
        values = values.permute(0, 3, 1, 2) if arrangement.channels == "last" else values
        values = values.reshape(-1, *codec.layout.shape)
        low, high = codec.range_
        if low == high:
            return torch.zeros_like(values, dtype=torch.float32)
        return ((values - low) / (high - low) * 2 - 1).clamp(-1, 1).to(torch.float32)

    def _precise(self, values: Tensor) -> Tensor:
        """Return values in the precision that keeps those of both sides."""
        names = (self.fitted.codec.dtype_.name, self.exchange.kind.dtype)
        wide = any(name in ("float64", "int32", "int64", "uint32", "uint64") for name in names)
        # Apple's mps has no double precision.
        return values.double() if wide and values.device.type != "mps" else values.float()
