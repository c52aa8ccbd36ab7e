"""Codes of rows and rows of codes: transform and back, variations, scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from vaeaug.errors import InputError
from vaeaug.latent import arithmetic
from vaeaug.model.conditional import Candidates, Request, draw_where
from vaeaug.model.fitted import FittedState
from vaeaug.utils.random import Purpose, numpy_generator
from vaeaug.utils.validation import check_number

__all__ = ["inverse_transform", "measure_uncertainty", "score_samples", "transform", "vary"]


def transform(fitted: FittedState, X: Any) -> np.ndarray:
    """Return the posterior mean of each row; see :meth:`vaeaug.VAEAugmenter.transform`."""
    x = fitted.encode(X)
    mean, _ = fitted.model.encode(x, fitted.context.encode(None, len(x)))
    return mean.astype(np.float32) if getattr(X, "dtype", None) == np.float32 else mean


def inverse_transform(fitted: FittedState, Z: Any, y: Any) -> Any:
    """Return the most probable row of each code; see :meth:`vaeaug.VAEAugmenter.inverse_transform`."""
    Z = check_array(Z, dtype=np.float64, ensure_min_samples=0, input_name="Z")
    width = fitted.model.blueprint.latent_dim
    if Z.shape[1] != width:
        raise InputError(
            f"inverse_transform takes codes of shape (n, {width}), as transform returns them; got {Z.shape}."
        )
    return fitted.intake.decode(fitted.decode(Z, fitted.encode_labels(y, len(Z))))


def vary(
    fitted: FittedState,
    X: Any,
    y: Any,
    strength: float,
    sharp: bool,
    where: Mapping[Any, Any] | None,
    seed: Callable[[], int],
) -> Any:
    """Return a random variation of each row; see :meth:`vaeaug.VAEAugmenter.vary`."""
    check_number("strength", strength, low=0)
    conditions = fitted.condition(where)
    rows = fitted.read(X, y)
    drawn = seed()
    mean, scale = fitted.model.encode(rows.x, rows.c)
    temperature = min(strength, 1.0)
    if conditions is not None:

        def start(groups: np.ndarray, own: int) -> tuple[Candidates, np.ndarray]:
            noise = numpy_generator(own, Purpose.NOISE)
            z = arithmetic.perturb(mean[groups], scale[groups], strength, noise)
            return Candidates(rows.c[groups], z), groups

        made, _ = draw_where(fitted, conditions, Request(np.arange(len(mean)), start, temperature), drawn)
        return fitted.intake.decode(made, like=rows.X, conditions=conditions)
    z = arithmetic.perturb(mean, scale, strength, numpy_generator(drawn, Purpose.NOISE))
    if sharp and fitted.is_image:
        return fitted.intake.decode(fitted.change_images(rows.x, (mean, rows.c), (z, rows.c)), like=rows.X)
    made = fitted.model.decode(z, rows.c, temperature=temperature, seed=drawn)
    return fitted.intake.decode(made, like=rows.X)


def score_samples(fitted: FittedState, X: Any, y: Any, n_draws: int) -> np.ndarray:
    """Return a bound on the log-likelihood of each row; see :meth:`vaeaug.VAEAugmenter.score_samples`."""
    check_number("n_draws", n_draws, low=1, integer=True)
    rows = fitted.read(X, y)
    return fitted.model.log_likelihood(rows.x, rows.c, draws=n_draws, seed=fitted.seed)


def measure_uncertainty(fitted: FittedState, X: Any, y: Any, n_draws: int) -> np.ndarray:
    """Return how much plausible reconstructions differ; see :meth:`vaeaug.VAEAugmenter.uncertainty`."""
    check_number("n_draws", n_draws, low=2, integer=True)
    rows = fitted.read(X, y)
    mean, scale = fitted.model.encode(rows.x, rows.c)
    rng = numpy_generator(fitted.seed, Purpose.DRAWS)
    codec = fitted.codec

    def draw() -> np.ndarray:
        made = fitted.decode(arithmetic.perturb(mean, scale, 1.0, rng), rows.c)
        # Reading tables anew gives numbers their place on a Gaussian scale.
        return made if fitted.is_image else codec.encode(codec.decode(made))

    return arithmetic.measure_disagreement((draw() for _ in range(n_draws)), codec.layout)
