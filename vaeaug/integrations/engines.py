"""What Ray, Spark and Dask share: new rows shard by shard, and one fit in several processes."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.augmenter import VAEAugmenter, load
from vaeaug.data.streams.sources import is_stream, open_stream
from vaeaug.data.streams.table import find_targets
from vaeaug.errors import InputError, VaeaugError, WorkerLostError
from vaeaug.model.state import from_state, to_state
from vaeaug.sharding.folder import Shards
from vaeaug.sharding.plans import Labels, Plan, ShardOptions, check_columns, plan_balance, plan_rows
from vaeaug.sharding.worker import Job, ModelSource, fingerprint, make_pieces
from vaeaug.training.distributed import current_team
from vaeaug.training.runtime import Runtime
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_number
from vaeaug.utils.versions import LIBRARIES, check_same_versions, find_versions
from vaeaug.utils.wording import first_line, hide_secrets

__all__ = ["FitTask", "NewRows", "balance_rows", "make_rows", "plan_fit", "run_again"]

_LOG = logging.getLogger("vaeaug")

State = tuple[dict[str, Any], dict[str, np.ndarray]]


@dataclass(frozen=True)
class NewRows:
    """Rows that tasks of an engine make shard by shard; a lost shard is made again with the same rows.

    Parameters
    ----------
    job : Job
    labels : Labels
    """

    job: Job
    labels: Labels

    @property
    def shards(self) -> Shards:
        """How the rows are cut."""
        return self.job.shards

    def with_schema(self, schema: Any) -> NewRows:
        """Return the same rows in other columns, order and types of Arrow."""
        return replace(self, job=replace(self.job, schema=schema))

    def tables(self, shard: int) -> Iterator[Any]:
        """Yield the rows of a shard as Arrow tables."""
        y = self.labels(self.shards.start(shard), self.shards.rows(shard))
        yield from make_pieces(self.job, shard, y)

    def frame(self, shard: int) -> pd.DataFrame:
        """Return the rows of a shard, with their numbers as index."""
        import pyarrow as pa

        found: pd.DataFrame = pa.concat_tables(list(self.tables(shard))).to_pandas()
        return found.set_axis(pd.RangeIndex(len(found)) + self.shards.start(shard))


def make_rows(
    model: VAEAugmenter | str | os.PathLike[str], n_samples: int, y: Any, who: str, **options: Any
) -> NewRows:
    """Plan new rows of chosen labels.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        Fitted, or the file of a saved one.
    n_samples, y : as of sample
    who : str
        The function that messages name.
    **options
        ``shard_size``, ``random_state``, ``method`` and ``temperature`` as of sample_to_parquet.
    """
    augmenter, source = _open_model(model)
    chosen = _read_options(**options)
    return _plan_job(augmenter, source, plan_rows(augmenter, n_samples, y, chosen, who), chosen)


def balance_rows(
    model: VAEAugmenter | str | os.PathLike[str],
    names: list[str],
    count: Callable[[], Mapping[Any, int]],
    target: str,
    sampling_strategy: Any,
    who: str,
    **options: Any,
) -> NewRows | None:
    """Plan the rows that balance the classes of a frame of an engine; None where there are none to make.

    Parameters
    ----------
    model : VAEAugmenter or path-like
    names : list of str
        Columns of the frame.
    count : callable
        Passes over the labels and returns the rows of each; None is the missing label.
    target, sampling_strategy : as of resample_parquet
    who : str
    **options
        As of :func:`make_rows`.
    """
    if target not in names:
        raise InputError(f"The frame has no column {target!r}; it has {', '.join(names)}.")

    def count_checked() -> dict[Any, int]:
        counts = dict(count())
        missing = sum(n for label, n in counts.items() if pd.isna(label))
        if missing:
            raise InputError(
                f"The column {target!r} has {missing:,} missing labels; drop these rows, or give them a "
                "label of their own."
            )
        return dict(sorted(counts.items()))

    augmenter, source = _open_model(model)
    chosen = _read_options(**options)
    plan = plan_balance(augmenter, count_checked, target, sampling_strategy, chosen, who)
    check_columns(names, plan.schema.names, "The frame")
    return _plan_job(augmenter, source, plan, chosen) if plan.rows else None


def _open_model(model: Any) -> tuple[VAEAugmenter, ModelSource]:
    """Return an augmenter and where workers get it from."""
    if isinstance(model, (str, os.PathLike)):
        path = Path(model).resolve()
        return load(path), path
    return model, to_state(model)


def _read_options(
    shard_size: int | str = "auto", random_state: Any = None, method: str = "prior", temperature: float = 1.0
) -> ShardOptions:
    def draw() -> int:
        return derive_seed(random_state)

    return ShardOptions(shard_size, method, temperature, None, False, draw, random_state is not None)


def _plan_job(augmenter: VAEAugmenter, source: ModelSource, plan: Plan, options: ShardOptions) -> NewRows:
    shards = Shards(plan.rows, options.size(len(plan.schema)))
    job = Job(
        type(augmenter),
        fingerprint(augmenter),
        augmenter.device,
        shards,
        options.seed(),
        options.method,
        options.temperature,
        plan.schema,
        source,
        plan.target,
    )
    return NewRows(job, plan.labels)


@dataclass(frozen=True)
class FitTask:
    """One fit that several processes do together; each of them calls :meth:`run`.

    Parameters
    ----------
    augmenter : VAEAugmenter
    X, y : as of fit
        X is a path.
    described : object
        Columns, types and rows of the files, as the caller sees them.
    versions : mapping of str to str
        Of the libraries of the caller.
    """

    augmenter: VAEAugmenter
    X: str
    y: Any
    described: Any
    versions: Mapping[str, str]

    def run(self) -> State | None:
        """Fit together with the other processes; return what was learned in the first of them.

        Raises
        ------
        InputError
            If this process has other versions of libraries, or does not see the files, before any work.
        """
        team = current_team()
        team.each(self._check)
        self.augmenter.fit(self.X, self.y)
        learned = to_state(self.augmenter) if team.is_first else None
        # Nobody leaves while another still listens.
        team.every(None)
        return learned

    def try_run(self) -> tuple[State | None, VaeaugError | None]:
        """Return what :meth:`run` does, or why it failed where trying again would not help."""
        try:
            return self.run(), None
        except WorkerLostError:
            raise
        except VaeaugError as error:
            return None, error

    def adopt(self, augmenter: VAEAugmenter, learned: State) -> VAEAugmenter:
        """Give the caller's augmenter what was learned; return it."""
        found = from_state(type(augmenter), *learned, augmenter.device, Runtime(augmenter.device))
        parameters = augmenter.get_params(deep=False)
        for name, value in vars(found).items():
            if name not in parameters:
                setattr(augmenter, name, value)
        return augmenter

    def _check(self) -> None:
        check_same_versions(self.versions)
        try:
            same = open_stream(self.X).describe() == self.described
        except InputError as error:
            raise InputError(
                f"The worker on {socket.gethostname()} cannot read what the others read: {error} Give a path "
                "that all workers share."
            ) from error
        if not same:
            raise InputError(
                f"The worker on {socket.gethostname()} sees other files under {hide_secrets(self.X)}: give a "
                "path that all workers share."
            )


