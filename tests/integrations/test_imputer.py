"""Missing cells filled in a pipeline."""

import numpy as np
import pytest
from made_tables import made_table
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError
from vaeaug.integrations.imputer import VAEImputer


@pytest.fixture
def holes(numbers):
    X, _ = numbers
    holes = X.copy()
    holes[::5, 1] = np.nan
    return holes


def quick(**options) -> VAEImputer:
    return VAEImputer(VAEAugmenter(max_iter=1), random_state=0, **options)


def test_frames_of_every_dtype_are_filled():
    X = made_table(200)
    found = quick(draws=3).fit_transform(X)
    assert not found.isna().to_numpy().any()
    assert found.dtypes.equals(X.dtypes)
    assert found.where(X.notna()).equals(X.where(X.notna()))


@pytest.mark.slow  # fits, twice
def test_the_same_rows_are_filled_alike(holes):
    imputer = quick().fit(holes)
    assert np.array_equal(imputer.transform(holes), imputer.transform(holes))
    assert np.array_equal(imputer.transform(holes), clone(imputer).fit(holes).transform(holes))


def test_several_draws_vary_less_than_one(holes):
    once, mean = quick(draws=1).fit_transform(holes), quick(draws=20).fit_transform(holes)
    assert mean[::5, 1].std() < once[::5, 1].std()


def test_indicators_are_appended(holes):
    imputer = quick(draws=1, add_indicator=True).fit(holes)
    found = imputer.transform(holes)
    assert found.shape == (120, 4)
    assert np.array_equal(found[:, 3], np.isnan(holes[:, 1]))
    assert imputer.get_feature_names_out().tolist() == ["x0", "x1", "x2", "missingindicator_x1"]


def test_it_goes_into_a_pipeline(holes, numbers):
    pipeline = make_pipeline(quick(draws=2), RandomForestClassifier(10, random_state=0))
    assert pipeline.fit(holes, numbers[1]).score(holes, numbers[1]) > 0.8


def test_columns_without_missing_cells_in_fit_are_filled_too(numbers, holes):
    assert np.isfinite(quick(draws=1).fit(numbers[0]).transform(holes)).all()


def test_polars_frames_come_back():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"size": [*np.arange(59.0) % 7, None], "kind": ["a", "b"] * 30})
    found = quick(draws=1).fit_transform(frame)
    assert isinstance(found, polars.DataFrame)
    assert found["size"].null_count() == 0


def test_images_and_draws_are_checked(holes):
    with pytest.raises(InputError, match="X holds images"):
        quick().fit(np.random.default_rng(0).random((20, 8, 8)))
    with pytest.raises(InputError, match="draws must be an integer >= 1"):
        quick(draws=0).fit(holes)
