"""Codes of rows and rows of codes: transform and back, variations, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from vaeaug.errors import InputError
from vaeaug.latent import arithmetic
from vaeaug.model.fitted import Fitted
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.validation import check_number

__all__ = ["Coding"]

_NOISE, _DRAWS = 13, 15


class Coding(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Fitted):
    """The methods of an augmenter that work row by row."""

    def transform(self, X: Any) -> np.ndarray:
        """Return the posterior mean of each row: its code, without using a label.

        Parameters
        ----------
        X : as in fit

        Returns
        -------
        Z : ndarray of shape (n, D)
            float64 (float32 for float32 arrays).
        """
        check_is_fitted(self)
        x = self._encode(X)
        mean, _ = self._model.encode(x, self._context.encode(None, len(x)))
        return mean.astype(np.float32) if getattr(X, "dtype", None) == np.float32 else mean

    def inverse_transform(self, Z: Any, y: Any = None) -> Any:
        """Return the most probable row of each code.

        Parameters
        ----------
        Z : array-like of shape (n, D)
        y : scalar, array-like of shape (n,) or None
            Labels to decode under; None leaves them unknown.

        Returns
        -------
        X : as in fit
        """
        check_is_fitted(self)
        Z = check_array(Z, dtype=np.float64, ensure_min_samples=0, input_name="Z")
        if Z.shape[1] != self._n_features_out:
            raise InputError(
                f"inverse_transform takes codes of shape (n, {self._n_features_out}), as transform returns "
                f"them; got {Z.shape}."
            )
        c = self._labels(y, len(Z))
        return self._intake.decode(self._model.decode(Z, c, temperature=0.0, seed=self._seed))

    def reconstruct(self, X: Any, y: Any = None) -> Any:
        """Return a denoised copy of each row: the most probable row of its code.

        Parameters
        ----------
        X : as in fit
        y : scalar, array-like of shape (n,) or None
            Labels of the rows, if known.

        Returns
        -------
        X : as in fit
            Row by row; a frame keeps its index.
        """
        return self.vary(X, y, strength=0.0, sharp=False, random_state=0)

    def vary(
        self, X: Any, y: Any = None, *, strength: float = 1.0, sharp: bool = True, random_state: Any = None
    ) -> Any:
        """Return a random variation of each row.

        Parameters
        ----------
        X : as in fit
        y : array-like of shape (n,) or None
            Labels of the rows, if known.
        strength : float, default=1.0
            Scales the noise on the codes; 0 gives the reconstruction (of images, with ``sharp``, the image).
        sharp : bool, default=True
            For images: change the image itself, ``x' = x + decoded(z') − decoded(z)``, which keeps the
            detail that decoding blurs. False returns the decoded variation. Tables have no such detail.
        random_state : int, RandomState or None

        Returns
        -------
        X : as in fit
            Row by row; a frame keeps its index.
        """
        check_is_fitted(self)
        check_number("strength", strength, low=0)
        data = self._intake.open(X, y)
        X, y = data.X, data.y
        x = self._encode(X)
        c = self._labels(y, len(x))
        seed = self._next_seed(random_state)
        mean, scale = self._model.encode(x, c)
        z = arithmetic.perturb(mean, scale, strength, numpy_generator(seed, _NOISE))
        if sharp and self._codec.layout.is_image:
            return self._intake.decode(self._revised(x, (mean, c), (z, c)), like=X)
        made = self._model.decode(z, c, temperature=min(strength, 1.0), seed=seed)
        return self._intake.decode(made, like=X)

    def score_samples(self, X: Any, y: Any = None, *, n_draws: int = 16) -> np.ndarray:
        """Return a lower bound on the log-likelihood of each row, in nats; low means unusual.

        The importance-weighted bound (Burda et al. 2016) with ``n_draws`` codes per row.
        Numbers count by the bin they fall in.

        Returns
        -------
        ndarray of shape (n,)
        """
        check_is_fitted(self)
        check_number("n_draws", n_draws, low=1, integer=True)
        data = self._intake.open(X, y)
        X, y = data.X, data.y
        x = self._encode(X)
        return self._model.log_likelihood(x, self._labels(y, len(x)), draws=n_draws, seed=self._seed)

    def uncertainty(self, X: Any, y: Any = None, *, n_draws: int = 8) -> np.ndarray:
        """Return how much the plausible reconstructions of each row differ; high means unsure.

        Codes are drawn from the posterior of the row, and the likeliest row of each is taken. What differs
        among them is what the model does not know from the code: for images the standard deviation of the
        pixels (root of the mean variance), as a share of their range; for tables the mean over columns, of
        numbers their standard deviation on a scale where the column is a standard normal, of
        categories the share of pairs of draws that differ.

        Parameters
        ----------
        X : as in fit
        y : scalar, array-like of shape (n,) or None
            Labels of the rows, if known.
        n_draws : int, default=8
            Draws per row, 2 or more.

        Returns
        -------
        ndarray of shape (n,)
            0 or more. A plain autoencoder (``posterior="none"``) has no posterior; the narrow spread of its
            variations takes its place.
        """
        check_is_fitted(self)
        check_number("n_draws", n_draws, low=2, integer=True)
        data = self._intake.open(X, y)
        x = self._encode(data.X)
        c = self._labels(data.y, len(x))
        mean, scale = self._model.encode(x, c)
        rng = numpy_generator(self._seed, _DRAWS)

        def draw() -> np.ndarray:
            z = arithmetic.perturb(mean, scale, 1.0, rng)
            made = self._model.decode(z, c, temperature=0.0, seed=self._seed)
            # Reading tables anew gives numbers their place on a Gaussian scale.
            return made if self._codec.layout.is_image else self._codec.encode(self._codec.decode(made))

        draws = (draw() for _ in range(n_draws))
        return arithmetic.disagreement(draws, self._codec.layout)
