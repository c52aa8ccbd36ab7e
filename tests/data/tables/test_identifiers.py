"""Identifiers of new rows, in every way in which rows are made; labels by the name of their column."""

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import ColumnNote, InputError
from vaeaug.filtering import LabelFilter

ROWS = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "id": np.arange(1, ROWS + 1),
        "key": [f"K{k}" for k in RNG.permutation(ROWS)],
        "size": RNG.normal(size=ROWS),
        "town": RNG.choice(["Aix", "Bonn"], ROWS),
    }
)
Y = pd.Series(["no"] * 45 + ["yes"] * 15, name="label")
LABELLED = X.assign(label=Y)

pytestmark = pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")


def fast(**parameters):
    return VAEAugmenter(max_iter=1, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted():
    with pytest.warns(ColumnNote, match="'id', 'key'"):
        return fast().fit(X, Y)


def check_new(frame, known=X):
    for name in ("id", "key"):
        assert frame[name].is_unique
        assert set(frame[name]).isdisjoint(known[name])


def test_the_columns_are_named_by_an_attribute(fitted):
    assert fitted.id_columns_ == ["id", "key"]


def test_samples_have_new_identifiers(fitted):
    made, _ = fitted.sample(30, random_state=0)
    check_new(made)
    assert made["id"].tolist() == list(range(61, 91))


def test_calls_without_a_seed_name_on(fitted):
    yes, no = fitted.sample(5, y="yes")[0], fitted.sample(5, y="no", method="posterior")[0]
    made, _ = fitted.generate(["yes"] * 5, X, Y)
    check_new(pd.concat([yes, no, made]))


def test_calls_with_a_seed_name_alike(fitted):
    fitted.sample(5)
    once, twice = (fitted.sample(5, random_state=1)[0] for _ in range(2))
    pd.testing.assert_frame_equal(once, twice)
    assert once["id"].tolist() == list(range(61, 66))


def test_given_identifiers_stay(fitted):
    given = pd.DataFrame({"id": [7, 8], "town": ["Aix", "Bonn"]})
    fitted.sample(5)
    assert fitted.sample(given=given)[0]["id"].tolist() == [7, 8]


def test_resampling_twice_repeats_none(fitted):
    once, y = fitted.resample(X, Y)
    twice, _ = fitted.resample(once, y.mask(np.arange(len(y)) < 20, "yes"))
    assert twice["id"].is_unique
    assert twice["key"].is_unique


@pytest.mark.parametrize("label_filter", ["auto", None, LabelFilter()], ids=str)
def test_rows_of_the_sampler_have_new_identifiers(label_filter):
    sampler = VAEOverSampler(fast(), random_state=0, label_filter=label_filter)
    found, _ = sampler.fit_resample(X, Y)
    check_new(found[sampler.is_synthetic_])


def test_variations_keep_the_identifiers_of_their_rows(fitted):
    pd.testing.assert_frame_equal(fitted.vary(X, Y)[["id", "key"]], X[["id", "key"]])
    pd.testing.assert_frame_equal(fitted.reconstruct(X[5:9])[["id", "key"]], X[["id", "key"]][5:9])


def test_shards_share_no_identifier(fitted, tmp_path):
    pytest.importorskip("pyarrow")
    fitted.sample_to_parquet(50, tmp_path / "rows", shard_size=20, random_state=0)
    found = pd.read_parquet(tmp_path / "rows")
    check_new(found)
    assert sorted(found["id"]) == list(range(61, 111))


def test_identifiers_change_no_other_column():
    made, _ = fast().fit(X, Y).sample(20, random_state=0)
    assert made[["size", "town"]].notna().all(axis=None)
    assert made.dtypes.equals(X.dtypes)


def test_none_learns_them_as_numbers_and_text():
    augmenter = fast(id_columns=None).fit(X, Y)
    assert augmenter.id_columns_ == []
    assert augmenter.sample(30)[0]["id"].between(1, ROWS).all()


# --- labels by name --------------------------------------------------------------------


def test_fit_takes_the_name_of_the_column_of_labels():
    made, y = fast().fit(LABELLED, "label").sample(9, random_state=1)
    expected, expected_y = fast().fit(X, Y).sample(9, random_state=1)
    pd.testing.assert_frame_equal(made, expected)
    pd.testing.assert_series_equal(y, expected_y)


CALLS = {
    "vary": lambda a, rows, y: a.vary(rows, y, random_state=0),
    "reconstruct": lambda a, rows, y: a.reconstruct(rows, y),
    "score_samples": lambda a, rows, y: a.score_samples(rows, y),
    "uncertainty": lambda a, rows, y: a.uncertainty(rows, y),
}


@pytest.mark.parametrize("name", list(CALLS))
def test_other_methods_take_the_name_too(fitted, name):
    np.testing.assert_array_equal(CALLS[name](fitted, LABELLED, "label"), CALLS[name](fitted, X, Y))


def test_resample_takes_the_name(fitted):
    found, y = fitted.resample(LABELLED, "label", random_state=0)
    expected, expected_y = fitted.resample(X, Y, random_state=0)
    pd.testing.assert_frame_equal(found, expected)
    pd.testing.assert_series_equal(y, expected_y)


def test_the_sampler_takes_the_name():
    found, y = VAEOverSampler(fast(), random_state=0).fit_resample(LABELLED, "label")
    assert list(found) == list(X)
    assert y.value_counts().tolist() == [45, 45]


def test_a_list_of_names_makes_control_variables():
    _, y = fast().fit(LABELLED, ["label", "town"]).sample(4)
    assert list(y) == ["label", "town"]


def test_a_label_is_no_name_of_a_column(fitted):
    rows = X.assign(yes=1)
    with pytest.raises(ValueError, match="(?s)unseen at fit time.*yes"):
        fitted.transform(rows)
    assert len(fitted.vary(X, "yes")) == ROWS


@pytest.mark.parametrize(
    ("data", "y", "words"),
    [
        (LABELLED, "lable", r"y is 'lable', which is no column of X; X has 'id', 'key', 'size'"),
        (LABELLED[["label"]], "label", "y names all columns of X"),
        (X["size"].to_frame().to_numpy(), "label", "y is the single value 'label'.*one label per row"),
        (X, 3, "y is 3, which is no column of X"),
    ],
    ids=["no column", "nothing left", "an array", "a number"],
)
def test_a_name_that_names_nothing_is_refused(data, y, words):
    for call in (fast().fit, VAEOverSampler(fast()).fit_resample):
        with pytest.raises(InputError, match=words):
            call(data, y)


RNG = np.random.default_rng(5)
MOMENTS = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 10**8, 60), "s")
#: Sixty different texts of one length that name nothing.
NO_NAMES = {
    "moments without colons": [f"{m:%Y-%m-%dT%H%M%S}+0000" for m in MOMENTS],
    "colours": [f"#{i:06x}" for i in RNG.integers(0, 2**24, 60)],
    "sequences": ["".join(RNG.choice(list("ACGT"), 12)) for _ in range(60)],
    "places": [f"{a:07.4f},{b:07.4f}" for a, b in RNG.uniform(10, 90, (60, 2))],
}


