"""Bad input: each mistake gets one clear sentence, and nothing is lost or changed by it."""

import copy
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from made_tables import made_labels, made_table
from pandas.testing import assert_frame_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from torch.utils.data import DataLoader, TensorDataset

from vaeaug import Recipe, VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError, RejectedColumn, UnknownLabelError, VaeaugWarning

ROWS = 80
FRAME, LABELS = made_table(ROWS), made_labels(ROWS)
NUMBERS, CODES = np.random.default_rng(0).normal(size=(ROWS, 3)), np.repeat([0, 1], ROWS // 2)
CONTROLS = pd.DataFrame({"arm": CODES, "dose": NUMBERS[:, 0]})


def fast(**parameters):
    return VAEAugmenter(max_iter=1, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(scope="module")
def fitted():
    """Return models of a frame, of an array, without y, with two controls, and with a continuous y."""
    unused = pd.Categorical(np.where(CODES, "b", "a"), categories=["a", "b", "c"])
    return {
        "frame": fast().fit(FRAME, LABELS),
        "array": fast().fit(NUMBERS, CODES),
        "no y": fast().fit(NUMBERS),
        "controls": fast().fit(NUMBERS, CONTROLS),
        "continuous": fast().fit(NUMBERS, NUMBERS[:, 0]),
        "unused level": fast().fit(NUMBERS, unused),
    }


def infinite(X):
    X = X.copy()
    if isinstance(X, pd.DataFrame):
        X.loc[5, "size"] = np.inf
    else:
        X[3, 1] = -np.inf
    return X


def refuses(call, error, *words):
    """Check the type of the error, and that its message holds all the words, in order."""
    with pytest.raises(error) as caught:
        call()
    assert re.search(".*".join(map(re.escape, words)), str(caught.value), re.DOTALL), str(caught.value)


# --- fit -------------------------------------------------------------------------------

BAD_DATA = {
    "an empty frame": (pd.DataFrame(), None, InputError, ["no columns", "minimum of 1"]),
    "no rows": (FRAME[:0], LABELS[:0], InputError, ["no rows", "minimum of 1"]),
    "no columns": (FRAME[[]], LABELS, InputError, ["no columns", "minimum of 1"]),
    "an empty array": (NUMBERS[:0], None, ValueError, ["0 sample(s)", "minimum of 2"]),
    "an array without columns": (NUMBERS[:, :0], None, ValueError, ["0 feature(s)", "minimum of 1"]),
    "one row of an array": (NUMBERS[:1], CODES[:1], ValueError, ["1 sample(s)", "minimum of 2"]),
    "one row of a frame": (FRAME[:1], LABELS[:1], InputError, ["at least 2 rows", "got n_samples=1"]),
    "one dimension": (NUMBERS[:, 0], None, ValueError, ["Expected 2D array, got 1D array", "reshape"]),
    "a series": (FRAME["size"], None, ValueError, ["Expected a 2-dimensional container", "Series"]),
    "nothing": (None, None, ValueError, ["Expected 2D array"]),
    "a path of nothing": ("table.csv", None, InputError, ["array of numbers or a DataFrame", "Parquet"]),
    "an array of text": (
        np.array([["a", "b"], ["c", "d"]]),
        None,
        InputError,
        ["array of numbers or a DataFrame", "dtype <U1", "pandas.DataFrame(X)"],
    ),
    "an array of objects": (
        np.array([["a", 1], ["c", 2]], dtype=object),
        None,
        InputError,
        ["array of numbers or a DataFrame", "'a'", "pandas.DataFrame(X)"],
    ),
    "complex numbers": (NUMBERS + 1j, None, ValueError, ["Complex data not supported"]),
    "a sparse matrix": (sparse.csr_array(NUMBERS), None, TypeError, ["dense data is required", "toarray"]),
    "columns named twice": (
        pd.DataFrame(NUMBERS, columns=["a", "b", "a"]),
        None,
        InputError,
        ["columns named twice", "'a'", "Rename"],
    ),
    "columns of two types": (
        pd.DataFrame(NUMBERS, columns=["a", 1, "b"]),
        None,
        TypeError,
        ["['int', 'str']", "X.columns.astype(str)"],
    ),
    "infinity in an array": (infinite(NUMBERS), CODES, ValueError, ["X contains infinity"]),
    "infinity in a frame": (
        infinite(FRAME),
        LABELS,
        InputError,
        ["Column 'size'", "infinity (1 of 80 values)", "allowed are finite numbers", "Replace inf"],
    ),
    "a column of mixed types": (
        FRAME.assign(mix=[1, "x", 2.5, None] * 20),
        LABELS,
        RejectedColumn,
        ["Column 'mix' mixes types", "int (20), str (20), float (20)", "astype(str)"],
    ),
    "a target in the wrong case": (
        FRAME.assign(**{f"c{i}": 1 for i in range(20)}, churn=list(LABELS)),
        "Churn",
        InputError,
        ["no column of X", "Did you mean 'churn'?"],
    ),
    "a list of rows with text": (
        [["a", 1], ["c", 2]],
        None,
        InputError,
        ["Pass pandas.DataFrame(X), whose columns"],
    ),
    "a loader of batches": (
        DataLoader(TensorDataset(torch.zeros(8, 1, 8, 8))),
        None,
        InputError,
        ["X is a DataLoader", "pass the Dataset, loader.dataset"],
    ),
    "a column of lists": (FRAME.assign(bag=[[1]] * ROWS), LABELS, RejectedColumn, ["Column 'bag'", "list"]),
    "labels for some rows": (
        FRAME,
        LABELS[:-1],
        InputError,
        ["inconsistent numbers of samples", "X has 80 rows, y has 79", "one label per row"],
    ),
    "missing labels": (
        FRAME,
        LABELS.mask(LABELS == LABELS),
        InputError,
        ["y has no label", "all 80 are missing", "Leave y out"],
    ),
    "infinite targets": (
        NUMBERS,
        infinite(NUMBERS)[:, 1],
        InputError,
        ["y contains infinity (1 of 80", "Drop these rows"],
    ),
    "labels of mixed types": (
        NUMBERS,
        np.array([1, "a"] * 40, dtype=object),
        RejectedColumn,
        ["y mixes types: int (40), str (40)", "y = y.astype(str)", "y = pd.to_numeric(y"],
    ),
    "labels that are lists": (
        NUMBERS,
        pd.Series([[1]] * ROWS, name="bag", dtype=object),
        RejectedColumn,
        ["y holds Python objects of type list", "y = y.astype(str)"],
    ),
    "a control variable of mixed types": (
        NUMBERS,
        CONTROLS.assign(arm=[1, "a"] * 40),
        RejectedColumn,
        ["y, column 'arm', mixes types", "y['arm'] = y['arm'].astype(str)"],
    ),
    "an infinite control variable": (
        NUMBERS,
        CONTROLS.assign(dose=np.inf),
        InputError,
        ["y, column 'dose', contains infinity (80 of 80 values)"],
    ),
    "infinite decimals as targets": (
        NUMBERS,
        pd.Series([Decimal("Infinity"), Decimal(1)] * 40),
        InputError,
        ["y contains infinity (40 of 80 values)", "Drop these rows"],
    ),
    "a dict": (dict(FRAME), LABELS, InputError, ["X is a dict", "pandas.DataFrame(X)"]),
    "a list of dicts": (
        FRAME.to_dict("records"),
        LABELS,
        InputError,
        ["X is a list of dicts", "pandas.DataFrame(X)"],
    ),
    "rows of different lengths": ([[1.0, 2.0], [3.0]], None, InputError, ["same length", "DataFrame"]),
    "labels in two columns": (NUMBERS, CODES[:, None].repeat(2, 1), InputError, ["(80, 2)", "DataFrame"]),
}


@pytest.mark.parametrize("name", ["churn.csv", "churn.CSV", "churn.csv.gz"])
def test_a_file_of_another_format_is_to_be_read_first(tmp_path, name):
    path = tmp_path / name
    FRAME.to_csv(path)
    refuses(lambda: fast().fit(path, "churn"), InputError, "Read it first", "pandas.read_csv(", name)
    refuses(lambda: VAEOverSampler().fit_resample(path, "churn"), InputError, "the path", "read_csv")


def test_a_csv_file_that_is_not_there_is_to_be_read_too():
    refuses(lambda: fast().fit("churn.csv"), InputError, "there is nothing", "pandas.read_csv('churn.csv')")


def test_text_needs_no_pyarrow_to_be_refused(tmp_path, monkeypatch):
    path = tmp_path / "churn.csv"
    FRAME.to_csv(path)
    monkeypatch.setattr("vaeaug.utils.versions.find_spec", lambda name: None)
    refuses(lambda: fast().fit(path, "churn"), InputError, "is no Parquet file", "pandas.read_csv(")


def test_x_is_checked_before_the_name_of_a_target():
    lazy = pytest.importorskip("polars").DataFrame({"a": [1, 2], "churn": [0, 1]}).lazy()
    refuses(lambda: fast().fit(lazy, "churn"), InputError, "X.collect()")
    refuses(lambda: VAEOverSampler().fit_resample(lazy, "churn"), InputError, "X.collect()")


@pytest.mark.parametrize("case", list(BAD_DATA))
def test_fit_refuses(case):
    X, y, error, words = BAD_DATA[case]
    kept, augmenter = copy.deepcopy((X, y)), fast()
    refuses(lambda: augmenter.fit(X, y), error, *words)
    assert vars(augmenter) == vars(fast())
    if isinstance(X, pd.DataFrame):
        assert_frame_equal(X, kept[0])


SAMPLED = ["columns named twice", "columns of two types", "a series", "a dict", "a list of dicts"]


@pytest.mark.parametrize("case", SAMPLED)
def test_the_sampler_refuses(case):
    X, y, error, words = BAD_DATA[case]
    sampler = VAEOverSampler(fast())
    refuses(lambda: sampler.fit_resample(X, LABELS if y is None else y), error, *words[-1:])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.array([1, "a"] * 40, dtype=object), ["y must hold labels of one type", "'int', 'str'"]),
        (infinite(NUMBERS)[:, 1], ["y must hold class labels, got infinite values"]),
        ([[1], [2, 3]] * 40, ["y"]),
        ([{"a": 1}] * ROWS, ["y must hold class labels", "type dict", "astype(str)"]),
        (LABELS[:5], ["inconsistent numbers of samples"]),
    ],
    ids=["mixed", "infinite", "ragged", "dicts", "few"],
)
def test_the_sampler_refuses_labels(y, words):
    refuses(lambda: VAEOverSampler(fast()).fit_resample(NUMBERS, y), InputError, *words)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, 2.0], ["sample_weight must have shape (80,)", "got (2,)"]),
        (-np.ones(ROWS), ["sample_weight", "0 or more", "got 80 of 80 that are not"]),
        (np.full(ROWS, np.nan), ["sample_weight", "finite", "got 80 of 80 that are not"]),
        (np.zeros(ROWS), ["sample_weight", "above zero", "got only zeros"]),
        (["heavy"] * ROWS, ["sample_weight", "one number per row", "'heavy'"]),
        (np.eye(ROWS)[0], ["at least 2 rows", "got n_samples=1"]),
    ],
    ids=["too few", "negative", "missing", "zeros", "text", "one row that counts"],
)
def test_fit_refuses_weights(weights, words):
    refuses(lambda: fast().fit(NUMBERS, CODES, sample_weight=weights), InputError, *words)


