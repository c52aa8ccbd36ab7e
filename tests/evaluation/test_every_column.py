"""Whatever the generator manages, those who judge it manage: every dtype, and columns without a value."""

import contextlib
import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from column_zoo import zoo
from scipy.sparse import csr_matrix

import vaeaug.evaluation as judges
from vaeaug.errors import VaeaugError
from vaeaug.evaluation.assess.named_classifiers import LEARNERS, learner
from vaeaug.evaluation.assess.smote import Smote
from vaeaug.filtering import LabelFilter
from vaeaug.filtering.committee import Committee

ROWS = 48
ZOO = {name: series[:ROWS].reset_index(drop=True) for name, series in zoo().items()}
CLASS = np.where(np.arange(ROWS) % 3 == 0, "rare", "common")


def third(start: int, gap: bool) -> pd.DataFrame:
    """Return 16 rows of every column, or as many missing cells."""
    rows = pd.RangeIndex(start, start + 16)
    with warnings.catch_warnings():
        # pandas 2 warns of sparse columns that have nothing but missing cells.
        warnings.filterwarnings("ignore", "Allowing arbitrary scalar", FutureWarning)
        columns = {name: series[:0].reindex(rows) if gap else series[rows] for name, series in ZOO.items()}
    return pd.DataFrame({**columns, "class": CLASS[rows]}).reset_index(drop=True)


#: Which of three tables have no value in any column: the real one, the synthetic one, the held-out one.
GAPS = {"none": (), "real": (0,), "new": (1, 2), "all": (0, 1, 2)}


@pytest.fixture(scope="module", params=GAPS)
def tables(request):
    return tuple(third(16 * i, i in GAPS[request.param]) for i in range(3))


def split(frame):
    return frame.drop(columns="class"), frame["class"]


def fitted(name, real):
    X, y = split(real)
    return learner(name, X).fit(X, y)


JUDGES = {
    "column_shapes": lambda real, new, held: judges.column_shapes(real, new),
    "two_sample_score": lambda real, new, held: judges.two_sample_score(real, new),
    "rare_category_counts": lambda real, new, held: judges.rare_category_counts(
        real, new, min_count=0, max_share=1, columns=list(real)
    ),
    "manifold_scores": lambda real, new, held: judges.manifold_scores(real, new, k=2),
    "distance_to_closest": lambda real, new, held: judges.distance_to_closest(new, real),
    "exact_copies": lambda real, new, held: judges.exact_copies(new, real),
    "closest_share": lambda real, new, held: judges.closest_share(new, real, held),
    "near_copies": lambda real, new, held: judges.near_copies(new, real, held),
    "membership_inference": lambda real, new, held: judges.membership_inference(new, real, held),
    "train_synthetic_test_real": lambda real, new, held: judges.train_synthetic_test_real(
        new, held, target="class", real=real
    ),
    "Smote": lambda real, new, held: Smote().fit_resample(*split(real)),
    "Committee": lambda real, new, held: Committee(cv=2).fit(*split(real)).rate(*split(new)),
    "LabelFilter": lambda real, new, held: LabelFilter(cv=2).fit(*split(real)).judge(*split(new)),
    **{
        name: lambda real, new, held, name=name: fitted(name, real).predict_proba(split(new)[0])
        for name in LEARNERS
    },
}


@pytest.mark.filterwarnings("ignore:Allowing arbitrary scalar fill_value")  # pandas 2
@pytest.mark.parametrize("name", JUDGES)
def test_every_judge_takes_every_column(tables, name):
    JUDGES[name](*tables)


@pytest.mark.parametrize("column", ZOO)
def test_every_column_has_trends_with_numbers_and_with_categories(column):
    frame = pd.DataFrame({"it": ZOO[column], "number": np.arange(ROWS) % 7 / 2, "class": CLASS})
    real, new = frame[:24], frame[24:].reset_index(drop=True)
    found = judges.pair_trends(real, new, edges="real")
    assert found.dropna().between(0, 1).all()


@pytest.mark.parametrize("column", ZOO)
def test_a_row_is_a_copy_of_itself_alone(column):
    frame = pd.DataFrame({"it": ZOO[column]})
    assert judges.exact_copies(frame, frame).all()
    assert judges.distance_to_closest(frame, frame).max() == 0
    cells = ["missing" if gap else cell for gap, cell in zip(ZOO[column].isna(), ZOO[column], strict=True)]
    other = np.array([cell != cells[0] for cell in cells])
    if other.any():
        assert not judges.exact_copies(frame[:1], frame[other]).any()


@pytest.mark.parametrize("gap", ["none", "real", "new", "all"])
def test_tables_are_compared_in_every_respect(gap):
    names = ["float64 cents", "Int64", "bool", "ordered", "object text", "datetime us", "all NaN", "constant"]
    real, new, held = (third(16 * i, i in GAPS[gap])[[*names, "class"]] for i in range(3))
    table = judges.compare_tables(real, new, holdout=held, target="class", k=2)
    assert table["value"].drop("pair_trends").notna().all()


