"""New rows: samples, rows of chosen labels, and balanced data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.context import encode_labels
from vaeaug.data.labels.sampling_strategy import class_counts, targets
from vaeaug.data.labels.spelling import warn_of_classes, warn_of_tiny_classes
from vaeaug.data.tables.conditions import TableConditions
from vaeaug.errors import InputError
from vaeaug.latent import arithmetic
from vaeaug.model.complete import sample_given
from vaeaug.model.conditional import Candidates, Request, draw_where
from vaeaug.model.detail import ImageDetail
from vaeaug.model.fitted import Anchors, FittedState
from vaeaug.utils.frames import to_pandas
from vaeaug.utils.random import Purpose, numpy_generator
from vaeaug.utils.rows import extend_labels, select_rows
from vaeaug.utils.validation import check_number, check_option

__all__ = [
    "METHODS",
    "SamplingOptions",
    "check_balanceable",
    "check_sources",
    "find_variation_shares",
    "generate",
    "resample",
    "sample",
]

METHODS = ("prior", "posterior", "interpolate")
_NEIGHBOURS = 5
#: Rows of a class for which "auto" varies real rows half as often as for one of some dozens: of many rows the
#: prior knows all that there is to know.
_ENOUGH_FOR_THE_PRIOR = 1000


@dataclass(frozen=True)
class SamplingOptions:
    """How new rows are made; see :meth:`vaeaug.VAEAugmenter.sample`.

    Parameters
    ----------
    method : {"auto", "prior", "posterior", "interpolate"}
    temperature : float, default=1.0
    sharp : bool or "auto", default="auto"
    where : mapping, optional
        Conditions on columns.
    given : DataFrame, optional
        Cells of new rows.
    """

    method: str
    temperature: float = 1.0
    sharp: bool | str = "auto"
    where: Mapping[Any, Any] | None = None
    given: Any = None

    def check(self, methods: Iterable[str]) -> None:
        """Refuse a method that is not allowed, and a temperature below 0."""
        check_option("method", self.method, methods)
        check_number("temperature", self.temperature, low=0)
        if isinstance(self.sharp, str) and self.sharp != "auto":
            raise InputError(f"sharp must be True, False or 'auto'; got {self.sharp!r}.")


def sample(
    fitted: FittedState, n_samples: int, y: Any, options: SamplingOptions, seed: Callable[[], int]
) -> tuple[Any, Any]:
    """Make new rows and their labels; see :meth:`vaeaug.VAEAugmenter.sample`.

    Parameters
    ----------
    seed : callable
        Draws the seed once all arguments are checked, so that a refused call uses up no randomness.
    """
    options.check(METHODS)
    check_number("n_samples", n_samples, low=1, integer=True)
    if options.given is not None:
        return _sample_given(fitted, n_samples, y, options, seed)
    if n_samples == 1 and y is not None and not fitted.is_one_label(y):
        n_samples = len(y)
    context = fitted.context
    conditions = fitted.condition(options.where)
    if y is None and conditions is not None:
        return _sample_with_labels(fitted, int(n_samples), options, conditions, seed())
    if y is None:
        drawn = seed()
        labels = context.draw(int(n_samples), numpy_generator(drawn, Purpose.LABELS))
        c = context.encode(labels, int(n_samples))
    else:
        labels = fitted.as_labels(y, int(n_samples))
        c = context.encode(labels, int(n_samples))
        check_sources(fitted, options.method, c, fitted.anchors.context)
        _warn_of_tiny_classes(fitted, labels)
        drawn = seed()
    x, _ = _make_rows(fitted, c, options, drawn, fitted.anchors, conditions)
    return fitted.intake.decode(x, conditions=conditions), context.hand_out(labels)


def _warn_of_tiny_classes(fitted: FittedState, labels: Any) -> None:
    """Warn of many new rows of classes of which fit has seen a few."""
    context = fitted.context
    if len(context.blocks) != 1 or context.classes_ is None or context.counts_ is None:
        return
    counts = dict(zip(context.classes_.tolist(), context.counts_.tolist(), strict=True))
    wanted = pd.Series(np.asarray(to_pandas(labels)).ravel()).value_counts().to_dict()
    known = {label: rows for label, rows in wanted.items() if label in counts}
    warn_of_tiny_classes(counts, known, "draw fewer new ones")


def _sample_given(
    fitted: FittedState, n: int, y: Any, options: SamplingOptions, seed: Callable[[], int]
) -> tuple[Any, Any]:
    """Make rows of which some cells are given."""
    rows = len(options.given) if hasattr(options.given, "__len__") else n
    if n not in (1, rows):
        raise InputError(
            f"given has {rows} rows, but {n} are to be made; leave n_samples out, or give as many rows."
        )
    if options.method != "prior" or options.temperature != 1.0:
        raise InputError("given goes with method='prior' and temperature=1.0 only; leave these out.")
    return sample_given(fitted, options.given, y, options.where, seed)


def _sample_with_labels(
    fitted: FittedState, n: int, options: SamplingOptions, conditions: TableConditions, seed: int
) -> tuple[Any, Any]:
    """Make rows that meet conditions, with labels as often as such rows have them."""
    context = fitted.context
    drawn: list[Any] = []
    sizes = [0]

    def start(groups: np.ndarray, own: int) -> tuple[Candidates, np.ndarray]:
        labels = context.draw(len(groups), numpy_generator(own, Purpose.LABELS))
        c = context.encode(labels, len(groups))
        drawn.append(labels)
        sizes.append(sizes[-1] + len(groups))
        z, _ = _start_codes(fitted, c, options, own, fitted.anchors)
        return Candidates(c, z), np.arange(sizes[-2], sizes[-1])

    request = Request(np.zeros(n, dtype=np.int64), start, options.temperature)
    x, tags = draw_where(fitted, conditions, request, seed)
    labels = None if drawn[0] is None else select_rows(_join_labels(drawn), tags)
    return fitted.intake.decode(x, conditions=conditions), context.hand_out(labels)


def _join_labels(parts: list[Any]) -> Any:
    if isinstance(parts[0], pd.Series | pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    return np.concatenate(parts)


def generate(
    fitted: FittedState, y_new: Any, X: Any, y: Any, options: SamplingOptions, seed: Callable[[], int]
) -> tuple[Any, np.ndarray]:
    """Make one row per label, from real rows; see :meth:`vaeaug.VAEAugmenter.generate`."""
    options.check(("auto", *METHODS))
    if fitted.is_one_label(y_new):
        raise InputError(
            f"y_new must list one label per row to make, got {y_new!r}; use sample for one label."
        )
    conditions = fitted.condition(options.where)
    data = fitted.intake.open(X, y)
    x = fitted.encode(data.X)
    known = encode_labels(fitted.context, data.y, len(x))
    if not len(y_new):
        return fitted.intake.decode(x[:0]), np.zeros(0, dtype=np.int64)
    c = fitted.context.encode(fitted.as_labels(y_new, len(y_new)), len(y_new))
    check_sources(fitted, options.method, c, known)
    drawn = seed()
    from_prior = _use_prior(fitted, options.method, c, known, drawn)
    anchors = None
    if not from_prior.all():
        mean, scale = fitted.model.encode(x, known)
        anchors = Anchors(mean, scale, known, x if fitted.is_image else None)
    varied = "posterior" if options.method == "auto" else options.method
    new, sources = np.empty((len(c), *x.shape[1:]), np.float32), np.full(len(c), -1, np.int64)
    for rows, method in ((np.flatnonzero(from_prior), "prior"), (np.flatnonzero(~from_prior), varied)):
        if len(rows):
            found = _make_rows(fitted, c[rows], replace(options, method=method), drawn, anchors, conditions)
            new[rows], sources[rows] = found
    return fitted.intake.decode(new, conditions=conditions), sources


def resample(
    fitted: FittedState,
    X: Any,
    y: Any,
    sampling_strategy: Any,
    options: SamplingOptions,
    seed: Callable[[], int],
) -> tuple[Any, Any]:
    """Return rows followed by new ones that balance the classes; see :meth:`vaeaug.VAEAugmenter.resample`."""
    options.check(("auto", *METHODS))
    data = fitted.intake.open(X, y)
    X, y = data.X, data.y
    check_balanceable(fitted, y)
    wanted = targets(sampling_strategy, to_pandas(y))
    warn_of_classes(class_counts(to_pandas(y)), wanted)
    # The labels of new rows are labels of y, so that its container and dtype are kept.
    labels = np.asarray(to_pandas(y)).ravel()
    first = [int(np.flatnonzero(labels == label)[0]) for label in wanted]
    positions = np.repeat(np.array(first, dtype=np.int64), list(wanted.values()))
    y_res = extend_labels(y, positions)
    X_new, _ = generate(fitted, y_res[len(labels) :], X, y, options, seed)
    return fitted.intake.append(X, X_new), y_res


def check_balanceable(fitted: FittedState, y: Any) -> None:
    """Refuse to balance anything but one column of class labels."""
    blocks = len(fitted.context.blocks)
    if blocks != 1 or fitted.context.classes_ is None:
        got = {0: "no y", 1: "a continuous y"}.get(blocks, f"{blocks} control variables")
        raise InputError(
            f"resample balances one column of class labels, and fit was given {got}; call fit(X, y) with "
            "one label per row, or make rows of chosen targets with sample."
        )
    if y is None:
        raise InputError("resample needs y, one class label per row of X; got None.")


def check_sources(fitted: FittedState, method: str, c: np.ndarray, known: np.ndarray) -> None:
    """Refuse to vary real rows of a class that has none."""
    lost = np.setdiff1d(fitted.number_classes(c), fitted.number_classes(known))
    if method in ("posterior", "interpolate") and len(lost):
        classes = fitted.context.classes_
        names = [] if classes is None else classes.tolist()
        which = f"of class {names[lost[0]]!r}" if lost[0] < len(names) else "without a class"
        raise InputError(
            f"method={method!r} varies real rows, and there are none {which}; add one, or use method='prior'."
        )


def _use_prior(fitted: FittedState, method: str, c: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """Tell which contexts (m, K) get codes drawn from the prior, given those of the real rows."""
    if method != "auto" or fitted.context.classes_ is None or fitted.is_image:
        return np.full(len(c), method in ("auto", "prior"))
    start, stop = fitted.context.class_block
    counts = np.bincount(fitted.number_classes(known), minlength=stop - start + 1)
    shares = find_variation_shares(counts)[fitted.number_classes(c)]
    return numpy_generator(seed, Purpose.METHOD).random(len(c)) >= shares


def find_variation_shares(counts: np.ndarray) -> np.ndarray:
    """Return how often ``"auto"`` varies a real row of a class, and does not draw from the prior.

    ``½ (1 − 1/n) / (1 + n/1000)`` for n rows. Variations lie where the class is surely at home, draws from
    the prior reach beyond its rows; both together lie nearer to held-out rows than either. One row
    cannot be varied without being copied.

    Parameters
    ----------
    counts : ndarray of int (K,)
        Rows of each class.

    Returns
    -------
    ndarray of float64 (K,)
        In [0, ½).
    """
    n = np.maximum(counts, 1).astype(np.float64)
    return 0.5 * (1 - 1 / n) / (1 + n / _ENOUGH_FOR_THE_PRIOR)


def _make_rows(
    fitted: FittedState,
    c: np.ndarray,
    options: SamplingOptions,
    seed: int,
    anchors: Anchors | None,
    conditions: TableConditions | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return encoded rows for contexts, and the anchors they vary."""
    model, temperature = fitted.model, options.temperature
    if conditions is not None:
        labels, groups = np.unique(c, axis=0, return_inverse=True)

        def start(owners: np.ndarray, own: int) -> tuple[Candidates, np.ndarray]:
            z, sources = _start_codes(fitted, labels[owners], options, own, anchors)
            return Candidates(labels[owners], z), sources

        return draw_where(fitted, conditions, Request(groups.ravel(), start, temperature), seed)
    z, sources = _start_codes(fitted, c, options, seed, anchors)
    if z is None:
        detail = ImageDetail.find(fitted, options.sharp)
        return (model if detail is None else detail).sample(c, temperature=temperature, seed=seed), sources
    is_sharp = options.sharp != "auto" and options.sharp
    if is_sharp and anchors is not None and anchors.rows is not None:
        images = fitted.codec.unpack(anchors.rows[sources])
        before = (anchors.mean[sources], anchors.context[sources])
        return fitted.change_images(images, before, (z, c)), sources
    return model.decode(z, c, temperature=temperature, seed=seed, backoff=True), sources


def _start_codes(
    fitted: FittedState, c: np.ndarray, options: SamplingOptions, seed: int, anchors: Anchors | None
) -> tuple[np.ndarray | None, np.ndarray]:
    """Return codes for contexts, None for those of the prior, and the anchors they vary."""
    if options.method == "prior" or anchors is None:
        return None, np.full(len(c), -1, np.int64)
    mean, scale = anchors.mean, anchors.scale
    rng = numpy_generator(seed, Purpose.CHOICE)
    groups = fitted.number_classes(anchors.context)
    sources = arithmetic.pick_sources(fitted.number_classes(c), groups, rng)
    noise = numpy_generator(seed, Purpose.NOISE)
    z = arithmetic.perturb(mean[sources], scale[sources], options.temperature, noise)
    if options.method == "interpolate":
        partner = arithmetic.pick_neighbours(sources, mean, groups, _NEIGHBOURS, rng)
        other = arithmetic.perturb(mean[partner], scale[partner], options.temperature, noise)
        z = arithmetic.lerp(z, other, rng.random((len(z), 1)))
    return z, sources
