"""What a fit learns from: rows in memory or a stream of them, and proof that they are the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vaeaug.data.adapters import Intake, open_intake, refuse_other_kind
from vaeaug.data.labels.context import ContextCodec, encode_labels
from vaeaug.data.streams.images import StreamedImages, is_image_stream
from vaeaug.data.streams.sources import is_stream
from vaeaug.data.streams.table import StreamedTable
from vaeaug.errors import InputError
from vaeaug.io import archive
from vaeaug.io.checkpoints import Checkpoints
from vaeaug.layout import Layout
from vaeaug.model.fitted import FittedState
from vaeaug.model.warm_start import check_growth, find_earlier
from vaeaug.recipe import parameter_to_json
from vaeaug.training.distributed import Team, current_team
from vaeaug.training.optimisation import Deadline
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_weights
from vaeaug.utils.versions import LIBRARIES, check_same_versions, find_versions

__all__ = ["Session", "TrainingData", "begin_session", "check_same_fit", "gather_data"]

#: Parameters of the estimator that change no weight.
_IRRELEVANT = {"verbose", "checkpoint_dir", "device", "random_state"}


@dataclass(frozen=True)
class TrainingData:
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

    @property
    def layout(self) -> Layout:
        """Of an encoded row."""
        layout: Layout = self.intake.codec.layout
        return layout

    def digest(self) -> str:
        """Return what tells these data from others."""
        if self.stream is not None:
            return self.stream.digest()
        arrays = {"x": self.x, "c": self.c, "weights": self.weights}
        return archive.fingerprint({}, {name: a for name, a in arrays.items() if a is not None})


@dataclass(frozen=True)
class Session:
    """What one call of fit runs with, beside its data.

    Parameters
    ----------
    seed : int
        The same in all processes.
    team : Team
        Processes that train together.
    deadline : Deadline
    checkpoints : Checkpoints or None
        Where the state of training is kept.
    earlier : FittedState or None
        What a warm fit goes on with.
    """

    seed: int
    team: Team
    deadline: Deadline
    checkpoints: Checkpoints | None
    earlier: FittedState | None = None


def begin_session(estimator: Any) -> Session:
    """Start the clock of a fit, find the other processes, and agree on the seed.

    Without a ``random_state`` a fit that was broken off goes on with the seed it had. The first process
    makes the folder of checkpoints.
    """
    earlier = find_earlier(estimator)
    deadline, team, checkpoints = Deadline(estimator.max_fit_seconds), current_team(), None
    versions = team.first(find_versions(LIBRARIES, absent="unknown"))
    team.each(lambda: check_same_versions(versions))
    if estimator.checkpoint_dir is not None:
        checkpoints = _share_checkpoints(estimator.checkpoint_dir, team)

    def choose_seed() -> int:
        kept = checkpoints.seed() if checkpoints is not None and estimator.random_state is None else None
        return derive_seed(estimator.random_state) if kept is None else kept

    return Session(team.once(choose_seed), team, deadline, checkpoints, earlier)


def _share_checkpoints(path: Any, team: Team) -> Checkpoints:
    """Return the folder of checkpoints, which all processes must see."""
    team.once(lambda: Checkpoints(path))
    checkpoints = team.each(lambda: Checkpoints(path))[team.rank]
    if team.size > 1:
        probe = team.once(checkpoints.leave_probe)
        try:
            team.each(lambda: checkpoints.find_probe(probe))
        finally:
            team.once(lambda: checkpoints.take_probe(probe))
    return checkpoints


def gather_data(estimator: Any, X: Any, y: Any, sample_weight: Any, session: Session) -> TrainingData:
    """Read the data of a fit.

    Parameters
    ----------
    estimator : VAEAugmenter
        Its parameters say how data is to be read; it is told the number and names of features.
    X, y, sample_weight : as in fit
    session : Session
        Each of its processes passes over its part of a stream.

    Raises
    ------
    InputError
        For data that cannot be learned from.
    """
    images, seed = is_image_stream(X), session.seed
    earlier = None if session.earlier is None else session.earlier.intake
    if images or is_stream(X):
        if earlier is not None:
            refuse_other_kind(earlier, "images" if images else "table")
        if sample_weight is not None:
            raise InputError(
                "sample_weight is not taken where X is read piece by piece; leave it out, or repeat rows."
            )
        stream = (
            StreamedImages(estimator, X, y, seed, earlier)
            if images
            else StreamedTable(estimator, X, y, seed, session.team, earlier)
        )
        weights = None if stream.groups is None else stream.mass
        check_growth(session.earlier, stream.intake.codec, stream.context)
        return TrainingData(
            stream.intake,
            stream.context,
            stream.rows,
            stream.x,
            stream.c,
            stream.groups,
            weights,
            stream,
        )
    intake, x, y = open_intake(estimator, X, y, sample_weight, earlier)
    context = ContextCodec().fit(y)
    check_growth(session.earlier, intake.codec, context)
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
    return TrainingData(intake, context, len(x), x, c, groups, weights)


def check_same_fit(estimator: Any, data: TrainingData, session: Session) -> None:
    """Check that all processes have the same data, and that checkpoints are of this very fit.

    Raises
    ------
    InputError
    """
    team, checkpoints, seed = session.team, session.checkpoints, session.seed
    if checkpoints is None and team.size == 1:
        return
    digest = data.digest()
    if len(set(team.every(digest))) > 1:
        raise InputError(
            "The processes that train together have different data or settings; give each of them all rows "
            "(every process takes its share by itself), encoded alike."
        )
    if checkpoints is not None:
        parameters = estimator.get_params(deep=False)
        settings = {k: parameter_to_json(v) for k, v in parameters.items() if k not in _IRRELEVANT}
        told = {"parameters": settings, "seed": seed, "data": digest}
        if session.earlier is not None:
            told["start"] = archive.fingerprint({}, session.earlier.model.state())
        team.once(lambda: checkpoints.begin(told))
