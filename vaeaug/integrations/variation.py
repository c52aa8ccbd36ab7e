"""Variations of single images and small batches, for the transforms of both worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vaeaug.data.labels.targets import stack_labels
from vaeaug.errors import InputError
from vaeaug.integrations.conversion import Kind, as_array
from vaeaug.integrations.exchange import Exchange, check_augmenter
from vaeaug.integrations.labels import explain_unknown_labels
from vaeaug.integrations.shared_memory import explain_forked_cuda
from vaeaug.integrations.tensors import TensorImages, works_on_tensors

__all__ = ["Varier", "broadcast_labels"]

_ADVICE = (
    "Put VAEVariation before normalisation and whatever else changes the scale, or fit the augmenter on such "
    "images."
)


class Varier:
    """Vary images of any kind with one augmenter.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted on images of that size.
    who : str
        For error messages.
    """

    def __init__(self, augmenter: Any, who: str) -> None:
        self.augmenter, self.who = check_augmenter(augmenter, who), who
        self._exchanges: dict[Kind, Exchange] = {}

    def __call__(self, rows: Any, y: np.ndarray | None, *, strength: float, seed: int) -> Any:
        """Return a variation of each of ``rows`` (m, ...), in their layout, dtype and range.

        Parameters
        ----------
        rows : ndarray or Tensor (m, ...)
            What is returned is of the same class; tensors stay on their device.
        y : ndarray (m,) or None
            Labels; None leaves them unknown.
        strength : float
            Scales the noise on the codes.
        seed : int
        """
        kind = Kind.of_rows(rows, self.who)
        if kind not in self._exchanges:
            self._exchanges[kind] = Exchange(self.augmenter, kind, self.who, _ADVICE)
        exchange = self._exchanges[kind]
        exchange.check(rows, lambda i: f"image {i}" if len(rows) > 1 else "the image")
        with explain_forked_cuda(self.who), explain_unknown_labels(self.who):
            if isinstance(rows, torch.Tensor) and works_on_tensors(self.augmenter):
                images = TensorImages(self.augmenter, exchange)
                return images.vary(rows, images.contexts(y, len(rows)), strength=strength, seed=seed)
            arrays = as_array(rows, self.who)
            found = exchange.draw(self.augmenter, y, arrays, spread=strength, seed=seed)
        return found.to(rows) if isinstance(rows, torch.Tensor) else found.numpy()


def broadcast_labels(labels: Any, rows: int, who: str) -> np.ndarray | None:
    """Return one label for each of ``rows`` images, from one label or as many.

    Raises
    ------
    InputError
        For another number of labels.
    """
    if labels is None:
        return None
    found = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if found.dtype.kind in "US" and isinstance(labels, list | tuple):
        found = stack_labels(labels, "sample")  # refuses numbers among texts
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim > 1 or (found.ndim == 1 and len(found) not in (1, rows)):
        raise InputError(
            f"{who}: labels must be one class, or one for each of the {rows} images; got shape {found.shape}."
        )
    return np.broadcast_to(found, (rows,))
