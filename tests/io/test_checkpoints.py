"""A fit that is killed goes on where it was, and ends as if nothing had happened."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from checkpoint_tasks import fit
from made_processes import TESTS, environment
from rank_tasks import table

import vaeaug.io.checkpoints
from vaeaug import VAEAugmenter, load
from vaeaug.errors import ArchiveError, InputError, VaeaugWarning
from vaeaug.io.checkpoints import Checkpoints
from vaeaug.model.fitted import get_fitted


def weights(model):
    return get_fitted(model).model.state()


def assert_same(found, expected):
    for name, value in weights(expected).items():
        np.testing.assert_array_equal(weights(found)[name], value, err_msg=name)
    same = ["stage", "epoch", "train_loss"]
    assert found.history_[same].equals(expected.history_[same])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "saves"), [("critic", 3), ("flow", 8)], ids=["in the networks", "in the prior"]
)
def test_a_killed_fit_goes_on_and_ends_with_the_same_bytes(kind, saves, tmp_path):
    folder = tmp_path / "kept"
    arguments = [sys.executable, str(TESTS / "checkpoint_tasks.py"), kind, str(folder), str(saves)]
    ended = subprocess.run(arguments, env=environment(), capture_output=True, text=True, timeout=120)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert_same(fit(kind, folder), fit(kind))


def test_a_finished_fit_is_not_done_again(tmp_path, monkeypatch):
    first = fit("critic", tmp_path)
    monkeypatch.setattr("vaeaug.training.run.Run._epoch", lambda *_: pytest.fail("trained again"))
    assert_same(fit("critic", tmp_path), first)


def test_without_a_seed_the_fit_goes_on_with_the_one_it_had(tmp_path):
    X, y = table()
    first = VAEAugmenter(max_iter=1, device="cpu", checkpoint_dir=tmp_path).fit(X, y)
    again = VAEAugmenter(max_iter=1, device="cpu", checkpoint_dir=tmp_path).fit(X, y)
    assert_same(again, first)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_iter": 2}, "with max_iter=1 instead of 2"),
        ({"random_state": 1}, "with another random_state"),
        ({"rows": 200}, "on other data"),
    ],
)
def test_the_state_of_another_fit_is_refused(change, said, tmp_path):
    X, y = table()
    VAEAugmenter(max_iter=1, random_state=0, device="cpu", checkpoint_dir=tmp_path).fit(X, y)
    rows = change.pop("rows", len(X))
    other = VAEAugmenter(**{"max_iter": 1, "random_state": 0, "checkpoint_dir": tmp_path, **change})
    with pytest.raises(InputError, match=said):
        other.fit(X[:rows], y[:rows])


def test_parameters_that_change_no_weight_may_differ(tmp_path):
    X, y = table()
    first = VAEAugmenter(max_iter=1, random_state=0, device="cpu", checkpoint_dir=tmp_path).fit(X, y)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    again = VAEAugmenter(max_iter=1, random_state=0, checkpoint_dir=str(moved), verbose=0).fit(X, y)
    assert_same(again, first)


def test_a_saved_model_does_not_tell_where_its_states_were(tmp_path):
    X, y = table()
    model = VAEAugmenter(max_iter=1, random_state=0, device="cpu", checkpoint_dir=tmp_path / "kept").fit(X, y)
    model.save(tmp_path / "model")
    assert str(tmp_path).encode() not in (tmp_path / "model").read_bytes()
    assert load(tmp_path / "model", device="cpu").checkpoint_dir is None


def test_a_damaged_state_is_refused(tmp_path):
    fit("critic", tmp_path)
    file = tmp_path / "network.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match="damaged"):
        fit("critic", tmp_path)


def test_a_full_disk_stops_nothing_and_the_state_before_stays(tmp_path, monkeypatch):
    X, y = table()
    replace, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    model = VAEAugmenter(max_iter=3, random_state=0, device="cpu", checkpoint_dir=tmp_path)
    with pytest.warns(VaeaugWarning, match="No space left on device.*Training goes on") as warned:
        model.fit(X, y)
    assert len([item for item in warned if "cannot be kept" in str(item.message)]) == 1
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["network.safetensors"]
    again = VAEAugmenter(max_iter=3, random_state=0, device="cpu", checkpoint_dir=tmp_path).fit(X, y)
    assert_same(again, model)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="checkpoint_dir=.* cannot be made a folder"):
        Checkpoints(tmp_path / "file")


def test_what_a_killed_writer_left_is_cleared_away(tmp_path):
    left = tmp_path / f".network.safetensors.{'0' * 12}.tmp"
    left.write_bytes(b"half")
    fit("critic", tmp_path)
    assert not left.exists()
    assert vaeaug.io.checkpoints.Checkpoints(tmp_path).seed() is not None


def test_fits_on_files_go_on_too(tmp_path):
    pytest.importorskip("pyarrow")
    frame, labels = table()
    frame.assign(label=labels).to_parquet(tmp_path / "rows.parquet", row_group_size=60, index=False)
    parameters = {"max_iter": 3, "random_state": 0, "device": "cpu"}
    whole = VAEAugmenter(**parameters).fit(tmp_path / "rows.parquet", y="label")
    broken = VAEAugmenter(**parameters, checkpoint_dir=tmp_path / "kept")
    save = vaeaug.io.checkpoints.Stage.save

    def stop(self, meta, arrays):
        save(self, meta, arrays)
        if meta["step"] > 10:
            raise SystemExit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vaeaug.io.checkpoints.Stage, "save", stop)
        with pytest.raises(SystemExit):
            broken.fit(tmp_path / "rows.parquet", y="label")
    assert_same(broken.fit(tmp_path / "rows.parquet", y="label"), whole)
    frame.assign(label=labels, a=0.0).to_parquet(tmp_path / "rows.parquet", row_group_size=60, index=False)
    with pytest.raises(InputError, match="on other data"):
        broken.fit(tmp_path / "rows.parquet", y="label")


def test_a_process_that_does_not_see_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("vaeaug.io.checkpoints._LATE", 0.0)
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    here, elsewhere = Checkpoints(tmp_path / "here"), Checkpoints(tmp_path / "elsewhere")
    name = here.leave_probe()
    here.find_probe(name)
    with pytest.raises(InputError, match=r"does not see in checkpoint_dir='.*elsewhere' what another one"):
        elsewhere.find_probe(name)
    here.take_probe(name)
    assert not any(here.path.iterdir())