BAD_PARAMETERS = [
    ({"prior": "oracle"}, ["'prior'", "'mixture'", "Got 'oracle'"]),
    ({"prior": Recipe("oracle")}, ["prior must be one of 'standard'", "got 'oracle'"]),
    ({"prior": Recipe("mixture", parts=3)}, ["prior=", "no option 'parts'", "allowed are 'components'"]),
    ({"prior": Recipe("mixture", components=0)}, ["prior=", "components must be an integer >= 1", "got 0"]),
    ({"prior": Recipe("flow", steps=2.5)}, ["prior=", "steps must be an integer >= 1", "got 2.5"]),
    ({"prior": Recipe("gaussian", pseudo_count=0)}, ["prior=", "pseudo_count must be", "> 0", "got 0"]),
    ({"network": "transformer"}, ["'network'", "'residual'", "Got 'transformer'"]),
    ({"network": Recipe("residual", heads=3)}, ["network=", "no option 'heads'", "'width', 'depth'"]),
    ({"network": Recipe("residual", width=0)}, ["network=", "width must be an integer >= 1", "got 0"]),
    ({"network": Recipe("residual", dependence=-1)}, ["dependence must be", ">= 0, or 'auto'", "got -1"]),
    ({"posterior": Recipe("gaussian", a=1)}, ["posterior=", "no option 'a'", "it takes none"]),
    ({"latent": "staircase"}, ["'latent'", "'flat'", "Got 'staircase'"]),
    ({"latent": "ladder", "posterior": "iaf"}, ["latent", "ladder", "posterior"]),
    ({"losses": {"perceptual": 1}}, ["losses must weigh 'reconstruction'", "got {'perceptual': 1}"]),
    (
        {"losses": {"sharpness": 1}},
        ["losses['sharpness'] must be one of 'reconstruction'", "got 'sharpness'"],
    ),
    ({"losses": {"kl": -1}}, ["losses['kl'] must be", ">= 0", "got -1"]),
    ({"losses": {"kl": "much"}}, ["losses['kl'] must be", "got 'much'"]),
    ({"losses": {}}, ["losses must weigh 'reconstruction'", "got {}"]),
    ({"losses": ["kl"]}, ["'losses'", "dict", "Got ['kl']"]),
    ({"latent_dim": 0}, ["'latent_dim'", "[1, inf)", "Got 0"]),
    ({"latent_dim": "big"}, ["'latent_dim'", "{'auto'}", "Got 'big'"]),
    ({"beta": -1}, ["'beta'", "[0.0, inf)", "Got -1"]),
    ({"max_iter": 0}, ["'max_iter'", "[1, inf)", "Got 0"]),
    ({"batch_size": 1.5}, ["'batch_size'", "an int", "Got 1.5"]),
    ({"learning_rate_init": 0}, ["'learning_rate_init'", "(0.0, inf)", "Got 0"]),
    ({"validation_fraction": 1}, ["'validation_fraction'", "(0.0, 1.0)", "Got 1"]),
    ({"warm_start": "yes"}, ["'warm_start'", "bool", "Got 'yes'"]),
    ({"max_fit_seconds": 0}, ["'max_fit_seconds'", "(0.0, inf)", "Got 0"]),
    ({"random_state": "lucky"}, ["'random_state'", "Got 'lucky'"]),
    ({"device": "tpu"}, ["device must be", '"cpu"', "got 'tpu'"]),
    ({"device": "cuda:99"}, ["'cuda:99' was asked for", "CUDA devices", 'use "auto" or "cpu"']),
    ({"categorical_features": ["size"]}, ["categorical_features", "array without names", "got 'size'"]),
    ({"categorical_features": [7]}, ["categorical_features", "[0, 2]", "got 7"]),
    ({"categorical_features": [True]}, ["categorical_features", "one entry per column (3)", "got 1"]),
    ({"image_shape": (8, 8)}, ["image_shape=(8, 8) has 64 values", "3 features"]),
]


