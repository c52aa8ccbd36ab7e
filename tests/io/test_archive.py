"""Files that hold what was written, forever, or say in one sentence why they cannot."""

import errno
import json
import os
import pathlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaeaug.errors import ArchiveError
from vaeaug.io import archive

DATA = Path(__file__).parents[1] / "data"

MANIFEST = {
    "estimator": "VAEAugmenter",
    "params": {"latent_dim": "auto", "beta": 0.1, "losses": None, "early_stopping": True},
    "classes": ["no", "yes", "naïve ☂"],
    "sizes": [1, 2, 3],
    "nested": [{"a": [[], {}]}],
}
ARRAYS = {
    "float64": np.linspace(0, 1, 6).reshape(2, 3),
    "float32": np.array([np.nan, np.inf, -0.0, 1e-42], dtype=np.float32),
    "float16": np.array([0.5], dtype=np.float16),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "int8": np.array([-128, 127], dtype=np.int8),
    "uint8": np.frombuffer("ünïcode".encode(), dtype=np.uint8),
    "bool": np.array([[True], [False]]),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 4)),
    "complex64": np.array([1 + 2j], dtype=np.complex64),
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    archive.write(path, MANIFEST, ARRAYS)
    return path


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


# --- there and back --------------------------------------------------------------------


def test_what_was_written_is_read(saved):
    manifest, arrays = archive.read(saved)
    assert manifest == MANIFEST
    assert_same(arrays, ARRAYS)


def test_nothing_at_all(tmp_path):
    archive.write(tmp_path / "m", {}, {})
    assert archive.read(tmp_path / "m") == ({}, {})


@given(
    hnp.arrays(
        dtype=st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="?"),
            hnp.unsigned_integer_dtypes(endianness="?"),
            hnp.floating_dtypes(endianness="?"),
        ).filter(lambda dtype: dtype.itemsize <= 8),
        shape=hnp.array_shapes(min_dims=0, min_side=0, max_dims=3),
    )
)
def test_any_array(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("any") / "m"
    archive.write(path, {}, {"a": array})
    found = archive.read(path)[1]["a"]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "view", [np.arange(12).reshape(3, 4).T, np.arange(12)[::-2], np.broadcast_to(np.array(7), (3,))]
)
def test_views_that_are_not_contiguous(tmp_path, view):
    archive.write(tmp_path / "m", {}, {"a": view})
    np.testing.assert_array_equal(archive.read(tmp_path / "m")[1]["a"], view)


def test_arrays_read_may_be_written_to(saved):
    for array in archive.read(saved)[1].values():
        array[...] = 0


def test_numpy_scalars_and_tuples_become_plain(tmp_path):
    archive.write(tmp_path / "m", {"a": np.int64(3), "b": (np.bool_(True), np.float32(0.5))}, {})
    assert archive.read(tmp_path / "m")[0] == {"a": 3, "b": [True, 0.5]}


@pytest.mark.parametrize("name", ["model.safetensors", "with space.bin", "ü☂", "no_suffix"])
def test_any_file_name_as_str_or_path(tmp_path, name):
    archive.write(str(tmp_path / name), MANIFEST, {})
    assert archive.read(str(tmp_path / name))[0] == MANIFEST


def test_the_header_names_format_and_versions(saved):
    with safetensors.safe_open(saved, framework="numpy") as file:
        header = json.loads(file.metadata()["vaeaug"])
    assert header["format"] == archive.FORMAT
    assert header["versions"]["numpy"] == np.__version__
    assert {"python", "vaeaug", "pandas", "scikit-learn", "torch"} <= header["versions"].keys()


def test_no_torch_is_imported():
    code = "import sys, vaeaug.io.archive as a; a._versions(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_same_content_same_bytes(tmp_path):
    for name in ("a", "b"):
        archive.write(tmp_path / name, MANIFEST, ARRAYS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_of_format_1_is_read_for_ever():
    manifest, arrays = archive.read(DATA / "archive_format_1.safetensors")
    assert manifest == MANIFEST
    assert_same(arrays, ARRAYS)


# --- the old file is safe --------------------------------------------------------------


def test_an_old_file_is_replaced_with_its_mode(saved):
    os.chmod(saved, 0o640)
    archive.write(saved, {"new": 1}, {})
    assert archive.read(saved) == ({"new": 1}, {})
    assert saved.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_usual_mode(tmp_path):
    (tmp_path / "plain").write_text("")
    archive.write(tmp_path / "m", {}, {})
    assert (tmp_path / "m").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_stays_a_link(saved):
    link = saved.with_name("link")
    link.symlink_to(saved)
    archive.write(link, {"new": 1}, {})
    assert link.is_symlink()
    assert archive.read(saved)[0] == {"new": 1}


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file(saved, monkeypatch, step, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(os, step, fail)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ArchiveError
    with pytest.raises(expected):
        archive.write(saved, {"new": 1}, {})
    assert archive.read(saved)[0] == MANIFEST
    assert leftovers(saved.parent) == []


def test_what_cannot_be_stored_touches_nothing(saved):
    with pytest.raises(ArchiveError):
        archive.write(saved, {"new": object()}, {})
    assert archive.read(saved)[0] == MANIFEST


# --- refusals when writing -------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"a": [1, {"b": object()}]}, r"manifest\['a'\]\[1\]\['b'\] cannot be saved: it is a object"),
        ({"a": {1: "x"}}, r"manifest\['a'\] cannot be saved: its key 1 is not a string"),
        ({"a": np.zeros(2)}, "it is a ndarray"),
    ],
)
def test_a_manifest_that_json_cannot_hold(tmp_path, manifest, message):
    with pytest.raises(ArchiveError, match=message):
        archive.write(tmp_path / "m", manifest, {})


