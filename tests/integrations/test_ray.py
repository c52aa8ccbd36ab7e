"""Ray for real: two workers on this machine."""

import os
import signal
import time
from pathlib import Path
from threading import Thread

import joblib
import pandas as pd
import pytest
from made_engines import SPREAD, held_out_loss, made_augmenter, written_rows
from made_shards import contents, forbid_writing, made_model, made_rows

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.integrations import ray as vaeaug_ray

ray = pytest.importorskip("ray", reason="needs ray[data,train]; pip install vaeaug[cluster]")
pytest.importorskip("ray.data", reason="needs ray[data,train]; pip install vaeaug[cluster]")

pytestmark = [
    pytest.mark.slow,  # starts a cluster of two workers, which import torch
    pytest.mark.filterwarnings("ignore"),  # theirs, about files they leave open
]


@pytest.fixture(scope="module")
def model() -> VAEAugmenter:
    return made_model()


@pytest.fixture(scope="module", autouse=True)
def cluster():
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    settings = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": settings})
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


def as_frame(dataset: object) -> pd.DataFrame:
    return dataset.to_pandas().reset_index(drop=True)


def assert_same_rows(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_categorical=False)


def kill_a_worker(name: str, after: Path | None = None) -> list[int]:
    """Kill the first process of Ray whose title holds a text, once a file is there; return its number."""
    import psutil

    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 300
        while after is not None and not after.exists() and time.monotonic() < end:
            time.sleep(0.01)
        while not killed and time.monotonic() < end:
            for process in psutil.process_iter(["cmdline"]):
                if any(name in part for part in process.info["cmdline"] or []) and not killed:
                    os.kill(process.pid, signal.SIGKILL)
                    killed.append(process.pid)
            time.sleep(0.01)

    Thread(target=kill, daemon=True).start()
    return killed


def test_a_data_set_has_the_rows_of_the_shards_also_when_a_worker_is_killed(
    model: VAEAugmenter, tmp_path: Path
) -> None:
    dataset = vaeaug_ray.sample(model, 250, shard_size=50, random_state=7)
    killed = kill_a_worker("ray::MapBatches")
    found = as_frame(dataset)
    assert killed
    expected = pd.read_parquet(model.sample_to_parquet(250, tmp_path / "rows", shard_size=50, random_state=7))
    assert_same_rows(found, expected)


def test_a_data_set_is_balanced_with_the_rows_of_resample_parquet(
    model: VAEAugmenter, tmp_path: Path
) -> None:
    X, y = made_rows()
    real = X.assign(label=y)
    real.to_parquet(tmp_path / "real.parquet", index=False)
    dataset = ray.data.read_parquet(str(tmp_path / "real.parquet"))
    found = as_frame(vaeaug_ray.resample(model, dataset, "label", shard_size=20, random_state=7))
    assert found["label"].value_counts().to_dict() == {"no": 40, "yes": 40}
    out = model.resample_parquet(
        tmp_path / "real.parquet", tmp_path / "new", target="label", shard_size=20, random_state=7
    )
    assert_same_rows(found.iloc[50:].reset_index(drop=True), pd.read_parquet(out))
    with pytest.raises(InputError, match="The frame has no column 'fraud'"):
        vaeaug_ray.resample(model, dataset, "fraud")


def test_shards_are_written_by_workers(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.util.joblib import register_ray

    register_ray()
    whole = model.sample_to_parquet(60, tmp_path / "whole", shard_size=20, random_state=7)
    forbid_writing(monkeypatch)
    with joblib.parallel_config(backend="ray", n_jobs=2):
        folder = model.sample_to_parquet(60, tmp_path / "rows", shard_size=20, random_state=7)
    assert contents(folder) == contents(whole)


def test_two_workers_end_with_one_model_also_when_one_is_killed(tmp_path: Path) -> None:
    path = written_rows(tmp_path)
    augmenter = made_augmenter()
    assert vaeaug_ray.fit(augmenter, path, "label") is augmenter
    alone = held_out_loss(made_augmenter().fit(path, "label"))
    assert abs(held_out_loss(augmenter) - alone) <= SPREAD * abs(alone)
    again = made_augmenter(checkpoint_dir=tmp_path / "state")
    killed = kill_a_worker("RayTrainWorker", tmp_path / "state" / "network.safetensors")
    vaeaug_ray.fit(again, path, "label")
    assert killed
    assert held_out_loss(again) == held_out_loss(augmenter)


def test_a_label_that_is_not_there_is_named_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'fraud' for y; it has 'size'"):
        vaeaug_ray.fit(made_augmenter(), written_rows(tmp_path), "fraud")
