"""What a fit learns from: rows in memory or a stream of them, and proof that they are the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vaeaug.data.adapters import Intake, open_intake
from vaeaug.data.labels.context import ContextCodec, encode_labels
from vaeaug.data.streams.images import StreamedImages, is_image_stream
from vaeaug.data.streams.sources import is_stream
from vaeaug.data.streams.table import StreamedTable
from vaeaug.errors import InputError
from vaeaug.io import archive
from vaeaug.io.checkpoints import Checkpoints
from vaeaug.recipe import parameter_to_json
from vaeaug.training.distributed import Team
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_weights

__all__ = ["Lesson", "agreed_seed", "begun", "check_whose", "gathered"]

#: Parameters of the estimator that change no weight.
_NO_MATTER = {"verbose", "checkpoint_dir", "device", "random_state"}


@dataclass(frozen=True)
class Lesson:
    """Encoded rows, or a sample of those of a stream.

    Parameters
    ----------
    intake : Intake
    context : ContextCodec
    rows : int
        Rows in all.
    x, c : ndarray of float32
        Encoded rows and their contexts.
    groups : ndarray of int64, shape (n,), or None
        Class numbers.
    weights : ndarray of float32, shape (n,), or None
        Importance of the rows; for a sample, what each row stands for.
    stream : StreamedTable, StreamedImages or None
    """

    intake: Intake
    context: ContextCodec
    rows: int
    x: np.ndarray
    c: np.ndarray
    groups: np.ndarray | None
    weights: np.ndarray | None
    stream: StreamedTable | StreamedImages | None = None

    def digest(self) -> str:
        """Return what tells these data from others."""
        if self.stream is not None:
            return self.stream.digest()
        arrays = {"x": self.x, "c": self.c, "weights": self.weights}
        return archive.fingerprint({}, {name: a for name, a in arrays.items() if a is not None})


def gathered(estimator: Any, X: Any, y: Any, sample_weight: Any, seed: int, team: Team) -> Lesson:
    """Read the data of a fit.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how data is to be read; it is told the number and names of features.
    X, y, sample_weight : as in fit
    seed : int
    team : Team
        Each process passes over its part of a stream.

    Raises
    ------
    InputError
        For data that cannot be learned from.
    """
    images = is_image_stream(X)
    if images or is_stream(X):
        if sample_weight is not None:
            raise InputError(
                "sample_weight is not taken where X is read piece by piece; leave it out, or repeat rows."
            )
        stream = (
            StreamedImages(estimator, X, y, seed) if images else StreamedTable(estimator, X, y, seed, team)
        )
        weights = None if stream.groups is None else stream.mass
        return Lesson(
            stream.intake,
            stream.context,
            stream.rows,
            stream.x,
            stream.c,
            stream.groups,
            weights,
            stream,
        )
    intake, x, y = open_intake(estimator, X, y)
    context = ContextCodec().fit(y)
    c = encode_labels(context, y, len(x))
    weights = check_weights(sample_weight, len(x))
    groups = context.groups(y) if context.width else None
    if weights is not None and not weights.all():
        # Rows of weight 0 are as if they were not there.
        counted = weights > 0
        x, c, weights = x[counted], c[counted], weights[counted]
        groups = None if groups is None else groups[counted]
    if len(x) < 2:
        raise InputError(f"VAEAugmenter needs at least 2 rows to learn from, got n_samples={len(x)}.")
    return Lesson(intake, context, len(x), x, c, groups, weights)


def begun(estimator: Any, team: Team) -> Checkpoints | None:
    """Return the folder of checkpoints, if one was asked for; made by the first process."""
    if estimator.checkpoint_dir is None:
        return None
    team.once(lambda: Checkpoints(estimator.checkpoint_dir))
    return Checkpoints(estimator.checkpoint_dir)


def agreed_seed(estimator: Any, team: Team, checkpoints: Checkpoints | None) -> int:
    """Return the seed of a fit, the same in all processes.

    Without a ``random_state`` a fit that was broken off goes on with the seed it had.
    """

    def chosen() -> int:
        kept = checkpoints.seed() if checkpoints is not None and estimator.random_state is None else None
        return derive_seed(estimator.random_state) if kept is None else kept

    return team.once(chosen)


def check_whose(
    estimator: Any, lesson: Lesson, seed: int, team: Team, checkpoints: Checkpoints | None
) -> None:
    """Check that all processes have the same data, and that checkpoints are of this very fit.

    Raises
    ------
    InputError
    """
    if checkpoints is None and team.size == 1:
        return
    digest = lesson.digest()
    if len(set(team.every(digest))) > 1:
        raise InputError(
            "The processes that train together have different data or settings; give each of them all rows "
            "(every process takes its share by itself), encoded alike."
        )
    if checkpoints is not None:
        parameters = estimator.get_params(deep=False)
        told = {k: parameter_to_json(v) for k, v in parameters.items() if k not in _NO_MATTER}
        team.once(lambda: checkpoints.begin({"parameters": told, "seed": seed, "data": digest}))
