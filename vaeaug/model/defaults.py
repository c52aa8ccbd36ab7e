"""What ``"auto"`` means: training settings chosen from the size of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from vaeaug.recipe import Recipe
from vaeaug.utils.choices import Device
from vaeaug.utils.random import Purpose, numpy_generator

__all__ = [
    "Parameters",
    "Plan",
    "choose_backoff",
    "hold_out",
    "choose_prior",
    "resolve",
    "shorten",
    "choose_units",
]

#: Epochs of a table of so many rows, and how they fall with more rows.
_REFERENCE_ROWS, _REFERENCE_EPOCHS, _FALL = 8_000, 10, 0.25
_FEWEST_EPOCHS, _MOST_TABLE_EPOCHS = 4, 100
#: Steps of small tables, as far as the epochs allow.
_FEWEST_STEPS = 400
#: Rows of a batch over the square root of all rows, before it is rounded up to a power of two.
_BATCH_GROWTH = 1.4
#: Peak learning rates: of the networks of tables, and of a prior that is trained.
_RATE, _PRIOR_RATE = 5e-3, 2e-3
#: Weights of the KL of tables: up to 4,000 rows, and from 32,000 on.
_LEAST_BETA, _MOST_BETA = 0.65, 0.8
_MOST_HELD_OUT = 5_000
#: From so many rows on a table is trained to the end of its epochs, and columns have units of their own.
#: Fewer rows are seen so often that they are learned by heart.
_MANY_ROWS = 3_000
#: Units of each column in the decoder of rows, and shared ones beside them.
_FEWEST_OWN, _MOST_OWN, _SHARED = 8, 64, 128
_PEAKS = 2
_FEWEST_TO_HOLD_OUT = 40
_FEWEST_OF_A_CLASS = 10
#: Below this share the model of all rows is left out of new rows of a class.
_LEAST_SHARE = 0.025
#: Of tables: a lower loss on held-out rows, and samples a little further from the training rows.
_WEIGHT_DECAY = 0.3
_IMAGES_SEEN = 400_000
#: Of a fit that goes on: the share of the steps of a fit from scratch, and of its learning rate, per share.
_WARM_SHARE, _WARM_RATE = 0.07, 1.4
#: Codes that a prior is fitted to, at least and at most, and how often it sees them.
_FEWEST_CODES, _MOST_CODES = 8_192, 65_536
_CODES_SEEN, _FEWEST_PRIOR_EPOCHS, _MOST_PRIOR_EPOCHS = 1_500_000, 1, 120
_REFERENCE_PIXELS = 28 * 28
#: Epochs of few images, at most: of those of the reference size and larger, and of tiny ones.
_MOST_EPOCHS, _MOST_EPOCHS_OF_TINY = 150, 65
_REFERENCE_IMAGES = 20_000
_IMAGES_FOR_A_FLOW = 10_000
#: The flow of images: codes are many, and their classes lie close together.
_IMAGE_PRIOR = {"width": 256, "depth": 3, "steps": 4, "guidance": 1.25, "pseudo_count": 0.5}


@dataclass(frozen=True)
class Plan:
    """Resolved training settings.

    Parameters
    ----------
    latent_dim, max_iter, batch_size : int
    learning_rate, beta : float
    held_out : int
        Number of rows for validation; 0 for none.
    weight_decay : float
        Of AdamW, per unit of learning rate, on weight matrices.
    prior_max_iter, prior_batch_size : int
    prior_learning_rate : float
        Epochs, batches and rate of a prior that is trained after the networks.
    max_steps : int or None
        Bound on the steps of the networks.
    """

    latent_dim: int
    max_iter: int
    batch_size: int
    learning_rate: float
    beta: float
    held_out: int
    weight_decay: float = 0.0
    prior_max_iter: int = 50
    prior_batch_size: int = 1024
    prior_learning_rate: float = _PRIOR_RATE
    max_steps: int | None = None


class Parameters(Protocol):
    """The parameters of the estimator that decide how a model is learned."""

    latent_dim: int | str
    beta: float | str
    prior: str | Recipe
    posterior: str | Recipe
    latent: str | Recipe
    network: str | Recipe
    losses: Mapping[str, float | Recipe] | None
    max_iter: int | str
    batch_size: int | str
    learning_rate_init: float | str
    early_stopping: bool | str
    validation_fraction: float
    n_iter_no_change: int
    max_fit_seconds: float | None
    device: Device
    verbose: int | bool


def resolve(parameters: Parameters, rows: int, shape: tuple[int, ...] = ()) -> Plan:
    """Replace every ``"auto"`` by a value that suits ``rows`` training rows.

    Tables: batches grow with the square root of the rows (64 at 1,000, 128 at 8,000, 256 at 32,000; 32 to
    1,024), and there are fewer epochs of more rows (10 at 8,000, 7 at 32,000; 4 to 100, and 400 steps if
    100 epochs have them). A high learning rate that comes down to 0 within so few epochs reaches in a third
    of the time what 0.002 did in 28 epochs of 32,000 rows, in batches of 1,024. The weight of the KL is
    0.65 up to 4,000 rows, and 0.8 from 32,000 on: fewer steps put less into the codes, and rows look more
    like the training rows with more weight.

    Images (a ``shape`` of channels, height and width): batches hold a 32nd of the rows, 32
    to 128. There are as many epochs as show the network 400,000 images of 28×28 pixels,
    fewer for larger images, but at least 4 and at most 150; at most 65 for 12×12 pixels and
    less, which are learned sooner. The weight of the KL is 0.1 from 20,000 images on: the prior,
    which is fitted afterwards, finds codes wherever they lie. Fewer images are not enough to
    show it where to look, so up to 0.5 keeps codes together. With less than half as many epochs
    as ``"auto"`` would take, the prior gets fewer, too.
    """
    is_image = len(shape) == 3
    auto = _choose_for_images(rows, shape) if is_image else _choose_for_tables(rows)
    given = {name: getattr(parameters, name) for name in auto}
    chosen = {name: auto[name] if value == "auto" else value for name, value in given.items()}
    prior = _prior_of_images(rows, chosen["max_iter"] / auto["max_iter"]) if is_image else (50, 1024)
    rate = chosen["learning_rate_init"]
    held_out = min(round(parameters.validation_fraction * rows), _MOST_HELD_OUT)
    if not _holds_out(parameters, rows, is_image) or rows < _FEWEST_TO_HOLD_OUT:
        held_out = 0
    return Plan(
        latent_dim=int(chosen["latent_dim"]),
        max_iter=int(chosen["max_iter"]),
        batch_size=int(chosen["batch_size"]),
        learning_rate=float(rate),
        beta=float(chosen["beta"]),
        held_out=held_out,
        weight_decay=0.0 if is_image else _WEIGHT_DECAY,
        prior_max_iter=prior[0],
        prior_batch_size=prior[1],
        prior_learning_rate=_PRIOR_RATE if given["learning_rate_init"] == "auto" else float(rate),
    )


def shorten(plan: Plan, parameters: Parameters, rows: int, shape: tuple[int, ...] = ()) -> Plan:
    """Return the plan of a fit that goes on from a model that was trained before.

    ``"auto"`` takes 7 % of the steps of a fit from scratch, of all rows; with what comes before and after
    them that is a tenth of the time. Epochs that the user has given count as they are. The learning rate
    falls with the steps: a high one needs many to come down from. Of Adult, whose half was learned before,
    5e-4 was best for 7 % of the steps, and 2e-3 for 28 %.
    """
    auto = _choose_for_images(rows, shape) if len(shape) == 3 else _choose_for_tables(rows)
    share = _WARM_SHARE if parameters.max_iter == "auto" else plan.max_iter / auto["max_iter"]
    if parameters.learning_rate_init == "auto":
        plan = replace(plan, learning_rate=min(1.0, _WARM_RATE * share) * plan.learning_rate)
    if parameters.max_iter != "auto":
        return plan
    return replace(
        plan,
        max_iter=max(1, math.ceil(share * plan.max_iter)),
        max_steps=math.ceil(share * plan.max_iter * math.ceil(rows / plan.batch_size)),
        held_out=0 if parameters.early_stopping == "auto" else plan.held_out,
        prior_max_iter=max(1, math.ceil(share * plan.prior_max_iter)),
    )


def _holds_out(parameters: Parameters, rows: int, is_image: bool) -> bool:
    """Return whether rows are held out and the best weights on them kept.

    By default not of tables of many rows whose epochs are chosen here. The loss on held-out rows is lowest
    before the learning rate has come down, but drawn rows come closer to real ones to the end: of
    three tables of 3,600 to 4,500 rows XGBoost told held-out rows from new ones with a mean area of .80, and
    then .75.
    """
    if parameters.early_stopping == "auto":
        return is_image or parameters.max_iter != "auto" or rows < _MANY_ROWS
    return bool(parameters.early_stopping)


def _choose_for_tables(rows: int) -> dict[str, float]:
    """Return the settings of tables by name."""
    batch = min(1024, max(32, 1 << int(_BATCH_GROWTH * rows**0.5).bit_length()))
    epochs = max(_REFERENCE_EPOCHS * (_REFERENCE_ROWS / rows) ** _FALL, _FEWEST_STEPS * batch / rows)
    return {
        "latent_dim": 16,
        "max_iter": min(_MOST_TABLE_EPOCHS, max(_FEWEST_EPOCHS, round(epochs))),
        "batch_size": batch,
        # At the full rate small tables are best before it comes down, and fuzzier than they can be.
        "learning_rate_init": _RATE * min(1.0, max(0.6, (rows / _REFERENCE_ROWS) ** 0.25)),
        "beta": min(_MOST_BETA, _LEAST_BETA + 0.05 * max(0.0, np.log2(rows / 4_000))),
    }


def _prior_of_images(rows: int, share: float) -> tuple[int, int]:
    """Return epochs and batches of the prior, of networks that are trained for a share of the usual epochs.

    Some 4,000 steps or more: with half as many, samples of small sets look like other classes.
    """
    codes = min(max(rows, _FEWEST_CODES), _MOST_CODES)
    epochs = min(_MOST_PRIOR_EPOCHS, round(_CODES_SEEN / codes))
    return max(_FEWEST_PRIOR_EPOCHS, round(min(1.0, 2 * share) * epochs)), 256


def _choose_for_images(rows: int, shape: tuple[int, ...]) -> dict[str, float]:
    """Return the settings of images by name."""
    pixels = shape[1] * shape[2]
    batch_size = min(128, max(32, 1 << max(rows // 32, 1).bit_length()))
    seen = _IMAGES_SEEN * min(4.0, _REFERENCE_PIXELS / pixels)
    most = _MOST_EPOCHS * min(1.0, (pixels / _REFERENCE_PIXELS) ** 0.5)
    most = max(_MOST_EPOCHS_OF_TINY, round(most))
    return {
        "latent_dim": min(64, max(8, shape[0] * pixels // 2)),
        "max_iter": min(most, max(4, round(seen / rows))),
        "batch_size": batch_size,
        "learning_rate_init": 2e-3,
        "beta": min(0.5, 0.1 * max(1.0, _REFERENCE_IMAGES / rows) ** 0.5),
    }


def choose_prior(
    prior: str | Recipe, shape: tuple[int, ...], rows: int, *, labelled: bool = True
) -> str | Recipe:
    """Return what ``prior="auto"`` means for rows of that shape; some priors get the options they lack.

    Tables: a mixture. Fewer than 10,000 images of known classes: a Gaussian for each class. Of 5,280 images
    of Fashion-MNIST, 2,000 to 30 a class, a classifier took one in eight from it for another class, two in
    seven from a mixture, which also came near copies of the rarest; a flow repeats one in five images of a
    class of 80. More images: a flow that is larger than one of tables, and guided: of
    Fashion-MNIST, a classifier took one in four images from a mixture for another class, one in
    seven from an unguided flow, one in eleven from this one, and one in thirteen real ones. More
    guidance costs variety. It borrows little: a borrowed image is one of another class.

    Discrete codes: a network as wide as that of tables with so many rows.
    """
    is_image = len(shape) == 3
    if prior == "auto":
        few = "gaussian" if is_image and labelled else "mixture"
        prior = "flow" if is_image and rows >= _IMAGES_FOR_A_FLOW else few
    if not isinstance(prior, (str, Recipe)):
        return prior
    given, usual = Recipe.of(prior), {}
    if given.name == "flow" and is_image:
        usual = _IMAGE_PRIOR
    elif given.name == "tokens":
        usual = {"hidden": _most_units(rows)}
    lacking = {name: value for name, value in usual.items() if name not in given.options}
    return given.replace(**lacking) if lacking else prior


def choose_units(rows: int, columns: int) -> tuple[int, int, int]:
    """Return the size of the decoder's autoregressive part: shared units, units and peaks of each column.

    Small tables share all units: 64 per column within 256 to 768, and at most ``8 √rows``, as they are
    learned by heart with more. From 3,000 rows on each column has up to 64 of its own, half as many again all
    together, beside 128 shared ones: of shared units few read the columns just before. Where columns are so
    many that fewer than 8 are left for each, they share all of them.

    From 3,000 rows on numbers have two peaks each. XGB-C2ST rises with them from .80 to .84 on wine_quality,
    .59 to .72 on pen_digits and .38 to .42 on abalone; a third one helped on one of three tables. Smaller
    tables come closer to the real rows, too (.40 to .50, the mean of seven), but then codes say little of a
    row (.1 nats), and variations of rows have little to work with.
    """
    units = min(max(64 * columns, 256), _most_units(rows))
    own = min(_MOST_OWN, 3 * units // (2 * max(1, columns))) if rows >= _MANY_ROWS else 0
    peaks = _PEAKS if rows >= _MANY_ROWS else 0
    return (units, 0, peaks) if own < _FEWEST_OWN else (_SHARED, own, peaks)


def _most_units(rows: int) -> int:
    return min(768, max(256, round(8 * rows**0.5)))


def hold_out(groups: np.ndarray | None, rows: int, wanted: int, seed: int) -> np.ndarray:
    """Choose rows for validation, evenly over the classes and none of a class with fewer than 10.

    Parameters
    ----------
    groups : ndarray of int, shape (rows,), or None
        Class numbers.
    rows, wanted : int
    seed : int

    Returns
    -------
    ndarray of bool, shape (rows,)
    """
    mask = np.zeros(rows, dtype=bool)
    order = numpy_generator(seed, Purpose.SPLIT).permutation(rows)
    if groups is None:
        mask[order[:wanted]] = True
        return mask
    for group in np.unique(groups):
        members = order[groups[order] == group]
        if len(members) >= _FEWEST_OF_A_CLASS:
            mask[members[: round(wanted * len(members) / rows)]] = True
    return mask


def choose_backoff(groups: np.ndarray | None, classes: int) -> tuple[float, ...]:
    """Return how often a column of a new row of each class is drawn as if its class were unknown.

    ``1 / (1 + n²)`` for a class of n rows: one half for a single row, one fifth for two, nothing
    from seven on. A single row is learned by heart; mixed, column by column, with what all rows
    say about a column given the columns before it, new rows are no copies of it. Rows that
    differ are varied by the model itself, so the share falls fast.

    Parameters
    ----------
    groups : ndarray of int, shape (n,), or None
        Class numbers.
    classes : int
        K.

    Returns
    -------
    tuple of float
        One share in [0, 1] per class; empty if every class has rows enough.
    """
    if groups is None or not classes:
        return ()
    counts = np.bincount(groups[groups >= 0], minlength=classes)[:classes]
    shares = 1.0 / (1.0 + counts.astype(np.float64) ** 2)
    shares[shares < _LEAST_SHARE] = 0.0
    return tuple(float(share) for share in shares) if shares.any() else ()
