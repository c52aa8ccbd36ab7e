"""The estimator: check, encode, build, train, decode; no mathematics."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from vaeaug import archive, operations
from vaeaug.assembly import NETWORKS, Blueprint, chosen
from vaeaug.checks import (
    appended,
    check_number,
    check_option,
    check_weights,
    extended,
    refuse_images,
    refuse_repeated_columns,
    refuse_text,
    restored_on_failure,
)
from vaeaug.codecs.context import ContextCodec
from vaeaug.codecs.tabular import TableCodec
from vaeaug.errors import ArchiveError, InputError, PosteriorCollapseWarning
from vaeaug.losses.terms import TERMS
from vaeaug.model import Model
from vaeaug.nn.latents import LATENTS
from vaeaug.nn.posteriors import POSTERIORS
from vaeaug.nn.priors import PRIORS
from vaeaug.randomness import derive_seed, numpy_generator
from vaeaug.recipe import Recipe, parameter_from_json, parameter_to_json
from vaeaug.resampling import targets
from vaeaug.settings import Plan, bins_for, class_weights, hold_out, resolve, units_for
from vaeaug.training.callbacks import ProgressBar
from vaeaug.training.runtime import Runtime

__all__ = ["METHODS", "VAEAugmenter", "load"]

METHODS = ("prior", "posterior", "interpolate")
_NEIGHBOURS = 5
_MOST_ANCHORS = 20_000
_LABELS, _CHOICE, _NOISE = 11, 12, 13
_COLLAPSED, _FEWEST_TO_JUDGE = 0.1, 200  # nats, rows


class VAEAugmenter(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Learn a table with a class-conditional VAE, and make new rows of any class.

    Parameters
    ----------
    latent_dim : int or "auto", default="auto"
        D, the dimension of a code; ``"auto"`` is 16.
    beta : float or "auto", default="auto"
        Weight of the KL term. ``"auto"`` is 0.8; smaller values keep more of each row in
        its code (better reconstructions, nearer variations) and leave more to the prior.
    prior : {"mixture", "flow", "gaussian", "standard"} or Recipe, default="mixture"
        What codes are drawn from, given the class. All but ``"standard"`` are fitted
        after the networks.
    posterior : {"gaussian"} or Recipe, default="gaussian"
    latent : {"flat"} or Recipe, default="flat"
    network : "auto" or Recipe, default="auto"
        ``Recipe("residual", width=128, depth=2, dependence="auto")``: width and depth of
        encoder and decoder, and hidden units of the part of the decoder that models each
        column given the columns before it (0 makes columns independent given the code).
    losses : dict of str to float, optional
        Weights of loss terms that replace the default
        ``{"reconstruction": 1, "kl": beta}``.
    categorical_features : "from_dtype", None, mask, positions or names, default="from_dtype"
        Numeric columns to treat as categories.
    image_shape : tuple, optional
        Reserved for images.
    channels : {"auto", "first", "last"}, default="auto"
        Reserved for images.
    max_iter : int or "auto", default="auto"
        Epochs, at most; ``"auto"`` is 28 for 32,000 rows, more for fewer rows.
    batch_size : int or "auto", default="auto"
        Rows per step; ``"auto"`` is 32 to 1,024.
    learning_rate_init : float or "auto", default="auto"
        Peak learning rate; ``"auto"`` is 0.002.
    early_stopping : bool, default=True
        Hold out rows, and keep the weights that were best on them.
    validation_fraction : float, default=0.1
        Share of rows held out, at most 5,000 rows, none of a class with fewer than 10.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    max_fit_seconds : float, optional
        Bound on the time of ``fit``; the learning rate comes down in time.
    device : str, default="auto"
        ``"auto"`` takes a GPU when there is one.
    random_state : int, RandomState or None, default=None
        Decides everything random in ``fit`` and the sequence of samples after it. With
        None both are new each time.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray or None
        Labels seen in fit; None without class labels.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only when X had string column names.
    history_ : DataFrame
        Per epoch: ``stage`` ("network" or "prior"), ``epoch``, losses in nats, ``seconds``.
    n_iter_ : int
        Epochs the networks were trained for.

    Notes
    -----
    Rows of a class with a share s of all rows weigh ``s^(−1/2)`` in the loss. What is learned is the
    distribution of rows given their class, so this biases nothing; it lets a rare class be heard.

    The loss is ``E_q[−log p(x|z,c)] + β · KL(q(z|x,c) ‖ N(0, I))`` (Kingma and Welling
    2014; Higgins et al. 2017; conditional on c as in Sohn et al. 2015).

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug import VAEAugmenter
    >>> X = pd.DataFrame({"age": range(20, 80), "job": ["clerk", "nurse", None] * 20})
    >>> y = ["no"] * 50 + ["yes"] * 10
    >>> augmenter = VAEAugmenter(max_iter=5, random_state=0).fit(X, y)
    >>> X_new, y_new = augmenter.sample(3, y="yes")
    >>> X_new.dtypes.equals(X.dtypes)
    True
    """

    _parameter_constraints: dict = {
        "latent_dim": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "beta": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "prior": [StrOptions(set(PRIORS)), Recipe],
        "posterior": [StrOptions(set(POSTERIORS)), Recipe],
        "latent": [StrOptions(set(LATENTS)), Recipe],
        "network": [StrOptions({"auto", *NETWORKS}), Recipe],
        "losses": [dict, None],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "image_shape": [tuple, list, None],
        "channels": [StrOptions({"auto", "first", "last"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "max_fit_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        latent_dim: int | str = "auto",
        beta: float | str = "auto",
        prior: str | Recipe = "mixture",
        posterior: str | Recipe = "gaussian",
        latent: str | Recipe = "flat",
        network: str | Recipe = "auto",
        losses: Mapping[str, float] | None = None,
        categorical_features: Any = "from_dtype",
        image_shape: Any = None,
        channels: str = "auto",
        max_iter: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate_init: float | str = "auto",
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        max_fit_seconds: float | None = None,
        device: str = "auto",
        random_state: Any = None,
        verbose: int | bool = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.beta = beta
        self.prior = prior
        self.posterior = posterior
        self.latent = latent
        self.network = network
        self.losses = losses
        self.categorical_features = categorical_features
        self.image_shape = image_shape
        self.channels = channels
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.max_fit_seconds = max_fit_seconds
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # -- learning -------------------------------------------------------------------

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> VAEAugmenter:
        """Learn the rows of X and, if given, how they depend on y.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, d)
            Numbers, text, categories, booleans, dates; missing values are learned too.
        y : array-like of shape (n,), DataFrame or None
            Class labels, a continuous target, or a frame of control variables.
        sample_weight : array-like of shape (n,), optional
            Importance of the rows in training, 0 or more.

        Returns
        -------
        VAEAugmenter
            Itself.

        Raises
        ------
        InputError
            For data that cannot be learned from; the message names the column.
        TrainingDivergedError
            When the loss stays non-finite.

        Warns
        -----
        PosteriorCollapseWarning
            When the codes say nothing about the rows.
        """
        with restored_on_failure(self):
            rows = self._learn(X, y, sample_weight)
        _warn_if_collapsed(self.history_, rows)
        return self

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> int:
        """Do the work of fit; return the number of rows."""
        codec, context, x, c = self._encode_training(X, y)
        weights = check_weights(sample_weight, len(x))
        groups = context.groups(y) if context.width else None
        if weights is not None and not weights.all():
            # Rows of weight 0 are as if they were not there.
            counted = weights > 0
            x, c, weights = x[counted], c[counted], weights[counted]
            groups = None if groups is None else groups[counted]
        if len(x) < 2:
            raise InputError(f"VAEAugmenter needs at least 2 rows to learn from, got n_samples={len(x)}.")
        seed = derive_seed(self.random_state)
        plan = resolve(
            len(x),
            latent_dim=self.latent_dim,
            max_iter=self.max_iter,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate_init,
            beta=self.beta,
            validation_fraction=self.validation_fraction,
            early_stopping=self.early_stopping,
        )
        model = Model.create(self._blueprint(codec, context, plan, len(x)), Runtime(self.device), seed)
        held_out = hold_out(groups, len(x), plan.held_out, seed)
        weights = class_weights(groups, weights)
        history = self._train(model, x, c, held_out, weights, plan, seed)
        self._codec, self._context, self._model = codec, context, model
        self.classes_ = context.classes_
        self.history_ = history
        self.n_iter_ = int((history["stage"] == "network").sum())
        self._n_features_out = plan.latent_dim
        self._anchors = self._anchor(x, c, seed)
        self._seed, self._calls = seed, 0
        return len(x)

    def _encode_training(self, X: Any, y: Any) -> tuple[TableCodec, ContextCodec, np.ndarray, np.ndarray]:
        if self.image_shape is not None:
            raise InputError(
                f"image_shape must be None, since images are not supported yet; got {self.image_shape!r}."
            )
        refuse_images(X)
        if isinstance(X, pd.DataFrame):
            refuse_repeated_columns(X)
            validate_data(self, X, skip_check_array=True)
        else:
            refuse_text(X)
            X = validate_data(self, X, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2)
        codec = TableCodec(self.categorical_features, max_bins=bins_for(len(X))).fit(X)
        context = ContextCodec().fit(y)
        return codec, context, codec.encode(X), _contexts(context, y, len(X))

    def _blueprint(self, codec: TableCodec, context: ContextCodec, plan: Plan, rows: int) -> Blueprint:
        losses = self.losses if self.losses is not None else {"reconstruction": 1.0, "kl": plan.beta}
        if not losses:
            raise InputError(
                f"losses must weigh at least one of {', '.join(map(repr, TERMS))}; got {losses!r}."
            )
        for name, weight in losses.items():
            check_option("losses", name, TERMS)
            check_number(f"losses[{name!r}]", weight, low=0)
        network = chosen("residual" if self.network == "auto" else self.network, NETWORKS, "network")
        if self.network == "auto":
            network = network.replace(dependence=units_for(rows, len(codec.layout.levels)))
        return Blueprint(
            layout=codec.layout,
            context_width=context.width,
            blocks=tuple(context.blocks),
            class_block=context.class_block,
            latent_dim=plan.latent_dim,
            network=network,
            prior=chosen(self.prior, PRIORS, "prior"),
            posterior=chosen(self.posterior, POSTERIORS, "posterior"),
            latent=chosen(self.latent, LATENTS, "latent"),
            losses={name: float(weight) for name, weight in losses.items()},
        )

    def _train(
        self,
        model: Model,
        x: np.ndarray,
        c: np.ndarray,
        held_out: np.ndarray,
        weights: np.ndarray | None,
        plan: Plan,
        seed: int,
    ) -> pd.DataFrame:
        budget = self.max_fit_seconds
        shares = (None, None) if budget is None else (0.8 * budget, 0.2 * budget)
        stages = []
        with _progress(self.verbose, "networks") as bars:
            result = model.train(
                x,
                c,
                held_out,
                weights=weights,
                seed=seed,
                callbacks=bars,
                max_iter=plan.max_iter,
                batch_size=plan.batch_size,
                learning_rate=plan.learning_rate,
                early_stopping=self.early_stopping,
                n_iter_no_change=self.n_iter_no_change,
                max_seconds=shares[0],
            )
        stages.append(pd.DataFrame(result.history).assign(stage="network"))
        with _progress(self.verbose, "prior") as bars:
            fitted = model.fit_prior(
                x,
                c,
                weights=weights,
                seed=seed,
                callbacks=bars,
                learning_rate=plan.learning_rate,
                max_seconds=shares[1],
            )
        if fitted is not None:
            stages.append(pd.DataFrame(fitted.history).assign(stage="prior"))
        history = pd.concat(stages, ignore_index=True)
        return history[["stage", *(name for name in history if name != "stage")]]

    def _anchor(self, x: np.ndarray, c: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Keep the posteriors of (at most 20,000) training rows, for variations without the data at hand."""
        rows = np.arange(len(x))
        if len(x) > _MOST_ANCHORS:
            group = self._group(c)
            order = numpy_generator(seed, _CHOICE).permutation(len(x))
            # Small classes are kept whole: order rows by their rank within the class.
            rank = pd.Series(group[order]).groupby(group[order]).cumcount().to_numpy()
            rows = np.sort(order[np.argsort(rank, kind="stable")[:_MOST_ANCHORS]])
        mean, scale = self._model.encode(x[rows], c[rows])
        return {"mean": mean.astype(np.float32), "scale": scale.astype(np.float32), "context": c[rows]}

    # -- new rows -------------------------------------------------------------------

    def sample(
        self,
        n_samples: int = 1,
        y: Any = None,
        *,
        method: str = "prior",
        temperature: float = 1.0,
        random_state: Any = None,
    ) -> tuple[Any, Any]:
        """Make new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows; not needed when ``y`` lists one label per row.
        y : scalar, array-like or None
            None: labels are drawn at their training frequencies. A scalar: that label for
            all rows. An array: one label per row.
        method : {"prior", "posterior", "interpolate"}, default="prior"
            ``"prior"``: codes from the class-conditional prior. ``"posterior"``: variations
            of training rows of the class. ``"interpolate"``: between a training row and one
            of its nearest neighbours of the class, in latent space.
        temperature : float, default=1.0
            Below 1 the rows are more typical and less diverse; 0 is deterministic but
            for the choice of mixture component or training row.
        random_state : int, RandomState or None
            None continues the estimator's own sequence, so that successive calls differ.

        Returns
        -------
        X_new : as X in fit
            Same container, columns and dtypes; a fresh index.
        y_new : as y in fit, or None
        """
        check_is_fitted(self)
        check_option("method", method, METHODS)
        check_number("temperature", temperature, low=0)
        check_number("n_samples", n_samples, low=1, integer=True)
        if n_samples == 1 and y is not None and not self._is_one_label(y):
            n_samples = len(y)
        anchors = (self._anchors["mean"], self._anchors["scale"], self._anchors["context"])
        if y is None:
            seed = self._next_seed(random_state)
            labels = self._context.draw(int(n_samples), numpy_generator(seed, _LABELS))
            c = self._context.encode(labels, int(n_samples))
        else:
            labels = self._context.as_labels(y, int(n_samples))
            c = self._context.encode(labels, int(n_samples))
            self._check_sources(method, c, anchors[2])
            seed = self._next_seed(random_state)
        x, _ = self._generate(c, method, temperature, seed, anchors)
        return self._codec.decode(x), labels

    def generate(
        self,
        y_new: Any,
        X: Any,
        y: Any,
        *,
        method: str = "auto",
        temperature: float = 1.0,
        random_state: Any = None,
    ) -> tuple[Any, np.ndarray]:
        """Make one row per label, and say which real row each of them varies.

        Parameters
        ----------
        y_new : array-like of shape (m,), or DataFrame as in fit
            Labels of the rows to make; may be empty.
        X, y : as in fit
            The real rows that ``"posterior"`` and ``"interpolate"`` start from.
        method : {"auto", "prior", "posterior", "interpolate"}, default="auto"
            ``"auto"`` is ``"prior"``.
        temperature, random_state
            As in :meth:`sample`.

        Returns
        -------
        X_new : as X
        source_indices : ndarray of int64, shape (m,)
            Row number in X that each new row varies, −1 for draws from the prior.
        """
        check_is_fitted(self)
        check_option("method", method, ("auto", *METHODS))
        check_number("temperature", temperature, low=0)
        if self._is_one_label(y_new):
            raise InputError(
                f"y_new must list one label per row to make, got {y_new!r}; use sample for one label."
            )
        x = self._encode(X)
        known = _contexts(self._context, y, len(x))
        if not len(y_new):
            return self._codec.decode(x[:0]), np.zeros(0, dtype=np.int64)
        c = self._context.encode(self._context.as_labels(y_new, len(y_new)), len(y_new))
        self._check_sources(method, c, known)
        seed = self._next_seed(random_state)
        if method in ("auto", "prior"):
            x, sources = self._generate(c, "prior", temperature, seed, None)
        else:
            mean, scale = self._model.encode(x, known)
            x, sources = self._generate(c, method, temperature, seed, (mean, scale, known))
        return self._codec.decode(x), sources

    def _generate(
        self,
        c: np.ndarray,
        method: str,
        temperature: float,
        seed: int,
        anchors: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return encoded rows for contexts, and the anchors they vary."""
        if method == "prior" or anchors is None:
            return self._model.sample(c, temperature=temperature, seed=seed), np.full(len(c), -1, np.int64)
        mean, scale, known = anchors
        rng = numpy_generator(seed, _CHOICE)
        groups = self._group(known)
        sources = operations.pick_sources(self._group(c), groups, rng)
        noise = numpy_generator(seed, _NOISE)
        z = operations.perturb(mean[sources], scale[sources], temperature, noise)
        if method == "interpolate":
            partner = operations.same_class_neighbours(sources, mean, groups, _NEIGHBOURS, rng)
            other = operations.perturb(mean[partner], scale[partner], temperature, noise)
            z = operations.lerp(z, other, rng.random((len(z), 1)))
        return self._model.decode(z, c, temperature=temperature, seed=seed), sources

    def _check_sources(self, method: str, c: np.ndarray, known: np.ndarray) -> None:
        """Refuse to vary real rows of a class that has none."""
        lost = np.setdiff1d(self._group(c), self._group(known))
        if method in ("posterior", "interpolate") and len(lost):
            names = [] if self.classes_ is None else self.classes_.tolist()
            which = f"of class {names[lost[0]]!r}" if lost[0] < len(names) else "without a class"
            raise InputError(
                f"method={method!r} varies real rows, and there are none {which}; add one, or use "
                "method='prior'."
            )

    def resample(
        self,
        X: Any,
        y: Any,
        *,
        sampling_strategy: Any = "auto",
        method: str = "auto",
        random_state: Any = None,
    ) -> tuple[Any, Any]:
        """Return the rows of X, untouched, followed by new rows that balance the classes.

        Parameters
        ----------
        X, y : as in fit
        sampling_strategy : str, float, dict or callable, default="auto"
            As in imbalanced-learn's over-samplers: ``"auto"`` brings every class to the
            size of the largest; a float is the wanted ratio minority / majority; a dict
            gives the wanted total per class.
        method : {"auto", "prior", "posterior", "interpolate"}, default="auto"
        random_state : int, RandomState or None

        Returns
        -------
        X_res, y_res : as X and y
        """
        check_is_fitted(self)
        check_option("method", method, ("auto", *METHODS))
        self._check_balanceable(y)
        wanted = targets(sampling_strategy, y)
        # The labels of new rows are labels of y, so that its container and dtype are kept.
        labels = np.asarray(y).ravel()
        first = [int(np.flatnonzero(labels == label)[0]) for label in wanted]
        positions = np.repeat(np.array(first, dtype=np.int64), list(wanted.values()))
        y_res = extended(y, positions)
        X_new, _ = self.generate(y_res[len(labels) :], X, y, method=method, random_state=random_state)
        return appended(X, X_new), y_res

    def _check_balanceable(self, y: Any) -> None:
        blocks = len(self._context.blocks)
        if blocks != 1 or self.classes_ is None:
            got = {0: "no y", 1: "a continuous y"}.get(blocks, f"{blocks} control variables")
            raise InputError(
                f"resample balances one column of class labels, and fit was given {got}; call fit(X, y) with "
                "one label per row, or make rows of chosen targets with sample."
            )
        if y is None:
            raise InputError("resample needs y, one class label per row of X; got None.")

    # -- codes ----------------------------------------------------------------------

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
        return self._codec.decode(self._model.decode(Z, c, temperature=0.0, seed=self._seed))

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
        return self.vary(X, y, strength=0.0, random_state=0)

    def vary(self, X: Any, y: Any = None, *, strength: float = 1.0, random_state: Any = None) -> Any:
        """Return a random variation of each row.

        Parameters
        ----------
        X : as in fit
        y : array-like of shape (n,) or None
            Labels of the rows, if known.
        strength : float, default=1.0
            Scales the noise on the codes; 0 gives the reconstruction.
        random_state : int, RandomState or None

        Returns
        -------
        X : as in fit
            Row by row; a frame keeps its index.
        """
        check_is_fitted(self)
        check_number("strength", strength, low=0)
        x = self._encode(X)
        c = self._labels(y, len(x))
        seed = self._next_seed(random_state)
        mean, scale = self._model.encode(x, c)
        z = operations.perturb(mean, scale, strength, numpy_generator(seed, _NOISE))
        made = self._codec.decode(self._model.decode(z, c, temperature=min(strength, 1.0), seed=seed))
        return (
            made.set_axis(X.index) if isinstance(X, pd.DataFrame) and isinstance(made, pd.DataFrame) else made
        )

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
        x = self._encode(X)
        return self._model.log_likelihood(x, self._labels(y, len(x)), draws=n_draws, seed=self._seed)

    # -- files ----------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, never a pickle.

        Raises
        ------
        ArchiveError
            When the path cannot be written; what was there stays.
        """
        check_is_fitted(self)
        manifest, arrays = self._state()
        archive.write(path, manifest, arrays)

    def _state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        codec, codec_arrays = self._codec.state()
        context, context_arrays = self._context.state()
        parameters = {name: parameter_to_json(value) for name, value in self.get_params(deep=False).items()}
        manifest = {
            "class": type(self).__name__,
            "parameters": parameters,
            "blueprint": self._model.blueprint.to_json(),
            "codec": codec,
            "context": context,
            "history": self.history_.astype(object).where(self.history_.notna(), None).to_dict("list"),
            "seed": self._seed,
            "n_features_in": self.n_features_in_,
            "feature_names_in": list(getattr(self, "feature_names_in_", [])) or None,
        }
        groups = {
            "model": self._model.state(),
            "codec": codec_arrays,
            "context": context_arrays,
            "anchors": self._anchors,
        }
        arrays = {f"{group}/{name}": a for group, part in groups.items() for name, a in part.items()}
        return manifest, arrays

    @classmethod
    def _from_state(
        cls, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray], device: str, runtime: Runtime
    ) -> VAEAugmenter:
        def part(group: str) -> dict[str, np.ndarray]:
            start = group + "/"
            return {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}

        parameters = {name: parameter_from_json(value) for name, value in manifest["parameters"].items()}
        self = cls(**{**parameters, "device": device})
        blueprint = Blueprint.from_json(manifest["blueprint"])
        self._codec = TableCodec.from_state(manifest["codec"], part("codec"))
        self._context = ContextCodec.from_state(manifest["context"], part("context"))
        self._model = Model.from_state(blueprint, part("model"), runtime)
        self._anchors = part("anchors")
        self._seed, self._calls = int(manifest["seed"]), 0
        self._n_features_out = blueprint.latent_dim
        self.classes_ = self._context.classes_
        history = pd.DataFrame(manifest["history"])
        self.history_ = history.astype({name: float for name in history if name not in ("stage", "epoch")})
        self.n_iter_ = int((self.history_["stage"] == "network").sum())
        self.n_features_in_ = int(manifest["n_features_in"])
        if manifest["feature_names_in"] is not None:
            self.feature_names_in_ = np.asarray(manifest["feature_names_in"], dtype=object)
        return self

    # -- helpers --------------------------------------------------------------------

    def _encode(self, X: Any) -> np.ndarray:
        """Check rows against those of fit and encode them, float32 (n, W)."""
        if self._codec.columns_ is None:
            refuse_text(X)
            X = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite="allow-nan")
        else:
            if isinstance(X, pd.DataFrame):
                refuse_repeated_columns(X)
            validate_data(self, X, reset=False, skip_check_array=True)
        return self._codec.encode(X)

    def _is_one_label(self, y: Any) -> bool:
        """Whether y is the label of one row, not a list of labels."""
        is_row = isinstance(y, Mapping) or (self._context.container == "frame" and isinstance(y, pd.Series))
        return is_row or np.ndim(y) == 0

    def _labels(self, y: Any, n: int) -> np.ndarray:
        """Encode labels that may be unknown, one for all, or one per row."""
        if y is not None and self._is_one_label(y):
            y = self._context.as_labels(y, n)
        return _contexts(self._context, y, n)

    def _group(self, c: np.ndarray) -> np.ndarray:
        """Return the class number of each context, int64 (n,); one number for all without classes."""
        start, stop = self._context.class_block
        block = c[:, start:stop]
        return (
            np.where(block.any(1), block.argmax(1), stop - start) if stop > start else np.zeros(len(c), int)
        )

    def _next_seed(self, random_state: Any) -> int:
        if random_state is not None or self.random_state is None:
            # Without a seed in fit every call takes fresh entropy, or two processes that
            # load one file would make the same rows.
            return derive_seed(random_state)
        self._calls += 1
        return int(numpy_generator(self._seed, self._calls).integers(2**31 - 1))


def _contexts(context: ContextCodec, y: Any, rows: int) -> np.ndarray:
    """Return the contexts of labels that belong to the rows of X, float32 (rows, K)."""
    c = context.encode(y, rows)
    if len(c) != rows:
        raise InputError(
            f"X and y have inconsistent numbers of samples: X has {rows} rows, y has {len(c)}; pass one "
            "label per row."
        )
    return c


@contextmanager
def _progress(verbose: int | bool, description: str) -> Iterator[Sequence[ProgressBar]]:
    """Yield the callbacks that show progress, if the user asked for it."""
    if not verbose:
        yield ()
        return
    with ProgressBar(description) as bar:
        yield (bar,)


def _warn_if_collapsed(history: pd.DataFrame, rows: int) -> None:
    if "train_kl" not in history:
        return
    kl = history.loc[history["stage"] == "network", "train_kl"]
    if rows >= _FEWEST_TO_JUDGE and kl.iloc[-1] < _COLLAPSED:
        warnings.warn(
            f"The codes carry {kl.iloc[-1]:.3f} nats about a row: transform, vary and interpolate have "
            "little to work with (samples are not affected). Lower beta, or check whether the columns depend "
            "on each other.",
            PosteriorCollapseWarning,
            stacklevel=3,
        )


#: Classes that a file may name; nothing else is ever built from one.
_LOADABLE = {"VAEAugmenter": VAEAugmenter}


def load(path: str | os.PathLike[str], device: str = "auto") -> VAEAugmenter:
    """Read an estimator that :meth:`VAEAugmenter.save` wrote.

    Parameters
    ----------
    path : path-like
    device : str, default="auto"
        Where it is to run; a model trained on a GPU loads on a CPU.

    Raises
    ------
    ArchiveError
        If the file is damaged, foreign or of a newer format.
    InputError
        If there is no such device.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, vaeaug
    >>> rng = np.random.default_rng(0)
    >>> augmenter = vaeaug.VAEAugmenter(max_iter=2, random_state=0).fit(rng.normal(size=(50, 3)))
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> augmenter.save(path)
    >>> again = vaeaug.load(path)
    >>> again.sample(2, random_state=0)[0].shape
    (2, 3)
    """
    manifest, arrays = archive.read(path)
    name = manifest.get("class")
    if name not in _LOADABLE:
        raise ArchiveError(
            f"{path} holds a {name!r}; this version of vaeaug can load {', '.join(_LOADABLE)}."
        )
    runtime = Runtime(device)
    try:
        return _LOADABLE[name]._from_state(manifest, arrays, device, runtime)
    except ArchiveError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArchiveError(
            f"{path} cannot be rebuilt by this version of vaeaug: {error}. Load it with the version that "
            "wrote it."
        ) from error
