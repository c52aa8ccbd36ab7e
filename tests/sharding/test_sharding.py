import errno
import json
import os
import signal
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path
from threading import Thread

import joblib
import numpy as np
import pandas as pd
import pytest
from made_shards import contents, forbid_writing, made_model, made_rows

import vaeaug.sharding.jobs
import vaeaug.sharding.worker
from vaeaug import VAEAugmenter, load
from vaeaug.errors import InputError, UnknownLabelError, WorkerLostError
from vaeaug.io.parquet import schema_of
from vaeaug.sharding.folder import MANIFEST, MODEL, ShardFolder
from vaeaug.sharding.worker import fingerprint, with_labels

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def model() -> VAEAugmenter:
    return made_model()


@pytest.fixture(scope="module")
def whole(model: VAEAugmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 rows in three shards, written one after the other; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "rows"
    return model.sample_to_parquet(250, folder, shard_size=100, random_state=7, n_jobs=1)


# --- what is written -------------------------------------------------------------------


def test_the_folder_reads_as_one_table_in_the_dtypes_of_fit(model: VAEAugmenter, whole: Path) -> None:
    X, y = made_rows()
    assert list(contents(whole)) == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert [pq.read_metadata(path).num_rows for path in sorted(whole.glob("*.parquet"))] == [100, 100, 50]
    frame = pd.read_parquet(whole)
    assert frame.drop(columns="label").dtypes.equals(X.dtypes)
    assert set(frame["label"]) == set(y)
    assert not frame.iloc[:100].reset_index(drop=True).equals(frame.iloc[100:200].reset_index(drop=True))


def test_the_manifest_says_whose_the_shards_are(model: VAEAugmenter, whole: Path) -> None:
    manifest = json.loads((whole / MANIFEST).read_text())
    assert manifest["model"] == fingerprint(model) == fingerprint(load(whole / MODEL, device="cpu"))
    assert {"n_samples": 250, "shard_size": 100, "y": None}.items() <= manifest.items()
    assert "pyarrow" in manifest["versions"]


def test_all_shards_have_one_schema_also_where_all_cells_are_missing(
    model: VAEAugmenter, tmp_path: Path
) -> None:
    folder = model.sample_to_parquet(12, tmp_path / "rows", shard_size=1, random_state=0)
    files = [pq.ParquetFile(path) for path in sorted(folder.glob("*.parquet"))]
    assert any(file.read(["note"])["note"].null_count for file in files)
    assert all(file.schema_arrow.equals(files[0].schema_arrow) for file in files)


@pytest.mark.parametrize("y", ["yes", ["yes"], ["no", "yes"] * 15], ids=["scalar", "one", "list"])
def test_labels_are_those_asked_for(model: VAEAugmenter, tmp_path: Path, y: object) -> None:
    folder = model.sample_to_parquet(30, tmp_path / "rows", y=y, shard_size=20, random_state=0)
    expected = [y] * 30 if isinstance(y, str) else y * (30 // len(y))
    assert pd.read_parquet(folder)["label"].tolist() == expected


def test_arrays_and_frames_of_control_variables(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = pd.DataFrame({"class": ["p", "q"] * 15, "age": rng.normal(size=30)})
    model = VAEAugmenter(max_iter=1, random_state=0).fit(rng.normal(size=(30, 2)).astype(np.float32), y)
    folder = model.sample_to_parquet(9, tmp_path / "a", shard_size=5, random_state=0)
    frame = pd.read_parquet(folder)
    assert frame.columns.tolist() == ["x0", "x1", "class", "age"]
    assert frame["x0"].dtype == np.float32
    one = model.sample_to_parquet(
        7, tmp_path / "b", y={"class": "q", "age": 0.5}, shard_size=5, random_state=0
    )
    assert (pd.read_parquet(one)["class"] == "q").all()


@pytest.mark.parametrize("y", [None, "yes", ["no", "yes"] * 350], ids=["drawn", "scalar", "list"])
def test_a_large_shard_is_made_in_pieces(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, y: object
) -> None:
    monkeypatch.setattr(vaeaug.sharding.worker, "_CELLS", 1500)
    folder = model.sample_to_parquet(700, tmp_path / "rows", y=y, shard_size=650, random_state=0)
    first = pq.ParquetFile(folder / "part-00000.parquet")
    assert [first.metadata.row_group(i).num_rows for i in range(first.num_row_groups)] == [500, 150]
    groups = [first.read_row_group(i).to_pandas()[:100] for i in range(2)]
    assert not groups[0]["size"].equals(groups[1]["size"])
    if y is not None:
        expected = [y] * 700 if isinstance(y, str) else y
        assert pd.read_parquet(folder)["label"].tolist() == expected


def test_nothing_grows_with_the_number_of_rows() -> None:
    folder = ShardFolder(10**15, 1, Path("rows"))
    assert folder.count == 10**15
    assert folder.file(10**15 - 1).name == f"part-{10**15 - 1}.parquet"
    assert ShardFolder(0, 5, Path("rows")).count == 0


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_writing(monkeypatch)


# --- same bytes ------------------------------------------------------------------------


def test_threads_write_the_same_bytes(model: VAEAugmenter, whole: Path, tmp_path: Path) -> None:
    with joblib.parallel_config(backend="threading", n_jobs=3):
        folder = model.sample_to_parquet(250, tmp_path / "rows", shard_size=100, random_state=7)
    assert contents(folder) == contents(whole)


def test_a_loaded_model_writes_the_same_bytes_and_another_seed_others(whole: Path, tmp_path: Path) -> None:
    again = load(whole / MODEL, device="cpu")
    folder = again.sample_to_parquet(250, tmp_path / "a", shard_size=100, random_state=7)
    assert contents(folder) == contents(whole)
    other = contents(again.sample_to_parquet(250, tmp_path / "b", shard_size=100, random_state=8))
    assert not set(other.values()) & set(contents(whole).values())


def test_a_shard_does_not_depend_on_how_many_there_are(
    model: VAEAugmenter, whole: Path, tmp_path: Path
) -> None:
    folder = model.sample_to_parquet(100, tmp_path / "rows", shard_size=100, random_state=7)
    assert contents(folder).items() <= contents(whole).items()


def test_threads_and_streams_of_torch_are_left_alone(model: VAEAugmenter, tmp_path: Path) -> None:
    import torch

    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    model.sample_to_parquet(10, tmp_path / "rows", random_state=0)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_processes_write_the_same_bytes_also_when_one_is_killed(
    model: VAEAugmenter, whole: Path, tmp_path: Path
) -> None:
    from joblib.externals.loky import get_reusable_executor, reusable_executor

    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            # As it is: get_reusable_executor would make one where there is none yet.
            processes = list(getattr(reusable_executor._executor, "_processes", None) or [])
            if processes:
                os.kill(processes[0], signal.SIGKILL)
                killed.append(processes[0])
            time.sleep(0.05)

    killer = Thread(target=kill)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        killer.start()
        folder = model.sample_to_parquet(250, tmp_path / "rows", shard_size=100, random_state=7)
    killer.join()
    assert killed
    assert contents(folder) == contents(whole)
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


# --- going on --------------------------------------------------------------------------


def copied(whole: Path, path: Path) -> Path:
    path.mkdir()
    for file in whole.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path


def test_missing_and_cut_shards_are_written_again_and_no_others(
    model: VAEAugmenter, whole: Path, tmp_path: Path
) -> None:
    folder = copied(whole, tmp_path / "rows")
    first, second, third = sorted(folder.glob("*.parquet"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    stamp = third.stat().st_mtime_ns
    model.sample_to_parquet(250, folder, shard_size=100, random_state=7)
    assert contents(folder) == contents(whole)
    assert third.stat().st_mtime_ns == stamp


def test_without_a_seed_the_folder_keeps_its_own(model: VAEAugmenter, whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "rows")
    (folder / "part-00001.parquet").unlink()
    model.sample_to_parquet(250, folder, shard_size=100)
    assert contents(folder) == contents(whole)


def test_without_a_seed_two_folders_differ(model: VAEAugmenter, tmp_path: Path) -> None:
    a, b = (contents(model.sample_to_parquet(20, tmp_path / name)) for name in "ab")
    assert a != b


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_kill_in_the_middle_of_a_file_the_same_call_finishes(
    model: VAEAugmenter, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rows"
    child = os.fork()
    if not child:
        written = []

        def halfway(writer: object, table: object) -> None:
            write(writer, table)
            written.append(table)
            if len(written) == 2:
                time.sleep(60)

        write, pq.ParquetWriter.write_table = pq.ParquetWriter.write_table, halfway
        try:
            model.sample_to_parquet(250, folder, shard_size=100, random_state=7)
        finally:
            os._exit(1)
    until = time.monotonic() + 50
    while time.monotonic() < until:
        if (folder / "part-00000.parquet").exists() and list(folder.glob(".part-00001*.tmp")):
            break
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert list(contents(folder)) == ["part-00000.parquet"]
    assert len(list(folder.glob(".*.tmp"))) == 1
    model.sample_to_parquet(250, folder, shard_size=100, random_state=7)
    assert contents(folder) == contents(whole)
    assert not list(folder.glob(".*"))


def test_a_full_disk_leaves_whole_shards_and_says_how_to_go_on(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def fill(writer: object, table: object) -> None:
        written.append(table)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, table)

    write = pq.ParquetWriter.write_table
    monkeypatch.setattr(pq.ParquetWriter, "write_table", fill)
    folder = tmp_path / "rows"
    # So many shards that a list of them would not fit in memory either.
    with pytest.raises(InputError, match=r"No space left.*do the same call again") as caught:
        model.sample_to_parquet(10**12, folder, shard_size=5, random_state=0)
    assert str(folder) in str(caught.value)
    found = sorted(folder.glob("*.parquet"))
    assert [pq.read_metadata(path).num_rows for path in found] == [5, 5]
    assert not list(folder.glob(".*"))
    monkeypatch.setattr(pq.ParquetWriter, "write_table", write)
    stamps = [path.stat().st_mtime_ns for path in found]
    with pytest.raises(InputError, match="another number of rows"):
        model.sample_to_parquet(20, folder, shard_size=5, random_state=0)
    assert [path.stat().st_mtime_ns for path in found] == stamps


def test_images_are_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    model = VAEAugmenter(max_iter=1, random_state=0).fit(images, [0, 1] * 10)
    with pytest.raises(InputError, match="writes tables, and this model makes images"):
        model.sample_to_parquet(5, tmp_path / "rows")


# --- refused ---------------------------------------------------------------------------

OTHERS = {
    "seed": ({"random_state": 8}, "holds shards of another seed"),
    "size": (
        {"n_samples": 251},
        r"another number of rows \(250 there, 251 in this call\); give another folder",
    ),
    "shard_size": ({"shard_size": 99}, "another shard_size"),
    "labels": ({"y": "yes"}, "other labels"),
    "temperature": ({"temperature": 0.5}, "another temperature"),
    "method": ({"method": "posterior"}, "another method"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_the_folder_of_another_call_is_refused(model: VAEAugmenter, whole: Path, case: str) -> None:
    before = contents(whole)
    changed, words = OTHERS[case]
    arguments = {"n_samples": 250, "shard_size": 100, "random_state": 7, **changed}
    with pytest.raises(InputError, match=words):
        model.sample_to_parquet(path=whole, **arguments)
    assert contents(whole) == before


def test_the_folder_of_another_model_is_refused(whole: Path) -> None:
    with pytest.raises(InputError, match="holds shards of another model"):
        made_model(seed=1).sample_to_parquet(250, whole, shard_size=100, random_state=7)


def test_a_changed_model_file_is_not_used(model: VAEAugmenter, tmp_path: Path) -> None:
    folder = model.sample_to_parquet(20, tmp_path / "rows", shard_size=10, random_state=0)
    made_model(seed=1).save(folder / MODEL)
    (folder / "part-00001.parquet").unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    job = vaeaug.sharding.worker.Job(
        VAEAugmenter,
        manifest["model"],
        "cpu",
        ShardFolder(20, 10, folder),
        manifest["seed"],
        "prior",
        1.0,
        pq.read_schema(folder / "part-00000.parquet"),
        folder / MODEL,
    )
    with pytest.raises(InputError, match="is not the model that this call was begun with"):
        vaeaug.sharding.worker.write_shard(job, 1, None)


def test_what_is_no_folder_of_shards_is_refused(model: VAEAugmenter, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"no shards of vaeaug, such as mine.txt; give a new or empty folder"
    ):
        model.sample_to_parquet(5, tmp_path)
    with pytest.raises(InputError, match="is a file; give the path of a folder"):
        model.sample_to_parquet(5, tmp_path / "mine.txt")
    with pytest.raises(InputError, match="cannot be made a folder: No such file"):
        model.sample_to_parquet(5, tmp_path / "no" / "rows")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="cannot be read, so nobody knows whose"):
        model.sample_to_parquet(5, tmp_path / "rows")
    (tmp_path / "rows" / MANIFEST).write_text('{"format": 99}')
    with pytest.raises(InputError, match="newer vaeaug"):
        model.sample_to_parquet(5, tmp_path / "rows")


def test_bad_arguments_make_no_folder(model: VAEAugmenter, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    with pytest.raises(UnknownLabelError):
        model.sample_to_parquet(5, folder, y="maybe")
    with pytest.raises(InputError, match="5 rows are to be made"):
        model.sample_to_parquet(5, folder, y=["yes", "no"])
    with pytest.raises(InputError, match="shard_size must be an integer >= 1, or 'auto'"):
        model.sample_to_parquet(5, folder, shard_size=0)
    with pytest.raises(InputError, match="n_samples must be an integer"):
        model.sample_to_parquet(5.5, folder)
    assert not folder.exists()


def test_without_pyarrow_the_remedy_is_named(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaeaug.utils.versions.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"sample_to_parquet needs pyarrow.*pip install vaeaug\[parquet\]"):
        model.sample_to_parquet(5, tmp_path / "rows")


def test_a_column_of_many_types_is_named() -> None:
    with pytest.raises(InputError, match=r"'mixed' cannot be written to Parquet.*astype\(str\)"):
        schema_of(pd.DataFrame({"a": [0.0, 1.0], "mixed": [1, "one"]}))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    X = pd.DataFrame({"0": np.arange(20.0), 0: np.arange(20.0)[::-1]})
    with pytest.raises(InputError, match="Two columns would be named '0' in the file"):
        with_labels(X, None)
    named = with_labels(X[["0"]], pd.Series(range(20), name="0"))
    assert named.columns.tolist() == ["0", "0_class"]


# --- workers ---------------------------------------------------------------------------


def test_workers_that_die_every_time_are_given_up(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []

    class Dying:
        def __init__(self, **_: object) -> None:
            rounds.append(1)

        def __call__(self, tasks: object) -> None:
            raise BrokenExecutor("killed")

    monkeypatch.setattr(vaeaug.sharding.jobs, "Parallel", Dying)
    with pytest.raises(WorkerLostError, match="were killed again and again"):
        model.sample_to_parquet(5, tmp_path / "rows", random_state=0)
    assert len(rounds) == 2


def test_workers_that_see_another_folder_are_noticed(
    model: VAEAugmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vaeaug.sharding.jobs, "write_shard", lambda job, shard, y: 5)
    with pytest.raises(InputError, match="give a folder that all of them share"):
        model.sample_to_parquet(5, tmp_path / "rows", random_state=0)


def test_the_bar_counts_rows(model: VAEAugmenter, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.sample_to_parquet(40, tmp_path / "rows", shard_size=10, random_state=0, verbose=1)
    assert "40.0/40.0" in capsys.readouterr().err