@pytest.mark.parametrize("offset", [0, 2**53, 2**60, -(2**62)])
def test_integers_far_from_zero_are_told_apart(offset):
    real = pd.DataFrame({"a": np.arange(12) + offset, "b": np.arange(12.0)})
    new = real.assign(a=real["a"] + 12)
    assert judges.column_shapes(real, new)["a"] == 0
    assert not judges.exact_copies(new, real).any()
    assert judges.pair_trends(real, new)["a", "b"] == pytest.approx(1)
    counts = judges.rare_category_counts(real, new, columns=["a"], min_count=0, max_share=1)
    assert set(counts["category"]) == {*real["a"], *new["a"]}


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_numbers_near_the_ends_of_floats_have_trends(scale):
    rng = np.random.default_rng(0)
    first = rng.normal(size=200)
    real = pd.DataFrame({"a": first, "b": first + rng.normal(size=200), "c": rng.choice(["x", "y"], 200)})
    expected = judges.pair_trends(real, real[::-1])
    scaled = real.assign(a=real["a"] * scale, b=real["b"] * scale)
    pd.testing.assert_series_equal(judges.pair_trends(scaled, scaled[::-1]), expected)


def test_names_that_are_not_all_text():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=[0, "x"]).assign(y=rng.choice(["a", "b"], 40))
    frame[("two", 1)] = 1.0
    assert 0 <= judges.two_sample_score(frame[:20], frame[20:]) <= 1
    assert judges.manifold_scores(frame[:20], frame[20:], k=2).notna().all()
    assert 0 <= judges.train_synthetic_test_real(frame[:20], frame[20:], target="y")["synthetic"] <= 1
    X = frame.drop(columns="y")
    assert learner("logistic", X).fit(X, frame["y"]).predict(X[X.columns[::-1]]).shape == (40,)


def test_a_polars_frame_a_dict_and_an_array_of_objects_are_tables():
    polars = pytest.importorskip("polars")
    columns = {"a": [1.0, 2.0, 3.0, 4.0], "b": ["x", "y", "x", "y"]}
    expected = judges.column_shapes(pd.DataFrame(columns), pd.DataFrame(columns)[:2])
    for real in (polars.DataFrame(columns), columns):
        pd.testing.assert_series_equal(judges.column_shapes(real, pd.DataFrame(columns)[:2]), expected)
    objects = pd.DataFrame(columns).to_numpy()
    assert judges.column_shapes(objects, objects[:2]).tolist() == expected.tolist()


def test_what_is_no_table_is_refused_in_a_sentence():
    rows = pd.DataFrame([[1.0, 2.0]] * 3, columns=["a", "a"])
    for bad, says in (
        (rows, r"real has duplicated column names \['a'\]; rename"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "real must be a table, got a dict that is none"),
        (np.zeros(3), r"real must be a DataFrame or a 2-d array"),
    ):
        with pytest.raises(ValueError, match=says):
            judges.pair_trends(bad, rows)


NUMBERS = np.random.default_rng(0).normal(size=(24, 3))
IMAGES = np.random.default_rng(0).integers(0, 255, (24, 8, 8)).astype(np.uint8)
ODD = {
    "None": None,
    "a dict": {"a": [1, 2]},
    "text": "x",
    "a list": [1, 2, 3],
    "a ragged list": [[1, 2], [3]],
    "no rows": np.zeros((0, 3)),
    "one dimension": np.zeros(5),
    "an array of text": np.array([["a", "b", "c"]] * 24),
    "objects": np.array([["a", 1, None]] * 24, dtype=object),
    "lists in cells": pd.DataFrame({"a": [[1]] * 24, "b": [{}] * 24, "c": 1}),
    "names twice": pd.DataFrame(NUMBERS, columns=list("aab")),
    "NaN": np.full((24, 3), np.nan),
    "infinite": np.where(NUMBERS > 1, np.inf, NUMBERS),
    "one row": NUMBERS[:1],
    "a generator": (i for i in range(3)),
    "complex": NUMBERS + 1j,
    "sparse": csr_matrix(NUMBERS),
    "a Series": pd.Series([1.0, 2.0]),
    "images": IMAGES,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in judges.__all__ if name != "SmallConvClassifier"])
def test_what_cannot_be_judged_is_refused_with_an_error_of_ours(name):
    judge, good = getattr(judges, name), IMAGES if "image" in name else NUMBERS
    needed = [
        each.name
        for each in inspect.signature(judge).parameters.values()
        if each.default is each.empty and each.name != "target"
    ]
    for odd in ODD.values():
        for place in needed:
            arguments = {each: odd if each == place else good for each in needed}
            if name == "train_synthetic_test_real":
                arguments["target"] = 0
            with contextlib.suppress(VaeaugError):
                judge(**arguments)