@pytest.mark.parametrize(
    ("parameters", "words"), BAD_PARAMETERS, ids=[str(case[0]) for case in BAD_PARAMETERS]
)
def test_fit_refuses_parameters(parameters, words):
    augmenter = fast(**parameters)
    before = dict(vars(augmenter))
    refuses(lambda: augmenter.fit(NUMBERS, CODES), ValueError, *words)
    assert vars(augmenter) == before


def test_a_column_without_values_is_warned_of_and_kept():
    X = FRAME.assign(gone=np.nan)
    with pytest.warns(VaeaugWarning, match="columns without any value: 'gone'.*stay missing"):
        augmenter = fast().fit(X, LABELS)
    X_new, _ = augmenter.sample(5)
    assert X_new["gone"].isna().all()
    assert X_new["gone"].dtype == X["gone"].dtype


# --- a fitted model --------------------------------------------------------------------

BAD_CALLS = {
    "no rows": ("array", lambda a: a.sample(0), ["n_samples must be an integer >= 1", "got 0"]),
    "fewer than no rows": ("array", lambda a: a.sample(-1), ["n_samples", ">= 1", "got -1"]),
    "rows as text": ("array", lambda a: a.sample("3"), ["n_samples", "integer", "got '3'"]),
    "rows as a share": ("array", lambda a: a.sample(0.5), ["n_samples", "integer", "got 0.5"]),
    "negative temperature": (
        "array",
        lambda a: a.sample(3, temperature=-1),
        ["temperature", ">= 0", "got -1"],
    ),
    "no temperature": ("array", lambda a: a.sample(3, temperature=np.nan), ["temperature", "got nan"]),
    "endless temperature": (
        "array",
        lambda a: a.sample(3, temperature=np.inf),
        ["temperature", "got inf"],
    ),
    "wrong method": ("array", lambda a: a.sample(method="smote"), ["method", "'prior'", "got 'smote'"]),
    "wrong method to resample": (
        "array",
        lambda a: a.resample(NUMBERS, CODES, method="smote"),
        ["method must be one of 'auto', 'prior'", "got 'smote'"],
    ),
    "wrong strategy": (
        "array",
        lambda a: a.resample(NUMBERS, CODES, sampling_strategy="even"),
        ["sampling_strategy must be one of", "'auto'", "got 'even'"],
    ),
    "wrong seed": ("array", lambda a: a.sample(random_state="lucky"), ["'lucky'"]),
    "labels of a model without": ("no y", lambda a: a.sample(3, y=1), ["fitted without y", "leave y out"]),
    "too few labels": ("frame", lambda a: a.sample(5, y=["low", "mid"]), ["y has 2 labels", "5 rows"]),
    "a missing label": ("frame", lambda a: a.sample(y=["low", None]), ["1 of 2 labels are missing"]),
    "control variables as a list": (
        "controls",
        lambda a: a.sample(2, y=[1, 2]),
        ["fitted with a DataFrame of ['arm', 'dose']", "got ndarray"],
    ),
    "an unknown control variable": (
        "controls",
        lambda a: a.sample(2, y={"sex": 1}),
        ["['sex'] are no columns", "['arm', 'dose']"],
    ),
    "one label to generate": ("array", lambda a: a.generate(1, NUMBERS, CODES), ["y_new must list", "got 1"]),
    "a class that X lacks": (
        "array",
        lambda a: a.generate([0, 1], NUMBERS[:9], CODES[:9], method="posterior"),
        ["method='posterior' varies real rows", "none of class 1", "add one", "method='prior'"],
    ),
    "labels of other rows": (
        "array",
        lambda a: a.resample(NUMBERS, CODES[:-9]),
        ["X has 80 rows, y has 71"],
    ),
    "labels of other rows to score": (
        "array",
        lambda a: a.score_samples(NUMBERS, CODES[:-9]),
        ["X has 80 rows, y has 71"],
    ),
    "resampling without y": ("array", lambda a: a.resample(NUMBERS, None), ["resample needs y", "got None"]),
    "resampling of missing labels": (
        "frame",
        lambda a: a.resample(FRAME, LABELS.mask(LABELS == "low")),
        ["y must not have missing labels"],
    ),
    "resampling of a model without y": (
        "no y",
        lambda a: a.resample(NUMBERS, CODES),
        ["class labels", "fit was given no y", "call fit(X, y)"],
    ),
    "resampling of a continuous target": (
        "continuous",
        lambda a: a.resample(NUMBERS, NUMBERS[:, 0]),
        ["class labels", "fit was given a continuous y"],
    ),
    "resampling of control variables": (
        "controls",
        lambda a: a.resample(NUMBERS, CONTROLS),
        ["class labels", "fit was given 2 control variables"],
    ),
    "codes of another width": ("array", lambda a: a.inverse_transform(NUMBERS), ["(n, 4)", "got (80, 3)"]),
    "codes that are missing": ("array", lambda a: a.inverse_transform(np.full((2, 4), np.nan)), ["Z", "NaN"]),
    "negative strength": ("array", lambda a: a.vary(NUMBERS, strength=-1), ["strength", ">= 0", "got -1"]),
    "no draws": ("array", lambda a: a.score_samples(NUMBERS, n_draws=0), ["n_draws", ">= 1", "got 0"]),
    "images": ("array", lambda a: a.transform(np.zeros((9, 8, 8))), ["dim 3", "<= 2"]),
    "an unknown column": (
        "frame",
        lambda a: a.transform(FRAME.rename(columns={"size": "length"})),
        ["unseen at fit time", "length", "now missing", "size"],
    ),
    "a column too many": (
        "frame",
        lambda a: a.transform(FRAME.assign(z=1)),
        ["unseen at fit time", "z", "\nPass X[list(augmenter.feature_names_in_)]."],
    ),
    "a missing column": (
        "frame",
        lambda a: a.transform(FRAME.drop(columns="size")),
        ["seen at fit time, yet now missing", "size", "Add 'size' to X, and pass X[list(augmenter"],
    ),
    "another order of columns": (
        "frame",
        lambda a: a.transform(FRAME[FRAME.columns[::-1]]),
        ["same order", "Pass X[list(augmenter.feature_names_in_)]."],
    ),
    "a column named twice": (
        "frame",
        lambda a: a.transform(pd.concat([FRAME, FRAME["size"]], axis=1)),
        ["columns named twice", "'size'"],
    ),
    "other columns to resample": (
        "frame",
        lambda a: a.resample(FRAME.drop(columns="size"), LABELS),
        ["yet now missing", "size"],
    ),
    "fewer features": (
        "array",
        lambda a: a.transform(NUMBERS[:, :2]),
        ["2 features", "expecting 3 features"],
    ),
    "an array for a frame": (
        "frame",
        lambda a: a.transform(NUMBERS),
        ["3 features", "VAEAugmenter is expecting 11 features"],
    ),
    "text for numbers": (
        "frame",
        lambda a: a.transform(FRAME.assign(size="tall")),
        ["Column 'size' held numbers", "has dtype", "convert"],
    ),
    "numbers for dates": (
        "frame",
        lambda a: a.transform(FRAME.assign(day=3)),
        ["Column 'day' had dtype datetime64", "int64", "convert"],
    ),
    "infinity": ("frame", lambda a: a.transform(infinite(FRAME)), ["Column 'size'", "infinity (1 of 80"]),
    "infinity in an array": ("array", lambda a: a.vary(infinite(NUMBERS)), ["X contains infinity"]),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("case", list(BAD_CALLS))
def test_a_fitted_model_refuses(fitted, case):
    name, call, words = BAD_CALLS[case]
    before = {key: id(value) for key, value in vars(fitted[name]).items()}
    refuses(lambda: call(fitted[name]), ValueError, *words)
    assert {key: id(value) for key, value in vars(fitted[name]).items()} == before


UNKNOWN_LABELS = {
    "text": (
        "frame",
        lambda a: a.sample(3, y="huge"),
        ["'label'", "'huge'", "allowed are 'high', 'low', 'mid'"],
    ),
    "number": ("array", lambda a: a.sample(3, y=7), ["not seen: 7", "allowed are 0, 1"]),
    "text for a number": ("array", lambda a: a.sample(3, y="x"), ["not seen: 'x'", "allowed are 0, 1"]),
    "a level without rows": ("unused level", lambda a: a.sample(3, y="c"), ["not seen: 'c'", "'a', 'b'"]),
    "one of many": ("frame", lambda a: a.sample(y=["low", "huge"]), ["not seen: 'huge'"]),
    "beside rows": ("frame", lambda a: a.vary(FRAME, ["huge"] * ROWS), ["not seen: 'huge'"]),
    "to resample": (
        "array",
        lambda a: a.resample(NUMBERS, CODES + (CODES * np.arange(ROWS) > 70)),
        ["seen: 2"],
    ),
}


@pytest.mark.parametrize("case", list(UNKNOWN_LABELS))
def test_unknown_labels_are_refused(fitted, case):
    name, call, words = UNKNOWN_LABELS[case]
    refuses(lambda: call(fitted[name]), UnknownLabelError, *words)


# --- an unfitted one -------------------------------------------------------------------

UNFITTED = {
    "sample": lambda a: a.sample(),
    "generate": lambda a: a.generate([0], NUMBERS, CODES),
    "resample": lambda a: a.resample(NUMBERS, CODES),
    "transform": lambda a: a.transform(NUMBERS),
    "inverse_transform": lambda a: a.inverse_transform(NUMBERS),
    "reconstruct": lambda a: a.reconstruct(NUMBERS),
    "vary": lambda a: a.vary(NUMBERS),
    "score_samples": lambda a: a.score_samples(NUMBERS),
    "get_feature_names_out": lambda a: a.get_feature_names_out(),
    "save": lambda a: a.save("never-written"),
}


@pytest.mark.parametrize("method", list(UNFITTED))
def test_an_unfitted_model_asks_for_fit(method):
    refuses(
        lambda: UNFITTED[method](fast()), NotFittedError, "VAEAugmenter instance is not fitted yet", "'fit'"
    )


def test_a_masked_array_is_told_how_to_say_missing(numbers):
    X, y = numbers
    with pytest.raises(InputError, match="filled\\(numpy.nan\\)"):
        VAEAugmenter(max_iter=1).fit(np.ma.masked_greater(X, 1.0), y)


@pytest.fixture(scope="module")
def churn():
    frame = FRAME.assign(churn=list(LABELS))
    return frame, fast().fit(frame, "churn")


@pytest.mark.parametrize("method", ["complete", "transform", "vary", "reconstruct", "score_samples"])
def test_a_target_among_the_columns_is_told_what_to_do_with(churn, method):
    frame, augmenter = churn
    refuses(lambda: getattr(augmenter, method)(frame), InputError, "unseen at fit time", "pass y='churn'")


@pytest.mark.parametrize("y", ["array", "Series"])
def test_a_column_that_may_hold_labels_without_a_name_is_told_what_to_do_with(y):
    labels = np.asarray(LABELS) if y == "array" else pd.Series(LABELS)
    augmenter, frame = fast().fit(FRAME, labels), FRAME.assign(churn=list(LABELS))
    refuses(lambda: augmenter.complete(frame), InputError, "If 'churn' holds the labels, pass y='churn'")
    assert len(augmenter.complete(frame, y="churn")) == len(frame)


def test_a_target_beside_its_labels_is_told_what_to_do_with(churn):
    frame, augmenter = churn
    refuses(lambda: augmenter.resample(frame, frame["churn"]), InputError, "drop it from X", "pass y='churn'")


def test_a_condition_on_the_target_is_asked_for_by_y(churn):
    frame, augmenter = churn
    label = frame["churn"].iloc[0]
    asked = f"pass y={label!r}"
    for where in ({"churn": label}, {"size": "> 0", "churn": label}):
        refuses(lambda where=where: augmenter.sample(3, where=where), InputError, "where", asked)
    refuses(lambda: augmenter.sample(1, given=frame[["churn"]][:1]), InputError, "given", "pass y=")


def test_near_names_are_suggested(churn):
    frame, augmenter = churn
    refuses(lambda: augmenter.sample(3, where={"sizes": "> 1"}), InputError, "Did you mean 'size'?")
    refuses(lambda: fast(id_columns=["sise"]).fit(FRAME), InputError, "Did you mean 'size'?")
    label = frame["churn"].iloc[0]
    refuses(lambda: augmenter.sample(3, y=label.upper()), UnknownLabelError, f"Did you mean {label!r}?")
