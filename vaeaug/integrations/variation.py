"""Variations of single images and small batches, for the transforms of both worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vaeaug.errors import InputError
from vaeaug.integrations.kinds import Exchange, Kind
from vaeaug.integrations.workers import forked_cuda_explained

__all__ = ["Varier", "broadcast_labels"]


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
        self.augmenter, self.who = augmenter, who
        self._exchanges: dict[Kind, Exchange] = {}

    def __call__(self, rows: np.ndarray, y: np.ndarray | None, *, strength: float, seed: int) -> np.ndarray:
        """Return a variation of each of ``rows`` (m, ...), in their layout, dtype and range.

        Parameters
        ----------
        y : ndarray (m,) or None
            Labels; None leaves them unknown.
        strength : float
            Scales the noise on the codes.
        seed : int
        """
        kind = Kind("array", tuple(rows.shape[1:]), str(rows.dtype))
        if kind not in self._exchanges:
            self._exchanges[kind] = Exchange(self.augmenter, kind, rows, self.who)
        exchange = self._exchanges[kind]
        with forked_cuda_explained(self.who):
            made = self.augmenter.vary(exchange.to_augmenter(rows), y, strength=strength, random_state=seed)
        return exchange.to_items(made).numpy()


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
    if found.ndim > 1 or (found.ndim == 1 and len(found) != rows):
        raise InputError(
            f"{who}: labels must be one class, or one for each of the {rows} images; got shape {found.shape}."
        )
    return np.broadcast_to(found, (rows,))