@pytest.mark.parametrize("kind", list(NO_NAMES))
def test_texts_of_one_pattern_that_name_nothing_are_categories(kind):
    X = pd.DataFrame({"a": RNG.normal(size=60), "text": NO_NAMES[kind]})
    made, _ = VAEAugmenter(max_iter=1, random_state=0).fit(X).sample(20, random_state=0)
    assert made["text"].isin(X["text"]).all()


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.{}Z", "%H:%M:%S.{}"])
def test_times_as_text_with_milliseconds_stay_times(form):
    texts = [m.strftime(form.format(f"{RNG.integers(1000):03d}")) for m in MOMENTS]
    X = pd.DataFrame({"a": RNG.normal(size=60), "text": texts})
    made, _ = VAEAugmenter(max_iter=1, random_state=0).fit(X).sample(20, random_state=0)
    assert pd.to_datetime(made["text"], format=form.format("%f"), errors="coerce").notna().all()
    assert (made["text"].str.len() == len(texts[0])).all()


def test_moments_as_text_that_end_in_z_stay_moments():
    X = pd.DataFrame({"a": RNG.normal(size=60), "text": [f"{m:%Y-%m-%dT%H:%M:%SZ}" for m in MOMENTS]})
    made, _ = VAEAugmenter(max_iter=1, random_state=0).fit(X).sample(20, random_state=0)
    moments = pd.to_datetime(made["text"], format="%Y-%m-%dT%H:%M:%SZ")
    assert moments.between(MOMENTS.min(), MOMENTS.max()).all()
