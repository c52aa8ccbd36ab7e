"""A fitted augmenter in a file: what comes back is what was saved, in any process, for ever."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_tables import made_labels, made_table
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.base import clone

from vaeaug import Recipe, VAEAugmenter, load
from vaeaug.errors import ArchiveError, InputError, VaeaugWarning
from vaeaug.io import archive

OLD = Path(__file__).parents[1] / "data" / "model_format_1.safetensors"


def fast(**parameters):
    return VAEAugmenter(max_iter=3, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted(mixed):
    return fast().fit(*mixed)


@pytest.fixture
def path(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


# --- there and back --------------------------------------------------------------------


@pytest.mark.parametrize("method", ["prior", "posterior", "interpolate"])
def test_a_loaded_model_makes_the_same_rows(fitted, path, method):
    X, y = fitted.sample(30, method=method, random_state=2)
    X_loaded, y_loaded = load(path, device="cpu").sample(30, method=method, random_state=2)
    assert_frame_equal(X, X_loaded)
    assert_series_equal(y, y_loaded)


def test_a_loaded_model_gives_the_same_codes_and_scores(fitted, path, mixed):
    loaded = load(path, device="cpu")
    assert_array_equal(loaded.transform(mixed[0]), fitted.transform(mixed[0]))
    assert_array_equal(loaded.score_samples(*mixed), fitted.score_samples(*mixed))


def test_a_device_of_torch_is_as_good_as_its_name(tmp_path, mixed):
    device = torch.device("cpu")
    augmenter = clone(fast(device=device)).fit(*mixed)
    assert augmenter.get_params()["device"] == device
    augmenter.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", device=device)
    assert_frame_equal(loaded.sample(5, random_state=0)[0], augmenter.sample(5, random_state=0)[0])


def test_a_loaded_model_resamples(path, mixed):
    X_res, y_res = load(path, device="cpu").resample(*mixed)
    assert y_res.value_counts().nunique() == 1
    assert X_res.dtypes.equals(mixed[0].dtypes)


def test_fitted_attributes_come_back(fitted, path):
    loaded = load(path, device="cpu")
    assert_array_equal(loaded.classes_, fitted.classes_)
    assert_array_equal(loaded.feature_names_in_, fitted.feature_names_in_)
    assert_frame_equal(loaded.history_, fitted.history_)
    assert (loaded.n_features_in_, loaded.n_iter_) == (fitted.n_features_in_, fitted.n_iter_)
    assert loaded.get_feature_names_out().tolist() == fitted.get_feature_names_out().tolist()


@pytest.mark.parametrize(
    "parameters",
    [
        {"prior": Recipe("mixture", components=2), "network": Recipe("residual", width=16, dependence=0)},
        {"losses": {"reconstruction": 1.0, "kl": 0.5}, "beta": 0.5},
        {"categorical_features": [True, False, False], "early_stopping": False},
    ],
    ids=str,
)
def test_parameters_come_back(numbers, tmp_path, parameters):
    augmenter = fast(**parameters).fit(*numbers)
    augmenter.save(tmp_path / "model")
    assert load(tmp_path / "model", device="cpu").get_params() == augmenter.get_params()


def test_a_loaded_model_may_be_fitted_anew(path, numbers):
    again = load(path, device="cpu").fit(*numbers)
    assert_array_equal(again.sample(4)[0], fast().fit(*numbers).sample(4)[0])


@pytest.mark.parametrize("y", [None, "numbers", "frame"])
def test_every_kind_of_target_comes_back(numbers, tmp_path, y):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"dose": rng.normal(size=120), "arm": rng.choice(["a", "b"], 120)})
    target = {None: None, "numbers": rng.normal(size=120), "frame": frame}[y]
    augmenter = fast().fit(numbers[0], target)
    augmenter.save(tmp_path / "model")
    made, again = (model.sample(9, random_state=1) for model in (augmenter, load(tmp_path / "model", "cpu")))
    assert_array_equal(made[0], again[0])
    assert_array_equal(made[1], again[1])


def test_saving_twice_writes_the_same_bytes(fitted, path, tmp_path):
    fitted.save(tmp_path / "twin.safetensors")
    assert path.read_bytes() == (tmp_path / "twin.safetensors").read_bytes()


def test_a_suffix_that_promises_another_format_is_remarked_on(fitted, tmp_path):
    with pytest.warns(VaeaugWarning, match="read it with vaeaug.load") as notes:
        fitted.save(tmp_path / "model.pkl")
    assert notes[0].filename == __file__
    assert len(load(tmp_path / "model.pkl", device="cpu").sample(2)[0]) == 2


def test_a_loaded_model_saves_what_was_loaded(path, tmp_path):
    load(path, device="cpu").save(tmp_path / "again.safetensors")
    first, second = (archive.read(file) for file in (path, tmp_path / "again.safetensors"))
    assert first[0] == second[0]
    assert all(np.array_equal(first[1][name], second[1][name]) for name in first[1] | second[1])


def test_a_model_fitted_without_a_seed_makes_other_rows_each_time_it_is_loaded(numbers, tmp_path):
    fast(random_state=None).fit(*numbers).save(tmp_path / "model")
    first, second = (load(tmp_path / "model", device="cpu").sample(5)[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_an_interrupted_fit_can_be_saved(numbers, tmp_path, monkeypatch):
    from vaeaug.losses.objective import Objective

    def forward(self, batch, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(Objective, "forward", forward)
    with pytest.warns(UserWarning, match="interrupted"):
        augmenter = fast().fit(*numbers)
    augmenter.save(tmp_path / "model")
    assert_array_equal(load(tmp_path / "model", "cpu").sample(4)[0], augmenter.sample(4)[0])


def test_loading_in_another_process_needs_no_code_of_this_one(path, fitted):
    program = (
        "import sys, vaeaug; X, _ = vaeaug.load(sys.argv[1], device='cpu').sample(7, random_state=5);"
        "sys.stdout.write(X.to_json())"
    )
    root = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout == fitted.sample(7, random_state=5)[0].to_json()


# --- for ever --------------------------------------------------------------------------


OLD_DTYPES = [
    *("float64", "float32", "int64", "Int16", "category", "object", "string", "bool", "boolean"),
    *("datetime64[ns, Europe/Paris]", "int64"),
]


def test_a_file_of_the_first_format_still_loads():
    augmenter = load(OLD, device="cpu")
    X, y = augmenter.sample(200, random_state=0)
    real = made_table(80)
    # As they were when the file was written, whatever pandas would choose today.
    assert [str(dtype) for dtype in X.dtypes] == OLD_DTYPES
    assert X["kind"].cat.ordered
    assert list(X["kind"].cat.categories) == ["small", "large", "unused"]
    assert X.columns.equals(real.columns)
    assert set(y) == set(made_labels(80)) == set(augmenter.classes_)
    for column in ("kind", "town", "string", "flag", "count", "constant"):
        assert set(X[column].dropna()) <= set(real[column].dropna())


def test_a_file_of_the_first_format_still_encodes_and_resamples():
    augmenter = load(OLD, device="cpu")
    X, y = made_table(80), made_labels(80)
    assert augmenter.transform(X).shape == (80, 2)
    assert np.isfinite(augmenter.score_samples(X, y)).all()
    assert len(augmenter.resample(X, y, method="interpolate")[0]) == 3 * y.value_counts().max()


def test_the_old_file_is_small():
    assert OLD.stat().st_size < 150_000


# --- files that are none ---------------------------------------------------------------


def with_manifest(path, **changes):
    """Write a copy of an archive whose manifest differs."""
    manifest, arrays = archive.read(path)
    target = path.with_name("changed.safetensors")
    archive.write(target, {**manifest, **changes}, arrays)
    return target


def test_a_file_of_another_class_is_refused(path):
    with pytest.raises(ArchiveError, match=r"holds a 'os.system'.*can load VAEAugmenter"):
        load(with_manifest(path, **{"class": "os.system"}), device="cpu")


def test_a_file_with_an_unknown_part_is_refused(path):
    manifest, _ = archive.read(path)
    blueprint = {**manifest["blueprint"], "prior": {"recipe": "oracle", "options": {}}}
    with pytest.raises(
        ArchiveError, match="cannot be rebuilt by this version.*prior must be one of .*'oracle'"
    ):
        load(with_manifest(path, blueprint=blueprint), device="cpu")


@pytest.mark.parametrize("name", ["blueprint", "codec", "parameters", "seed"])
def test_a_file_that_lacks_something_is_refused(path, name):
    manifest, arrays = archive.read(path)
    archive.write(path, {key: value for key, value in manifest.items() if key != name}, arrays)
    with pytest.raises(ArchiveError, match=f"cannot be rebuilt by this version of vaeaug: '{name}'"):
        load(path, device="cpu")


def test_a_file_with_weights_of_another_shape_is_refused(path):
    manifest, arrays = archive.read(path)
    wider = {name: np.repeat(array, 2, axis=0) for name, array in arrays.items() if name.startswith("model/")}
    archive.write(path, manifest, arrays | wider)
    with pytest.raises(ArchiveError, match="cannot be rebuilt by this version"):
        load(path, device="cpu")


def test_an_absent_device_is_named(path):
    with pytest.raises(InputError, match="device"):
        load(path, device="cuda:99")


def test_a_file_of_a_newer_format_is_refused(path):
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    inner = json.loads(header["__metadata__"]["vaeaug"])
    header["__metadata__"]["vaeaug"] = json.dumps({**inner, "format": 99})
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    with pytest.raises(ArchiveError, match="file format 99.*reads formats up to 1.*Install a newer vaeaug"):
        load(path, device="cpu")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="cut in half"),
        pytest.param(lambda content: content[:-1000] + b"\0" * 1000, id="bytes lost"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
def test_a_damaged_file_is_refused(path, spoil):
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ArchiveError, match="damaged, or is not a file that vaeaug wrote"):
        load(path, device="cpu")


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(90), b"a,b\n1,2\n"], ids=["another kind", "text"])
def test_a_file_of_something_else_is_called_no_model(path, content):
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"is no model of vaeaug\. Give the file that save\(\) wrote"):
        load(path, device="cpu")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ArchiveError, match="nothing.safetensors does not exist"):
        load(tmp_path / "nothing.safetensors")


# --- writing ---------------------------------------------------------------------------


def test_a_write_that_is_interrupted_leaves_the_old_file(fitted, path, monkeypatch):
    before = path.read_bytes()

    def replace(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(KeyboardInterrupt):
        fitted.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_write_that_fails_is_an_error_and_leaves_the_old_file(fitted, path, monkeypatch):
    before = path.read_bytes()

    def replace(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(ArchiveError, match="cannot be written: No space left"):
        fitted.save(path)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_named(fitted, tmp_path):
    with pytest.raises(ArchiveError, match="there is no folder .*nowhere; make it first"):
        fitted.save(tmp_path / "nowhere" / "model.safetensors")


def test_a_folder_is_no_file(fitted, tmp_path):
    with pytest.raises(ArchiveError, match="is a folder; give the path of a file"):
        fitted.save(tmp_path)
