"""New rows by the billion: shards of Parquet, made by as many processes or machines as joblib reaches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from joblib.parallel import get_active_backend
from sklearn.utils.validation import check_is_fitted

from vaeaug.data.labels.sampling_strategy import targets_of_counts
from vaeaug.errors import InputError, WorkerLostError
from vaeaug.io import archive
from vaeaug.io.parquet import check_pyarrow, count_values, open_parquet, schema_of
from vaeaug.model.generate import METHODS, Generating
from vaeaug.model.state import to_state
from vaeaug.sharding.folder import MODEL, ShardFolder
from vaeaug.sharding.worker import Job, examples, fingerprint, forget, remember, write_shard
from vaeaug.utils.frames import as_arrow
from vaeaug.utils.validation import check_number, check_option
from vaeaug.utils.wording import list_names

__all__ = ["Sharding"]

#: Cells of a shard when its size is "auto".
_CELLS = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 1_000, 1_000_000
#: Rounds without a single new shard after which workers that die are taken for a rule.
_BARREN_ROUNDS = 2

#: From the number of a first row and a number of rows to the labels of these rows.
Labels = Callable[[int, int], Any]


class Sharding(Generating):
    """The methods of an augmenter that write more rows than memory holds."""

    def sample_to_parquet(
        self,
        n_samples: int,
        path: str | os.PathLike[str],
        *,
        y: Any = None,
        shard_size: int | str = "auto",
        random_state: Any = None,
        n_jobs: int | None = None,
        method: str = "prior",
        temperature: float = 1.0,
        verbose: int | bool | None = None,
    ) -> Path:
        """Write new rows to a folder of Parquet files, in parallel, and go on where an earlier call stopped.

        ``joblib.parallel_config(backend=...)`` chooses what the work is spread over: processes of this
        machine (the default), or the workers of Dask, Ray or Spark, which must see the folder under the same
        path. Each file depends only on the model, the seed, its number and the arguments below, so all
        engines write the same bytes. A call with the folder of an unfinished one writes the files that are
        missing; one call at a time works on a folder.

        Parameters
        ----------
        n_samples : int
            Rows in all; nothing grows with it but the folder.
        path : path-like
            Folder of the shards ``part-00000.parquet``, …; new, empty, or that of the same call before.
            ``pandas.read_parquet``, ``pyarrow.dataset`` and Spark read it as one table.
        y : scalar, array-like of shape (n_samples,) or None
            Labels, as in :meth:`sample`. They go into the files as a last column, or as columns.
        shard_size : int or "auto", default="auto"
            Rows per file, what is lost when a worker dies; ``"auto"`` makes four million cells. Rows are made
            a quarter of a million cells at a time, so memory does not grow with it.
        random_state : int, RandomState or None
            None takes the seed of the folder if it has one, and otherwise goes on with the estimator's own
            sequence.
        n_jobs : int or None
            Workers; None is 1 outside ``joblib.parallel_config``, −1 all cores. Each uses one thread of
            torch. Threads (``backend="threading"``) take turns, so prefer processes.
        method, temperature
            As in :meth:`sample`.
        verbose : int, optional
            1 shows a progress bar with the time left; None is that of the estimator.

        Returns
        -------
        Path
            The folder. Beside the shards it holds the model and ``_vaeaug.json``, which says what they are.

        Raises
        ------
        InputError
            For labels and arguments that cannot be used; for a folder of another model, seed or size; when
            pyarrow is not installed; and when a file cannot be written, after which what is there stays
            valid.
        WorkerLostError
            When worker processes are killed again and again; what they had begun is done again first.

        Notes
        -----
        Equal bytes need equal versions of pyarrow, numpy and torch, which ``_vaeaug.json`` names, and the
        same kind of processor; other versions may draw other rows of the same distribution.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np, pandas as pd
        >>> from vaeaug import VAEAugmenter
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"])
        >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X, ["no"] * 40 + ["yes"] * 10)
        >>> folder = augmenter.sample_to_parquet(
        ...     1000, os.path.join(tempfile.mkdtemp(), "rows"), y="yes", shard_size=400, random_state=0
        ... )
        >>> sorted(file.name for file in folder.glob("*.parquet"))
        ['part-00000.parquet', 'part-00001.parquet', 'part-00002.parquet']
        >>> pd.read_parquet(folder).shape
        (1000, 3)
        """
        self._check_shards(method, temperature, shard_size, "sample_to_parquet")
        check_number("n_samples", n_samples, low=1, integer=True)
        labels, described = self._label_plan(y, int(n_samples), method)
        schema = schema_of(examples(self))
        folder = ShardFolder(Path(path), int(n_samples), self._shard_rows(shard_size, schema))
        plan = {"made_by": "sample_to_parquet", "y": described}
        job = self._begin(folder, plan, schema, method, temperature, random_state)
        return self._run(job, labels, n_jobs, verbose)

    def resample_parquet(
        self,
        path_in: str | os.PathLike[str],
        path_out: str | os.PathLike[str],
        *,
        target: str,
        sampling_strategy: Any = "auto",
        shard_size: int | str = "auto",
        random_state: Any = None,
        n_jobs: int | None = None,
        method: str = "prior",
        temperature: float = 1.0,
        verbose: int | bool | None = None,
    ) -> Path:
        """Write the new rows that balance a Parquet data set, without loading it.

        One pass over the column of labels counts the classes. The new rows go to a folder of their own, with
        the columns and types of the data set, so that both can be read as one:
        ``pyarrow.dataset.dataset([pyarrow.dataset.dataset(path_in), pyarrow.dataset.dataset(path_out)])``.

        Parameters
        ----------
        path_in : path-like
            A Parquet file, or a folder of files with the same columns and types.
        path_out : path-like
            Folder of the new rows, sorted by class; as ``path`` in :meth:`sample_to_parquet`.
        target : str
            The column of labels; the other columns are those that the model was fitted to.
        sampling_strategy : str, float or dict, default="auto"
            As in :meth:`resample`, without callables.
        shard_size, random_state, n_jobs, method, temperature, verbose
            As in :meth:`sample_to_parquet`.

        Returns
        -------
        Path
            ``path_out``; without shards when the classes are balanced already.

        Raises
        ------
        InputError
            As in :meth:`sample_to_parquet`; for files that cannot be read or differ in columns or types,
            which are named; and for columns other than those of the model.
        WorkerLostError
            As in :meth:`sample_to_parquet`.
        """
        self._check_shards(method, temperature, shard_size, "resample_parquet")
        self._check_balanceable(())
        if callable(sampling_strategy):
            raise InputError(
                "resample_parquet takes a string, a float or a dict as sampling_strategy; a callable would "
                "need all labels in memory. Pass the dict that it returns."
            )
        if target in getattr(self, "feature_names_in_", []):
            raise InputError(
                f"{target!r} is one of the columns that the model makes; name the column of labels as target."
            )
        real, made = Path(path_in).resolve(), Path(path_out).resolve()
        if made == real or real in made.parents:
            raise InputError(f"{path_out} lies in {path_in}, whose rows it is to join; give another folder.")
        dataset = open_parquet(path_in)
        counts = count_values(dataset, target)
        wanted = {label: n for label, n in targets_of_counts(sampling_strategy, counts).items() if n}
        for label in wanted:
            self._label_plan(label, 1, method)
        schema = self._schema_like(dataset, path_in, target)
        folder = ShardFolder(Path(path_out), sum(wanted.values()), self._shard_rows(shard_size, schema))
        plan = {
            "made_by": "resample_parquet",
            "target": target,
            "rows": [[repr(label), n] for label, n in wanted.items()],
        }
        job = self._begin(folder, plan, schema, method, temperature, random_state)
        return self._run(job, _in_turn(wanted), n_jobs, verbose)

    def _check_shards(self, method: str, temperature: float, shard_size: int | str, who: str) -> None:
        """Check what both methods are given."""
        check_is_fitted(self)
        check_pyarrow(who)
        check_option("method", method, METHODS)
        check_number("temperature", temperature, low=0)
        check_number("shard_size", shard_size, low=1, integer=True, also=["auto"])
        if self._intake.codec.layout.is_image:
            raise InputError(
                f"{who} writes tables, and this model makes images; call sample in a loop instead."
            )

    def _label_plan(self, y: Any, n: int, method: str) -> tuple[Labels, Any]:
        """Return the labels of any stretch of rows, and what the manifest says of them."""
        if y is None:
            return lambda start, rows: None, None
        one = self._is_one_label(y) or len(y) == 1
        labels = self._context.as_labels(y, 1 if one else n)
        self._check_sources(method, self._context.encode(labels, len(labels)), self._anchors.context)
        plain = labels if isinstance(labels, (pd.Series, pd.DataFrame)) else pd.Series(labels)
        if one:
            values = plain.to_dict("records")[0] if isinstance(plain, pd.DataFrame) else plain.iloc[0]
            return lambda start, rows: plain, repr(values.item() if hasattr(values, "item") else values)
        hashed = pd.util.hash_pandas_object(plain, index=False).to_numpy(np.uint64)
        digest = hashlib.blake2b(hashed.tobytes(), digest_size=8).hexdigest()

        def stretch(start: int, rows: int) -> Any:
            return plain.iloc[start : start + rows].reset_index(drop=True)

        return stretch, f"{n} labels {digest}"

    def _shard_rows(self, shard_size: int | str, schema: Any) -> int:
        if shard_size != "auto":
            return int(shard_size)
        return int(np.clip(_CELLS // len(schema), _LEAST_ROWS, _MOST_ROWS))

    def _schema_like(self, dataset: Any, path: Any, target: str) -> Any:
        """Return the schema of a data set after checking that the model makes its columns."""
        # An index that pandas wrote as a column is no feature, and new rows have none.
        names = [name for name in dataset.schema.names if not name.startswith("__index_level_")]
        example = examples(self, target)
        lacking = [name for name in example.columns if name not in names]
        unknown = [name for name in names if name not in example.columns]
        if lacking or unknown:
            what = f"lacks the column {lacking[0]!r}" if lacking else f"has the column {unknown[0]!r} more"
            raise InputError(
                f"{path} {what}, compared with what the model makes: {list_names(example.columns)}. Fit it "
                "on rows with the same columns, or name another target."
            )
        schema = dataset.schema
        index = [name for name in schema.names if name not in names]
        for name in index:
            schema = schema.remove(schema.get_field_index(name)).remove_metadata()
        as_arrow(example, schema)
        return schema

    def _begin(
        self,
        folder: ShardFolder,
        plan: Mapping[str, Any],
        schema: Any,
        method: str,
        temperature: float,
        random_state: Any,
    ) -> Job:
        """Take possession of the folder, or refuse it; put the model there for the workers."""
        claimed = folder.claimed()
        kept = None if claimed is None or random_state is not None else claimed.get("seed")
        seed = self._next_seed(random_state) if kept is None else int(kept)
        key = fingerprint(self)
        folder.claim(
            {
                "made_by": plan["made_by"],
                "model": key,
                "seed": seed,
                "n_samples": folder.n_samples,
                "shard_size": folder.shard_size,
                **plan,
                "method": method,
                "temperature": temperature,
            }
        )
        if not (folder.path / MODEL).exists():
            archive.write(folder.path / MODEL, *to_state(self))
        target = plan.get("target")
        return Job(type(self), key, self.device, folder, seed, method, temperature, schema, target)

    def _run(self, job: Job, labels: Labels, n_jobs: int | None, verbose: int | bool | None) -> Path:
        """Write the shards that are missing; return the folder."""
        shown = bool(self.verbose if verbose is None else verbose)
        remember(job.fingerprint, self)
        try:
            _write_missing(job, labels, n_jobs, shown)
        finally:
            forget(job.fingerprint)
        return job.folder.path


def _in_turn(wanted: Mapping[Any, int]) -> Labels:
    """Return the labels of rows that are sorted by class, without listing them all."""
    listed, ends = pd.Series(list(wanted)), np.cumsum(list(wanted.values()), dtype=np.int64)

    def labels(start: int, rows: int) -> pd.Series:
        numbers = np.searchsorted(ends, np.arange(start, start + rows), side="right")
        return listed.iloc[numbers].reset_index(drop=True)

    return labels


def _write_missing(job: Job, labels: Labels, n_jobs: int | None, shown: bool) -> None:
    """Write the missing shards; when a worker is killed, do again what it left."""
    from tqdm.auto import tqdm

    barren = 0
    with tqdm(total=job.folder.n_samples, desc="rows", unit="row", unit_scale=True, disable=not shown) as bar:
        while True:
            made = 0
            try:
                for rows in _round(job, labels, n_jobs, bar):
                    bar.update(rows)
                    made += 1
                break
            except BrokenExecutor as error:
                barren = 0 if made else barren + 1
                if barren >= _BARREN_ROUNDS:
                    raise WorkerLostError(
                        f"Worker processes of {job.folder.path} were killed again and again, often a sign "
                        "that memory ran out; use fewer n_jobs. What is written stays valid, and the same "
                        "call goes on from there."
                    ) from error
    lost = next((shard for shard in range(job.folder.count) if not job.folder.file(shard).exists()), None)
    if lost is not None:
        raise InputError(
            f"{job.folder.file(lost)} is not there, though a worker wrote it: the workers do not see "
            f"{job.folder.path} as this machine does; give a folder that all of them share."
        )


def _round(job: Job, labels: Labels, n_jobs: int | None, bar: Any) -> Iterator[int]:
    """Yield the rows of each missing shard as it is done; shards are planned as workers become free."""
    bar.n = bar.initial = 0

    def missing() -> Iterator[int]:
        for shard in range(job.folder.count):
            if job.folder.has(shard):
                # They count as done, and not for the speed from which the time left is told.
                bar.n += job.folder.rows(shard)
                bar.initial += job.folder.rows(shard)
            else:
                yield shard

    # Not every engine can hand over results one by one.
    streams = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered" if streams else "list")
    tasks = (
        delayed(write_shard)(job, shard, labels(job.folder.start(shard), job.folder.rows(shard)))
        for shard in missing()
    )
    yield from parallel(tasks)
