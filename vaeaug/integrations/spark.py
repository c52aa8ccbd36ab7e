"""Spark: new rows as a ``DataFrame``, a balanced one, and a fit on the executors by ``TorchDistributor``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from vaeaug.augmenter import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.integrations.engines import NewRows, balance_rows, make_rows, plan_fit, run_again
from vaeaug.utils.choices import Auto, RandomState, SampleMethod
from vaeaug.utils.versions import check_installed

__all__ = ["fit", "resample", "sample"]


def sample(
    model: VAEAugmenter | str | os.PathLike[str],
    n_samples: int,
    y: Any = None,
    *,
    shard_size: int | Auto = "auto",
    random_state: RandomState = None,
    method: SampleMethod = "prior",
    temperature: float = 1.0,
) -> Any:
    """Make new rows as a frame of Spark, a partition for each shard.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        Fitted, or the file of a saved one, which all executors see under this path.
    n_samples, y, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.sample_to_parquet`, which makes the same rows from the same seed.
        Without a seed the call chooses one, and a partition that is computed again has the same rows.

    Returns
    -------
    pyspark.sql.DataFrame
        Rows and labels in the types of Spark: categories become strings, unsigned numbers wider signed
        ones, and times have microseconds. It is made by ``mapInArrow`` in the active session.

    Raises
    ------
    InputError
        For arguments that cannot be used, and without Spark or an active session. Executors raise it if
        they do not see the file of the model, or have other versions of the libraries.

    Examples
    --------
    >>> from vaeaug.integrations import spark as vaeaug_spark
    >>> new = vaeaug_spark.sample("model.safetensors", 10**7, y="yes", random_state=0)  # doctest: +SKIP
    >>> new.write.parquet("s3a://bucket/new/")  # doctest: +SKIP
    """
    session = _get_session()
    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    rows = make_rows(model, n_samples, y, "sample", random_state=random_state, **options)
    return _as_frame(session, rows.with_schema(_plain_schema(rows.job.schema)))


def resample(
    model: VAEAugmenter | str | os.PathLike[str],
    frame: Any,
    target: str,
    *,
    sampling_strategy: Any = "auto",
    shard_size: int | Auto = "auto",
    random_state: RandomState = None,
    method: SampleMethod = "prior",
    temperature: float = 1.0,
) -> Any:
    """Balance the classes of a frame of Spark with new rows, without collecting it.

    One pass counts the labels; the new rows are sorted by class.

    Parameters
    ----------
    model : VAEAugmenter or path-like
        As in :func:`sample`.
    frame : pyspark.sql.DataFrame
    target : str
        The column of labels; the other columns are those that the model was fitted to.
    sampling_strategy, shard_size, random_state, method, temperature
        As in :meth:`vaeaug.VAEAugmenter.resample_parquet`.

    Returns
    -------
    pyspark.sql.DataFrame
        With the columns and types of ``frame``, which is returned itself where it is balanced already.

    Raises
    ------
    InputError
        As of :func:`sample`; for missing labels, and for columns other than those of the model.

    Examples
    --------
    >>> from vaeaug.integrations import spark as vaeaug_spark
    >>> real = spark.read.parquet("transactions/")  # doctest: +SKIP
    >>> balanced = vaeaug_spark.resample("model.safetensors", real, "fraud")  # doctest: +SKIP
    """
    session = _get_session()
    from pyspark.sql.pandas.types import to_arrow_schema

    def count() -> dict[Any, int]:
        return {row[0]: row[1] for row in frame.groupBy(target).count().collect()}

    options = {"shard_size": shard_size, "method": method, "temperature": temperature}
    rows = balance_rows(
        model,
        frame.columns,
        count,
        target,
        sampling_strategy,
        "resample",
        random_state=random_state,
        **options,
    )
    if rows is None:
        return frame
    return frame.unionByName(_as_frame(session, rows.with_schema(to_arrow_schema(frame.schema))))


def fit(
    augmenter: VAEAugmenter,
    X: str | os.PathLike[str],
    y: Any = None,
    *,
    num_workers: int = 2,
    max_failures: int = 3,
    local_mode: bool = False,
    use_gpu: bool = False,
) -> VAEAugmenter:
    """Fit an augmenter to Parquet files by Spark's ``TorchDistributor``; all processes train one model.

    Parameters
    ----------
    augmenter : VAEAugmenter
        With ``checkpoint_dir`` in a folder that all executors see, a fit of which an executor was killed
        goes on after the last epoch; without, it begins anew.
    X : path-like
        A Parquet file or a folder of them, which driver and executors see under this path.
    y : column label, list of them, or None
        As in :meth:`vaeaug.VAEAugmenter.fit`.
    num_workers : int, default=2
        Processes that train; Spark needs as many free slots.
    max_failures : int, default=3
        How often the fit is started again after an executor was lost, which Spark itself does not do for
        its barrier stages.
    local_mode : bool, default=False
        Whether they all run beside the driver.
    use_gpu : bool, default=False
        Whether each takes a GPU that Spark knows of.

    Returns
    -------
    VAEAugmenter
        ``augmenter``, fitted.

    Raises
    ------
    InputError
        Before any work for files that cannot be read or lack the column ``y``, in a worker too, and for
        workers with other versions of the libraries; and without Spark.
    WorkerLostError
        When executors are lost more often than ``max_failures`` says.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations import spark as vaeaug_spark
    >>> augmenter = VAEAugmenter(random_state=0, checkpoint_dir="state")
    >>> vaeaug_spark.fit(augmenter, "transactions/", "fraud", num_workers=8)  # doctest: +SKIP
    """
    _get_session()
    task = plan_fit(augmenter, X, y)
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.ml.torch.distributor import TorchDistributor

    distributor = TorchDistributor(num_processes=num_workers, local_mode=local_mode, use_gpu=use_gpu)
    lost = (Py4JError, PySparkException, RuntimeError)
    learned, failure = run_again(lambda: distributor.run(task.try_run), max_failures, lost)
    if failure is not None:
        raise failure
    return task.adopt(augmenter, learned)


def _get_session() -> Any:
    """Return the active session."""
    check_installed("pyspark", "Spark", "cluster")
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        raise InputError("There is no active session of Spark; make one: SparkSession.builder.getOrCreate().")
    return session


def _as_frame(session: Any, rows: NewRows) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    shards = session.range(0, rows.shards.count, 1, rows.shards.count)
    return shards.mapInArrow(partial(_make_batches, rows), from_arrow_schema(rows.job.schema))


def _make_batches(rows: NewRows, batches: Iterator[Any]) -> Iterator[Any]:
    for batch in batches:
        for shard in batch.column(0).to_pylist():
            for table in rows.tables(shard):
                yield from table.to_batches()


def _plain_schema(schema: Any) -> Any:
    """Return a schema in types of Arrow that Spark has."""
    import pyarrow as pa

    wider = {
        pa.uint8(): pa.int16(),
        pa.uint16(): pa.int32(),
        pa.uint32(): pa.int64(),
        pa.float16(): pa.float32(),
    }
    wider |= {pa.uint64(): pa.decimal128(20), pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    fields = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", kind.tz)
        elif pa.types.is_duration(kind):
            kind = pa.duration("us")
        fields.append(pa.field(field.name, wider.get(kind, kind)))
    return pa.schema(fields)
