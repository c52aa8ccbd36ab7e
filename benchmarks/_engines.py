"""Jobs of the scale benchmark with Dask, Ray and Spark: one fit by two workers, and a balanced frame."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _bench as bench
import numpy as np
import pandas as pd
from _datasets import read_table
from scale import make_rows, write_files

from vaeaug import VAEAugmenter, load

#: Rows that no fit sees, and rows of a row group of a real table.
HELD_ROWS, GROUP_ROWS = 4_000, 5_000


def fit(job: dict[str, Any]) -> dict[str, Any]:
    """Fit in one of the ways; return the loss of rows that the fit has not seen."""
    path, target, held = write_table(job)
    model = VAEAugmenter(random_state=job["seed"], device="cpu", max_iter=job["max_iter"])
    with ENGINES[job["engine"]]() as engine:
        began = time.perf_counter()
        if engine is not None:
            engine.fit(model, path, target, num_workers=2)
        elif job["engine"] == "memory":
            frame = pd.read_parquet(path)
            model.fit(frame.drop(columns=target), frame[target])
        else:
            model.fit(path, y=target)
        seconds = time.perf_counter() - began
    loss = -model.score_samples(held.drop(columns=target), held[target])
    return {
        "fit_s": round(seconds, 2),
        "epochs": model.n_iter_,
        "loss": float(loss.mean()),
        "loss_error": round(float(loss.std() / np.sqrt(len(loss))), 4),
        "versions": list_versions(),
    }


def balance(job: dict[str, Any]) -> dict[str, Any]:
    """Write a balanced frame of Spark as Parquet, its new rows alone with and without Spark, and a copy."""
    real, path = write_files(job["data"], job["rows"]), job["model"]
    counts = pd.read_parquet(real, columns=["label"])["label"].value_counts()
    new = int(counts["no"] - counts["yes"])
    with tempfile.TemporaryDirectory(dir=job["data"]) as out, start_spark() as engine:
        from pyspark.sql import SparkSession

        read = SparkSession.getActiveSession().read.parquet
        # The workers have imported everything before the clock is started.
        engine.sample(path, 20_000, shard_size=2_000, random_state=0).write.parquet(f"{out}/warm")

        def resample(folder: str) -> None:
            engine.resample(path, read(str(real)), "label", random_state=0).write.parquet(folder)

        def sample(folder: str) -> None:
            engine.sample(path, new, y="yes", random_state=0).write.parquet(folder)

        def sample_to_parquet(folder: str) -> None:
            load(path, device="cpu").sample_to_parquet(new, folder, y="yes", random_state=0, n_jobs=1)

        def copy(folder: str) -> None:
            read(str(real)).write.parquet(folder)

        ways = (resample, sample, copy, sample_to_parquet)
        found = {way.__name__: _measure_writing(way, f"{out}/{way.__name__}") for way in ways}
    return found | {"new_rows": new, "versions": list_versions()}


def _measure_writing(write: Callable[[str], None], folder: str) -> dict[str, float]:
    """Return seconds, and GB written."""
    began = time.perf_counter()
    write(folder)
    seconds = time.perf_counter() - began
    size = sum(file.stat().st_size for file in Path(folder).glob("*.parquet"))
    return {"seconds": round(seconds, 2), "gigabytes": round(size / 1e9, 4)}


def list_versions() -> dict[str, str]:
    return bench.versions() | {name: version(name) for name in ("dask", "ray", "pyspark")}


def write_table(job: dict[str, Any]) -> tuple[str, str, pd.DataFrame]:
    """Return the path of a table in Parquet files, its column of labels, and rows that are not in it."""
    if job["source"] == "made":
        return str(write_files(job["data"], job["rows"])), "label", make_rows(HELD_ROWS, 10_000_000)
    path = Path(job["data"]) / f"{job['source']}_{job['rows']}.parquet"
    frame, facts = read_table(job["source"])
    frame = frame.sample(frac=1, random_state=0, ignore_index=True)
    if not path.exists():
        frame[HELD_ROWS : HELD_ROWS + job["rows"]].to_parquet(path, row_group_size=GROUP_ROWS, index=False)
    return str(path), facts["target"], frame[:HELD_ROWS]


# ---------------------------------------------------------------- two workers on this machine


@contextmanager
def start_dask() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    from vaeaug.integrations import dask

    with tempfile.TemporaryDirectory() as folder:
        settings = {"dashboard_address": None, "local_directory": folder}
        with LocalCluster(n_workers=2, threads_per_worker=1, **settings) as cluster, Client(cluster):
            yield dask


@contextmanager
def start_ray() -> Iterator[Any]:
    import ray

    from vaeaug.integrations import ray as vaeaug_ray

    settings = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": settings})
    try:
        yield vaeaug_ray
    finally:
        ray.shutdown()


@contextmanager
def start_spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    from vaeaug.integrations import spark

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    builder = SparkSession.builder.master("local-cluster[2,1,2048]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.executor.memory", "2g").config("spark.driver.host", "127.0.0.1")
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):
        builder = builder.config(f"spark.executorEnv.{name}", os.environ.get(name, ""))
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    try:
        yield spark
    finally:
        session.stop()


ENGINES: dict[str, Any] = {
    "one": nullcontext,
    "memory": nullcontext,
    "torchrun": nullcontext,
    "dask": start_dask,
    "ray": start_ray,
    "spark": start_spark,
}
