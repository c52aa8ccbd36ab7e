"""Dask for real: a cluster of two workers on this machine."""

import os
import signal
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from made_engines import SPREAD, held_out_loss, made_augmenter, written_rows
from made_shards import contents, forbid_writing, made_model, made_rows

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError, WorkerLostError
from vaeaug.integrations import dask as vaeaug_dask

pytest.importorskip("dask.dataframe", reason="needs dask[distributed]; pip install vaeaug[cluster]")
distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
import dask.dataframe as dd  # noqa: E402

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore"),  # theirs, about files and ports
]


@pytest.fixture(scope="module")
def model() -> VAEAugmenter:
    return made_model()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        yield found


def kill_a_worker(client: object, after: float) -> Thread:
    """Kill one worker process in some seconds."""
    pid = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)

    thread = Thread(target=kill)
    thread.start()
    return thread


def expected_rows(model: VAEAugmenter, tmp_path: Path, **options: object) -> pd.DataFrame:
    folder = model.sample_to_parquet(250, tmp_path / "expected", random_state=7, **options)
    return pd.read_parquet(folder)


# --- in the threads of this process ----------------------------------------------------


@pytest.mark.parametrize("saved", [False, True], ids=["fitted", "saved"])
def test_a_frame_has_the_rows_of_the_shards(model: VAEAugmenter, tmp_path: Path, saved: bool) -> None:
    model.save(tmp_path / "model.safetensors")
    given = tmp_path / "model.safetensors" if saved else model
    frame = vaeaug_dask.sample(given, 250, shard_size=100, random_state=7)
    assert frame.npartitions == 3
    assert frame.divisions == (0, 100, 200, 249)
    found = frame.compute(scheduler="threads")
    expected = expected_rows(model, tmp_path, shard_size=100)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    pd.testing.assert_frame_equal(found, frame.compute(scheduler="threads"))


def test_a_frame_is_balanced_with_the_rows_of_resample_parquet(model: VAEAugmenter, tmp_path: Path) -> None:
    X, y = made_rows()
    real = X.assign(label=y)[["label", *X.columns]]
    real.to_parquet(tmp_path / "real.parquet", index=False)
    frame = dd.from_pandas(real, npartitions=2)
    found = vaeaug_dask.resample(model, frame, "label", shard_size=20, random_state=7)
    assert dict(found.dtypes) == dict(frame.dtypes)
    found = found.compute(scheduler="threads")
    assert found["label"].value_counts().to_dict() == {"no": 40, "yes": 40}
    out = model.resample_parquet(
        tmp_path / "real.parquet", tmp_path / "new", target="label", shard_size=20, random_state=7
    )
    pd.testing.assert_frame_equal(
        found.iloc[50:].reset_index(drop=True),
        pd.read_parquet(out),
        check_dtype=False,
        check_categorical=False,
    )


def test_a_balanced_frame_comes_back_as_it_is(model: VAEAugmenter) -> None:
    X, y = made_rows()
    frame = dd.from_pandas(X.assign(label=y), npartitions=2)
    assert vaeaug_dask.resample(model, frame, "label", sampling_strategy={"yes": 10}) is frame


FAULTS = {
    "no target": ({"target": "fraud"}, "The frame has no column 'fraud'; it has size, count"),
    "feature": ({"target": "size"}, "'size' is one of the columns that the model makes"),
    "strategy": ({"target": "label", "sampling_strategy": {"maybe": 9}}, "'maybe', which is not present"),
    "shard_size": ({"target": "label", "shard_size": 0}, "shard_size"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_named_before_the_work(model: VAEAugmenter, case: str) -> None:
    X, y = made_rows()
    options, words = FAULTS[case]
    with pytest.raises(InputError, match=words):
        vaeaug_dask.resample(model, dd.from_pandas(X.assign(label=y), npartitions=2), **options)


def test_missing_labels_and_other_columns_are_refused(model: VAEAugmenter) -> None:
    X, y = made_rows()
    frame = X.assign(label=y.where(np.arange(50) != 3))
    with pytest.raises(InputError, match="'label' has 1 missing labels; drop these rows"):
        vaeaug_dask.resample(model, dd.from_pandas(frame, npartitions=2), "label")
    with pytest.raises(InputError, match="The frame has the column 'more' more"):
        vaeaug_dask.resample(model, dd.from_pandas(X.assign(label=y, more=1), npartitions=2), "label")


# --- on two workers --------------------------------------------------------------------


@pytest.mark.slow  # starts a cluster of two workers, and one of them anew
def test_a_killed_worker_loses_no_row(model: VAEAugmenter, client: object, tmp_path: Path) -> None:
    frame = vaeaug_dask.sample(model, 250, shard_size=10, random_state=7)
    killer = kill_a_worker(client, 0.3)
    found = frame.compute()
    killer.join()
    expected = expected_rows(model, tmp_path, shard_size=10)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.slow  # starts a cluster of two workers
def test_shards_of_a_crashed_run_are_gone_on_with(
    model: VAEAugmenter, client: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import joblib

    whole = model.sample_to_parquet(60, tmp_path / "whole", shard_size=20, random_state=7)
    crashed = model.sample_to_parquet(60, tmp_path / "crashed", shard_size=20, random_state=7)
    (crashed / "part-00001.parquet").write_bytes(b"PAR1 cut")
    (crashed / ".part-00002.parquet.0123456789ab.tmp").write_bytes(b"half")
    (crashed / "part-00002.parquet").unlink()
    forbid_writing(monkeypatch)
    with joblib.parallel_config(backend="dask"):
        model.sample_to_parquet(60, crashed, shard_size=20, random_state=7)
    assert contents(crashed) == contents(whole)
    assert not list(crashed.glob(".*"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written_rows(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def loss(client: object, path: str) -> float:
    """Return the loss that two workers end with."""
    augmenter = made_augmenter()
    assert vaeaug_dask.fit(augmenter, path, "label") is augmenter
    return held_out_loss(augmenter)


@pytest.mark.slow  # starts a cluster of two workers, and fits twice
def test_two_workers_end_with_a_model_as_good_as_that_of_one_process(loss: float, path: str) -> None:
    alone = held_out_loss(made_augmenter().fit(path, "label"))
    assert abs(loss - alone) <= SPREAD * abs(alone)


@pytest.mark.slow  # starts a cluster of two workers, and one of them anew
def test_a_fit_of_which_a_worker_is_killed_ends_with_the_same_model(
    client: object, loss: float, path: str, tmp_path: Path
) -> None:
    augmenter = made_augmenter(checkpoint_dir=tmp_path / "state")
    killed: list[int] = []
    pids = list(client.run(os.getpid).values())

    def kill() -> None:
        until = time.monotonic() + 100
        while time.monotonic() < until and not (tmp_path / "state" / "network.safetensors").exists():
            time.sleep(0.01)
        os.kill(pids[1], signal.SIGKILL)
        killed.append(pids[1])

    killer = Thread(target=kill)
    killer.start()
    vaeaug_dask.fit(augmenter, path, "label")
    killer.join()
    assert killed
    assert held_out_loss(augmenter) == loss


@pytest.mark.slow  # starts a cluster of two workers
def test_too_few_workers_are_named(client: object, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaeaug_dask, "_PATIENCE", 0.2)
    with pytest.raises(WorkerLostError, match="has no 9 workers"):
        vaeaug_dask.fit(made_augmenter(), path, "label", num_workers=9, max_failures=0)