@pytest.mark.parametrize(
    "array",
    [np.array(["a"]), np.array([None]), np.zeros(2, dtype=complex), np.array(["2020"], dtype="M8[D]")],
)
def test_arrays_that_are_not_numbers(tmp_path, array):
    with pytest.raises(ArchiveError, match=r"array 'bad' cannot be saved: its dtype is .*; allowed"):
        archive.write(tmp_path / "m", {}, {"bad": array})


def test_a_missing_folder(tmp_path):
    with pytest.raises(ArchiveError, match=r"there is no folder .*none; make it first"):
        archive.write(tmp_path / "none" / "m", {}, {})


def test_a_folder_that_is_a_file(saved):
    with pytest.raises(ArchiveError, match="there is no folder"):
        archive.write(saved / "m", {}, {})


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(ArchiveError, match="is a folder"):
        archive.write(tmp_path, {}, {})
    with pytest.raises(ArchiveError, match="is a folder"):
        archive.read(tmp_path)


def test_a_path_without_permission(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ArchiveError, match="cannot be written: Permission denied"):
        archive.write(tmp_path / "m", {}, {})


# --- refusals when reading -------------------------------------------------------------


def test_no_such_file(tmp_path):
    with pytest.raises(ArchiveError, match="does not exist"):
        archive.read(tmp_path / "m")


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 0.5, 0.99, -1])
def test_a_truncated_file(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(ArchiveError, match="damaged"):
        archive.read(saved)


def test_a_byte_flipped_anywhere_is_noticed(saved):
    """Except in the recorded versions, which do not matter, or the padding after the header."""
    content = saved.read_bytes()
    unnoticed = []
    for place in range(0, len(content), 7):
        saved.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            manifest, arrays = archive.read(saved)
        except ArchiveError:
            continue
        unnoticed.append(place)
        assert manifest == MANIFEST
        assert_same(arrays, ARRAYS)
    versions = content.index(b"versions"), content.index(b"digest")
    assert all(versions[0] < place < versions[1] for place in unnoticed)


def test_a_foreign_safetensors_file(tmp_path):
    safetensors.numpy.save_file({"weight": np.zeros(3)}, tmp_path / "m", metadata={"format": "pt"})
    with pytest.raises(ArchiveError, match="is a safetensors file, but no model of vaeaug"):
        archive.read(tmp_path / "m")


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x80\x04K\x01.", b"PK\x03\x04" + bytes(50)])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ArchiveError, match="is no model of vaeaug"):
        archive.read(tmp_path / "m")


@pytest.mark.parametrize("header", ["[]", "{", '{"format": "1"}', '{"format": 1}', "7"])
def test_a_header_that_is_not_ours(tmp_path, header):
    safetensors.numpy.save_file({}, tmp_path / "m", metadata={"vaeaug": header})
    with pytest.raises(ArchiveError, match="damaged"):
        archive.read(tmp_path / "m")


def test_a_newer_format(tmp_path):
    header = json.dumps({"format": archive.FORMAT + 1, "versions": {"vaeaug": "9.9"}})
    safetensors.numpy.save_file({}, tmp_path / "m", metadata={"vaeaug": header})
    with pytest.raises(ArchiveError, match=r"format 2, written by vaeaug 9\.9.*Install a newer vaeaug"):
        archive.read(tmp_path / "m")


def test_a_file_that_may_not_be_read(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(archive.safetensors, "safe_open", refuse)
    with pytest.raises(ArchiveError, match="cannot be read: Permission denied"):
        archive.read(pathlib.Path(saved))


def test_a_fingerprint_is_that_of_the_content(tmp_path):
    arrays = {"b": np.arange(6.0).reshape(2, 3), "a": np.array(3)}
    archive.write(tmp_path / "m", MANIFEST, arrays)
    before = archive.fingerprint(MANIFEST, arrays)
    assert archive.fingerprint(*archive.read(tmp_path / "m")) == before
    turned = dict(reversed(MANIFEST.items())), dict(reversed(arrays.items()))
    assert archive.fingerprint(*turned) == before
    assert archive.fingerprint({**MANIFEST, "more": 1}, arrays) != before
    assert archive.fingerprint(MANIFEST, {**arrays, "a": np.array(4)}) != before


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no such device")
def test_a_device_is_neither_replaced_nor_read():
    with pytest.raises(ArchiveError, match="/dev/full is a device; give the path of a file to write"):
        archive.write("/dev/full", {}, {})
    assert pathlib.Path("/dev/full").is_char_device()
    with pytest.raises(ArchiveError, match="/dev/full is a device; give the path of a file that save"):
        archive.read("/dev/full")