def plan_fit(augmenter: VAEAugmenter, X: Any, y: Any) -> FitTask:
    """Check a fit before processes are started for it.

    Raises
    ------
    InputError
        If X is no path of Parquet files, cannot be read, or lacks the column of labels.
    """
    if not isinstance(X, (str, os.PathLike)) or not is_stream(X):
        raise InputError(
            f"X must be the path of a Parquet file or of a folder of them, which all workers see; got "
            f"{type(X).__name__}. Write it with to_parquet first."
        )
    stream = open_stream(X)
    find_targets(y, stream)
    described, versions = stream.describe(), find_versions(LIBRARIES, absent="unknown")
    return FitTask(augmenter, os.fspath(X), y, described, versions)


def run_again(run: Callable[[], Any], max_failures: int, lost: tuple[type[Exception], ...]) -> Any:
    """Run something until it ends well, or workers were lost more often than allowed.

    Parameters
    ----------
    run : callable
    max_failures : int
        0 or more.
    lost : tuple of exception types
        What a lost worker raises.

    Raises
    ------
    WorkerLostError
    """
    check_number("max_failures", max_failures, low=0, integer=True)
    for _ in range(max_failures):
        try:
            return run()
        except lost as error:
            _LOG.warning("A worker was lost; the fit is started again (%s)", first_line(error))
    try:
        return run()
    except lost as error:
        raise WorkerLostError(
            f"Workers were lost {max_failures + 1} times, often a sign that memory ran out: "
            f"{first_line(error)} Use fewer workers; with checkpoint_dir the same call goes on from the last "
            "epoch."
        ) from error
