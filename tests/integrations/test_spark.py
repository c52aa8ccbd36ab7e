"""Spark for real: two executors on this machine; needs Java 17 or later.

Run it with ``pytest -n 0 -m slow tests/integrations/test_spark.py``, after ``pip install vaeaug[cluster]``.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
from made_engines import SPREAD, held_out_loss, made_augmenter, written_rows
from made_shards import made_model, made_rows

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.integrations import spark as vaeaug_spark

pyspark = pytest.importorskip("pyspark", reason="needs pyspark; pip install vaeaug[cluster]")
from pyspark.sql import SparkSession  # noqa: E402

pytestmark = [
    pytest.mark.slow,  # starts a Java machine and two executors
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore"),  # theirs, about files they leave open
]


@pytest.fixture(scope="module")
def model() -> VAEAugmenter:
    return made_model()


@pytest.fixture(scope="module", autouse=True)
def session():
    tests = Path(__file__).parents[1]
    paths = [str(tests.parent), str(tests), os.environ.get("PYTHONPATH", "")]
    before = dict(os.environ)
    os.environ |= {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    found = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.executorEnv.PYTHONPATH", os.environ["PYTHONPATH"])
        .config("spark.executorEnv.OMP_NUM_THREADS", "1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    found.sparkContext.setLogLevel("OFF")
    yield found
    found.stop()
    os.environ.clear()
    os.environ.update(before)


def assert_same_rows(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare cells; Spark has other types for text, categories and missing numbers."""
    assert list(found.columns) == list(expected.columns)
    for name in found:
        pd.testing.assert_series_equal(
            found[name].astype(object).where(found[name].notna(), None),
            expected[name].astype(object).where(expected[name].notna(), None),
        )


def kill_a_worker(title: str, after: Path | None = None) -> list[int]:
    """Kill the first process of which the command line holds a text, once a file is there."""
    psutil = pytest.importorskip("psutil")
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 100
        while after is not None and not after.exists() and time.monotonic() < end:
            time.sleep(0.01)
        while not killed and time.monotonic() < end:
            for process in psutil.Process().children(recursive=True):
                try:
                    if not killed and title in " ".join(process.cmdline()):
                        os.kill(process.pid, signal.SIGKILL)
                        killed.append(process.pid)
                except (psutil.Error, OSError):
                    continue
            time.sleep(0.01)

    Thread(target=kill, daemon=True).start()
    return killed


def test_a_frame_has_the_rows_of_the_shards_also_when_an_executor_is_killed(
    model: VAEAugmenter, tmp_path: Path
) -> None:
    frame = vaeaug_spark.sample(model, 250, shard_size=50, random_state=7)
    assert dict(frame.dtypes)["kind"] == "string"
    killed = kill_a_worker("CoarseGrainedExecutorBackend")
    found = frame.toPandas()
    assert killed
    expected = pd.read_parquet(model.sample_to_parquet(250, tmp_path / "rows", shard_size=50, random_state=7))
    assert_same_rows(found, expected)


def test_a_frame_is_balanced_with_the_rows_of_resample_parquet(
    model: VAEAugmenter, session: object, tmp_path: Path
) -> None:
    X, y = made_rows()
    X.assign(label=y).to_parquet(tmp_path / "real.parquet", index=False)
    frame = session.read.parquet(str(tmp_path / "real.parquet"))
    balanced = vaeaug_spark.resample(model, frame, "label", shard_size=20, random_state=7)
    assert balanced.schema == frame.schema
    found = balanced.toPandas()
    assert found["label"].value_counts().to_dict() == {"no": 40, "yes": 40}
    out = model.resample_parquet(
        tmp_path / "real.parquet", tmp_path / "new", target="label", shard_size=20, random_state=7
    )
    assert_same_rows(found.iloc[50:].reset_index(drop=True), pd.read_parquet(out))
    with pytest.raises(InputError, match="The frame has no column 'fraud'"):
        vaeaug_spark.resample(model, frame, "fraud")


def test_two_executors_end_with_one_model_also_when_one_is_killed(tmp_path: Path) -> None:
    path = written_rows(tmp_path)
    augmenter = made_augmenter()
    assert vaeaug_spark.fit(augmenter, path, "label") is augmenter
    alone = held_out_loss(made_augmenter().fit(path, "label"))
    assert abs(held_out_loss(augmenter) - alone) <= SPREAD * abs(alone)
    again = made_augmenter(checkpoint_dir=tmp_path / "state")
    killed = kill_a_worker("CoarseGrainedExecutorBackend", tmp_path / "state" / "network.safetensors")
    vaeaug_spark.fit(again, path, "label")
    assert killed
    assert held_out_loss(again) == held_out_loss(augmenter)


def test_a_label_that_is_not_there_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'fraud' for y; it has 'size'"):
        vaeaug_spark.fit(made_augmenter(), written_rows(tmp_path), "fraud")
