"""`BatchAugment`: synthetic rows in a batch that has left the loader, on its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vaeaug.checks import check_number, check_option
from vaeaug.errors import InputError
from vaeaug.integrations.kinds import Exchange, Kind
from vaeaug.integrations.workers import forked_cuda_explained
from vaeaug.randomness import derive_seed, keyed_seed, numpy_generator

__all__ = ["BatchAugment"]

_WHO = "BatchAugment"
_CHOICE, _MAKE = 31, 32
_EXAMPLES = 64


class BatchAugment(nn.Module):
    """Replace images of a batch by synthetic ones of their class, between loader and network.

    Called as ``images, labels = augment(images, labels)``, where MixUp goes, and before it:
    labels stay class numbers. All images of a batch are made in one call, on the device
    of the augmenter; what comes back is on the device of ``images`` and of their dtype. In
    evaluation mode (``augment.eval()``) batches pass through unchanged.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted on such images with such labels.
    p : float, default=0.5
        Probability of each image to be replaced.
    method : {"prior", "posterior"}, default="prior"
        ``"prior"``: a new image of the class. ``"posterior"``: a variation of the image
        itself.
    temperature : float, default=1.0
        Below 1 images are more typical (``"prior"``) or closer to their source (``"posterior"``).
    mean, std : sequence of float, optional
        Per channel, if the images were normalised, ``(image − mean) / std``: synthetic
        images then are too.
    random_state : None, int, RandomState or Generator
        Batch number k is a pure function of ``(random_state, k)`` and of the rank in a
        distributed run; k is part of ``state_dict``, so that a resumed run goes on where it was.

    Raises
    ------
    InputError
        When called with images that are not what the augmenter makes.

    Examples
    --------
    >>> import torch
    >>> from vaeaug import BatchAugment, VAEAugmenter
    >>> rows, labels = torch.randn(40, 3), torch.tensor([0, 1] * 20)
    >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(rows.numpy(), labels.numpy())
    >>> augment = BatchAugment(augmenter, p=0.5, random_state=0)
    >>> new_rows, new_labels = augment(rows, labels)
    >>> new_rows.shape, 0 < int((new_rows != rows).any(1).sum()) < 40
    (torch.Size([40, 3]), True)
    """

    def __init__(
        self,
        augmenter: Any,
        *,
        p: float = 0.5,
        method: str = "prior",
        temperature: float = 1.0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        random_state: Any = None,
    ) -> None:
        super().__init__()
        check_number("p", p, low=0, high=1)
        check_option("method", method, ("prior", "posterior"))
        check_number("temperature", temperature, low=0)
        if (mean is None) != (std is None):
            raise InputError(f"{_WHO}: mean and std belong together; got mean={mean!r}, std={std!r}.")
        self.augmenter = augmenter
        self.p, self.method, self.temperature = float(p), method, float(temperature)
        self.mean, self.std = mean, std
        self.seed, self.calls = derive_seed(random_state), 0
        self._exchanges: dict[Kind, Exchange] = {}

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch with some images replaced; the input is not changed.

        Parameters
        ----------
        images : Tensor (B, ...)
        labels : Tensor (B,)
            Class labels as in ``fit`` of the augmenter.
        """
        if not self.training:
            return images, labels
        if len(labels) != len(images) or labels.ndim != 1 or labels.is_floating_point():
            raise InputError(
                f"{_WHO}: labels must be one class number per image, before MixUp or CutMix turn them into "
                f"shares; got shape {tuple(labels.shape)}, dtype {labels.dtype}, for {len(images)} images."
            )
        key = (self.seed, _rank(), self.calls)
        self.calls += 1
        chosen = np.flatnonzero(numpy_generator(*key, _CHOICE).random(len(images)) < self.p)
        if not len(chosen):
            return images, labels
        rows = torch.from_numpy(chosen).to(images.device)
        new = self._make(images, rows, labels[rows.to(labels.device)].cpu().numpy(), keyed_seed(*key, _MAKE))
        return images.index_copy(0, rows, new.to(images.device, images.dtype)), labels

    def _make(self, images: Tensor, rows: Tensor, y: np.ndarray, seed: int) -> Tensor:
        """Return new images for some rows of a batch, in its value range, on any device."""
        exchange = self._exchange(images)
        with forked_cuda_explained(_WHO):
            if self.method == "prior":
                made, _ = self.augmenter.sample(
                    len(y), y=y, method="prior", temperature=self.temperature, random_state=seed
                )
            else:
                taken = exchange.to_augmenter(self._raw(images[rows]).cpu().numpy())
                made = self.augmenter.vary(taken, y, strength=self.temperature, random_state=seed)
        found = exchange.to_items(made).to(images.device)
        if self.mean is None:
            return found
        mean, std = self._statistics(found)
        return (found - mean) / std

    def _raw(self, images: Tensor) -> Tensor:
        """Return images as they were before normalisation; half floats as float32."""
        if images.is_floating_point() and images.dtype != torch.float64:
            images = images.float()
        if self.mean is None:
            return images
        mean, std = self._statistics(images)
        return images * std + mean

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (images.ndim - 2))
        mean = torch.as_tensor(self.mean, dtype=torch.float32, device=images.device)
        std = torch.as_tensor(self.std, dtype=torch.float32, device=images.device)
        return mean.reshape(shape), std.reshape(shape)

    def _exchange(self, images: Tensor) -> Exchange:
        """Return the translation for batches like this one, worked out once."""
        dtype = self._raw(images[:0]).cpu().numpy().dtype
        kind = Kind("tensor", tuple(images.shape[1:]), str(dtype))
        if kind not in self._exchanges:
            examples = self._raw(images[:_EXAMPLES]).cpu().numpy()
            self._exchanges[kind] = Exchange(self.augmenter, kind, examples, _WHO)
        return self._exchanges[kind]

    def get_extra_state(self) -> dict[str, int]:
        """Return what decides the next batches, for ``state_dict``."""
        return {"seed": self.seed, "calls": self.calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Go on where a saved state was."""
        self.seed, self.calls = int(state["seed"]), int(state["calls"])

    def extra_repr(self) -> str:
        """Return the settings, without the networks."""
        return f"p={self.p}, method={self.method!r}, temperature={self.temperature}"


def _rank() -> int:
    """Return the rank in a distributed run, so that ranks do not make the same images."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0
