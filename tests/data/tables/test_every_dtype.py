"""Whatever dtype fit takes, a file keeps: the whole zoo of columns, as rows and as labels."""

import numpy as np
import pandas as pd
import pytest
from column_zoo import zoo
from pandas.testing import assert_frame_equal, assert_series_equal

from vaeaug import VAEAugmenter, load
from vaeaug.data.labels.context import ContextCodec

pytestmark = pytest.mark.filterwarnings("ignore:X has columns without any value")

ZOO = {name: series[:60].reset_index(drop=True) for name, series in zoo().items()}
LABELS = {name: series.dropna() for name, series in ZOO.items() if series.notna().any()}


def fast():
    return VAEAugmenter(max_iter=1, latent_dim=2, device="cpu", random_state=0)


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(ZOO)


@pytest.fixture(scope="module")
def rows_and_controls(frame, tmp_path_factory):
    """Return rows and labels made by a model, and by the same model from its file."""
    y = frame[list(LABELS)]
    augmenter = fast().fit(frame, y)
    path = tmp_path_factory.mktemp("zoo") / "model"
    augmenter.save(path)
    return augmenter.sample(30, random_state=1), load(path, device="cpu").sample(30, random_state=1)


@pytest.mark.parametrize("name", list(ZOO))
def test_rows_of_a_loaded_model_are_those_of_the_saved_one(rows_and_controls, name):
    (X, _), (loaded, _) = rows_and_controls
    assert X[name].dtype == loaded[name].dtype == ZOO[name].dtype
    assert_series_equal(X[name], loaded[name], check_exact=True)


@pytest.mark.parametrize("name", list(LABELS))
def test_controls_of_a_loaded_model_are_those_of_the_saved_one(rows_and_controls, name):
    (_, y), (_, loaded) = rows_and_controls
    assert y[name].dtype == loaded[name].dtype == ZOO[name].dtype
    assert_series_equal(y[name], loaded[name], check_exact=True)


@pytest.mark.parametrize("name", list(LABELS))
@pytest.mark.parametrize("container", [lambda y: y, lambda y: y.array], ids=["Series", "array"])
def test_labels_come_back_in_their_dtype(name, container):
    y = container(LABELS[name])
    codec = ContextCodec().fit(y)
    meta, arrays = codec.state()
    loaded = ContextCodec.from_state(meta, arrays)
    np.testing.assert_array_equal(loaded.encode(y), codec.encode(y))
    made, again = (c.draw(40, np.random.default_rng(0)) for c in (codec, loaded))
    assert type(made) is type(again)
    assert made.dtype == again.dtype
    if isinstance(y, pd.Series):
        assert made.dtype == y.dtype
    assert list(map(type, made)) == list(map(type, again))
    assert list(made) == list(again)


def test_the_zone_of_a_parquet_file_comes_back(tmp_path):
    stamps = pd.date_range("2024-01-01", periods=40, freq="h", tz="+05:30")
    pd.DataFrame({"when": stamps}).to_parquet(tmp_path / "rows.parquet")
    X = pd.read_parquet(tmp_path / "rows.parquet")
    augmenter = fast().fit(X)
    augmenter.save(tmp_path / "model")
    made = load(tmp_path / "model", device="cpu").sample(5, random_state=0)[0]
    assert_frame_equal(made, augmenter.sample(5, random_state=0)[0])
    assert made.dtypes.equals(X.dtypes)


def test_string_views_come_back():
    pa = pytest.importorskip("pyarrow")
    if not hasattr(pa, "string_view"):
        pytest.skip("string views came with pyarrow 16")
    words = pa.array(["a", "bb", None] * 20, type=pa.string_view())
    X = pd.DataFrame({"word": pd.Series(pd.arrays.ArrowExtensionArray(words))})
    made = fast().fit(X).sample(5, random_state=0)[0]
    assert made["word"].dtype == X["word"].dtype
