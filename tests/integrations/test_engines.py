"""What Ray, Spark and Dask share, without any of them."""

import pickle
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_engines import made_augmenter, written_rows
from made_shards import made_model

import vaeaug.utils.versions
from vaeaug.errors import InputError, WorkerLostError
from vaeaug.integrations import dask as vaeaug_dask
from vaeaug.integrations import ray as vaeaug_ray
from vaeaug.integrations import spark as vaeaug_spark
from vaeaug.integrations.engines import make_rows, plan_fit, run_again
from vaeaug.sharding import worker

pytest.importorskip("pyarrow")

ENGINES = {"Ray": vaeaug_ray, "Spark": vaeaug_spark, "Dask": vaeaug_dask}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_engine_is_named_with_the_extra(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaeaug.utils.versions, "find_spec", lambda name: None)
    module = ENGINES[engine]
    for call in (
        lambda: module.sample("model", 5),
        lambda: module.resample("model", None, "label"),
        lambda: module.fit(made_augmenter(), "rows"),
    ):
        with pytest.raises(
            InputError, match=rf"{engine} is not installed; run: pip install vaeaug\[cluster\]"
        ):
            call()


def test_rows_travel_to_another_process(tmp_path: Path) -> None:
    model = made_model()
    rows = pickle.loads(pickle.dumps(make_rows(model, 30, None, "sample", shard_size=20, random_state=7)))
    worker.forget(rows.job.fingerprint)
    expected = model.sample_to_parquet(30, tmp_path / "rows", shard_size=20, random_state=7)
    found = pd.concat([rows.frame(0), rows.frame(1)])
    pd.testing.assert_frame_equal(found, pd.read_parquet(expected), check_dtype=False)


def test_a_worker_that_does_not_see_the_model_says_so(tmp_path: Path) -> None:
    made_model(seed=3).save(tmp_path / "model.safetensors")
    rows = make_rows(tmp_path / "model.safetensors", 5, None, "sample")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"The worker on .* does not see .*give a folder that all workers"):
        rows.frame(0)


def test_a_worker_with_other_versions_says_so() -> None:
    rows = make_rows(made_model(seed=4), 5, None, "sample")
    rows = replace(rows, job=replace(rows.job, versions={"numpy": "1.0"}))
    with pytest.raises(InputError, match="has numpy .* asks for the work has 1.0.*same version everywhere"):
        rows.frame(0)


def test_a_fit_in_one_process_gives_the_model_back(tmp_path: Path) -> None:
    path, augmenter = written_rows(tmp_path), made_augmenter(max_iter=1)
    task = plan_fit(made_augmenter(max_iter=1), path, "label")
    assert task.adopt(augmenter, pickle.loads(pickle.dumps(task)).run()) is augmenter
    expected = made_augmenter(max_iter=1).fit(path, "label")
    pd.testing.assert_frame_equal(
        augmenter.sample(5, random_state=0)[0], expected.sample(5, random_state=0)[0]
    )


def test_workers_check_versions_and_files_before_they_fit(tmp_path: Path) -> None:
    task = plan_fit(made_augmenter(), written_rows(tmp_path), "label")
    assert "has torch" in str(replace(task, versions={"torch": "1.0"}).try_run()[1])
    assert "sees other files under" in str(replace(task, described=None).try_run()[1])
    Path(task.X).unlink()
    failure = task.try_run()[1]
    assert "cannot read what the others read" in str(failure)
    assert "Give a path that all workers share" in str(failure)


def test_what_cannot_be_fitted_is_refused_before_processes_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="X must be the path of a Parquet file.*got DataFrame"):
        plan_fit(made_augmenter(), pd.DataFrame({"a": [1, 2]}), "a")
    with pytest.raises(InputError, match="no column 'fraud' for y; it has 'size'"):
        plan_fit(made_augmenter(), written_rows(tmp_path), "fraud")
    with pytest.raises(InputError, match="there is nothing"):
        plan_fit(made_augmenter(), tmp_path / "nowhere", "label")


def test_a_fit_is_started_again_as_often_as_allowed() -> None:
    calls: list[int] = []

    def lose() -> None:
        calls.append(1)
        raise OSError("gone.")

    with pytest.raises(WorkerLostError, match="lost 3 times.*gone"):
        run_again(lose, 2, (OSError,))
    assert len(calls) == 3
    with pytest.raises(InputError, match="max_failures"):
        run_again(lose, -1, (OSError,))
    assert run_again(lambda: 5, 0, ()) == 5
