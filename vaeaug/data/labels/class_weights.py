"""Class numbers of contexts, and what the rows of each class weigh in training."""

from __future__ import annotations

import numpy as np

__all__ = ["class_numbers", "class_weights"]


def class_numbers(c: np.ndarray, class_block: tuple[int, int]) -> np.ndarray:
    """Return the class number of each context ``(n, K)``, int64 (n,).

    Rows of unknown class share the number after the last; without classes all are 0.
    """
    start, stop = class_block
    block = c[:, start:stop]
    return np.where(block.any(1), block.argmax(1), stop - start) if stop > start else np.zeros(len(c), int)


def class_weights(groups: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray | None:
    """Weigh rows by the inverse square root of their class's share, times the weights they have.

    Without it, a class of ten rows among thousands hardly moves the network and its samples
    look like the majority's; full balancing (the inverse share) learns such rows by heart.

    Parameters
    ----------
    groups : ndarray of int, shape (n,), or None
        Class numbers.
    weights : ndarray of float32, shape (n,), or None

    Returns
    -------
    ndarray of float32, shape (n,), or None
        With a mean of 1 for the part that comes from the classes.
    """
    if groups is None:
        return weights
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    balance = (1.0 / np.sqrt(counts))[index]
    balance = (balance / balance.mean()).astype(np.float32)
    return balance if weights is None else balance * weights
