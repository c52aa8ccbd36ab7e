"""Inputs that users of similar libraries reported as bugs, tried here; each test names its report."""

import datetime
import warnings
from functools import partial

import albumentations
import numpy as np
import pandas as pd
import pytest
import torch
from made_images import blobs, pictures
from made_images import fast as fast_images
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset
from torchvision import tv_tensors

import vaeaug.cli.augment
from vaeaug import AugmentedClassifier, AugmentedDataset, BatchAugment, Recipe, VAEAugmenter, VAEOverSampler
from vaeaug.cli.main import main
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.evaluation import column_shapes, compare_tables, exact_copies, train_synthetic_test_real
from vaeaug.integrations.albumentations import VAEVariation as AlbumentationsVariation
from vaeaug.integrations.torchvision import VAEVariation

ROWS = 60
Y = np.repeat([0, 1], [45, 15])
NUMBERS = np.random.default_rng(0).normal(size=(ROWS, 2))
FRAME = pd.DataFrame(NUMBERS, columns=["a", "b"])
PICKS = np.random.default_rng(1).integers(0, 60, ROWS)


def fast(**parameters):
    network = Recipe("residual", width=32, depth=1, dependence=32)
    model = VAEAugmenter(max_iter=1, latent_dim=2, network=network, device="cpu", random_state=0)
    return model.set_params(**parameters)


def sampler(**parameters):
    return VAEOverSampler(fast(), random_state=0, label_filter=None).set_params(**parameters)


def pick(*values):
    return [values[i % len(values)] for i in PICKS]


# --- columns: what is drawn has the dtype and the values of what was learned -------------

#: report -> a column whose new values must be among the old ones
LISTED = {
    "SDV #370: booleans": np.array(pick(True, False)),
    "SDV #216: 0 and 1 as integers": np.array(pick(0, 0, 1)),
    "SDV #1733: categories with brackets": pd.Categorical(pick("[1] Male", "[2] Female")),
    "SDV #1784: whole numbers with NaN": pick(1.0, 7.0, np.nan),
    "SDV #1466: dates, all missing": pd.Series([pd.NaT] * ROWS, dtype="datetime64[ns]"),
    "SDV #1589: objects, all None": pd.Series([None] * ROWS, dtype=object),
    "SDV #1136: twenty digits as text": pick("20220902110443000000", "20220916230356000000"),
    "RDT #855: Int8 with NA": pd.array(pick(1, 2, -3, None), dtype="Int8"),
    "RDT #855: UInt16 with NA": pd.array(pick(0, 65535, None), dtype="UInt16"),
    "RDT #855: Float32 with NA": pd.array(pick(1.1, 2.2, None), dtype="Float32"),
    "RDT #124: category": pd.Categorical(pick("b", "a"), categories=["a", "b", "c"], ordered=True),
    "smogn #51: category with missing values": pd.Categorical(pick("x", "y", None)),
    "dpmm #9: integer categories, none negative": pd.Categorical(pick(0, 1, 2)),
    "imbalanced-learn #1053: sparse": pd.arrays.SparseArray(pick(0.0, 0.0, 1.0), fill_value=0.0),
    "imbalanced-learn #193: one text": ["aaa"] * ROWS,
    "skrub #2231: date objects": pd.Series(pick(datetime.date(2002, 1, 1), None), dtype=object),
    "piperider #858: the year 9999": np.array(pick("9999-12-31", "2020-01-01"), dtype="datetime64[us]"),
    "metasyn #64: text, all missing": pd.Series([None] * ROWS, dtype="string"),
}


@pytest.fixture(scope="module")
def listed():
    """Return the table of all these columns, and rows drawn from a model of it."""
    table = pd.DataFrame(LISTED)
    before = table.copy()
    with pytest.warns(VaeaugWarning, match="without any value: 'SDV #1466.*SDV #1589.*metasyn #64"):
        rows, _ = fast().fit(table, Y).sample(80)
    assert_frame_equal(table, before)
    return table, rows


@pytest.mark.parametrize("report", LISTED)
def test_new_values_are_old_ones_in_their_dtype(listed, report):
    table, rows = listed
    assert rows[report].dtype == table[report].dtype
    assert set(rows[report].dropna()) == set(table[report].dropna())
    assert rows[report].isna().any() == table[report].isna().any()


def test_durations_stay_durations():
    """skrub #2069: durations became hundreds of columns, or text."""
    table = FRAME.assign(wait=pd.to_timedelta(PICKS * 61, unit="s"))
    wait = fast().fit(table, Y).sample(20)[0]["wait"]
    assert wait.dtype == table["wait"].dtype
    assert wait.between(table["wait"].min(), table["wait"].max()).all()


def test_sixteen_digits_are_not_rounded_away():
    """RDT #556: numbers with 15 digits or more came back as whole numbers; SDV #1039: so did others."""
    rows = fast().fit(FRAME + 1.1234567890123456).sample(50)[0]
    assert (rows != rows.round(3)).all(axis=None)


def test_integers_named_as_categories_stay_integers_of_the_table():
    """CTGAN #24, #48: discrete columns of integers failed, or came back as text."""
    table = FRAME.assign(code=pick(10, 13, 90))
    rows = fast(categorical_features=["code"]).fit(table, Y).sample(40)[0]
    assert rows["code"].dtype == table["code"].dtype
    assert set(rows["code"]) <= {10, 13, 90}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        # skrub #823
        pytest.param([pd.Timestamp("2019-01-01"), "yo"], "'when' mixes types", id="timestamps and text"),
        pytest.param([{1}, {2}], "'when' holds Python objects of type set", id="sets"),
        # SDV #1136: "Python int too large to convert to C long"
        pytest.param([20220902110443000000, 5], "'when' holds integers beyond 64 bits", id="vast integers"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_its_name(column, words):
    with pytest.raises(InputError, match=words):
        fast().fit(FRAME.assign(when=pd.Series(column * 30, dtype=object)), Y)


def test_text_where_numbers_were_is_refused_by_name():
    """skrub #631: a column that changes its type between fit and transform failed without a word of it."""
    model = fast().fit(FRAME, Y)
    with pytest.raises(InputError, match="'b' held numbers in fit"):
        model.transform(FRAME.assign(b="Contraband Only"))


def test_text_in_a_column_nearly_empty_in_fit_is_taken():
    """skrub #631: one value in fit, others in transform."""
    table = FRAME.assign(found=["Contraband Only"] + [None] * (ROWS - 1))
    codes = fast().fit(table, Y).transform(FRAME.assign(found="other"))
    assert np.isfinite(codes).all()


# --- names of columns ------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["home.dest", "b"], id="dataxid #166: a dot"),
        pytest.param(["index", "level_0"], id="sweetviz #60: index"),
        pytest.param([0, 1], id="statsmodels #3177: integers"),
        pytest.param(["sick-euthyroid", "class"], id="responsible-ai-toolbox-mitigations #31: a hyphen"),
        pytest.param([" a b", '"`\n'], id="SDMetrics #397: what an expression cannot hold"),
    ],
)
def test_any_name_of_a_column_comes_back(names):
    table = FRAME.set_axis(names, axis=1)
    rows = fast().fit(table, Y).sample(5)[0]
    assert rows.columns.equals(table.columns)
    assert column_shapes(table, rows).index.tolist() == names
    assert exact_copies(table, table).all()


# --- few rows, few columns -------------------------------------------------------------


def test_booleans_alone_keep_dtype_and_both_values():
    """dataxid #48: a table of booleans became text of one value."""
    table = pd.DataFrame({"one": pick(True, False), "two": pick(False, True, True)})
    rows = fast().fit(table).sample(60)[0]
    assert rows.dtypes.equals(table.dtypes)
    assert rows.nunique().tolist() == [2, 2]


def test_categories_alone_are_enough():
    """tabsyn #29, imbalanced-learn #562: tables without a number were refused or crashed."""
    table = pd.DataFrame({"one": pick("a", "b"), "two": pd.Categorical(pick("x", "y", "z"))})
    rows, y = sampler().fit_resample(table, Y)
    assert rows.dtypes.equals(table.dtypes)
    assert np.bincount(y).tolist() == [45, 45]


def test_one_column_is_enough():
    """CTGAN #93: cannot reshape array of size 20 into shape (1, 10)."""
    rows = fast().fit(FRAME[["a"]], Y).sample(7)[0]
    assert rows.shape == (7, 1)


def test_fewer_rows_than_a_batch_are_learned_from():
    """CTGAN #135: all rows were dropped, and the weights stayed as they were at the start."""
    short, long = (fast(batch_size=500, max_iter=epochs).fit(FRAME, Y).transform(FRAME) for epochs in (1, 3))
    assert not np.allclose(short, long)


@pytest.mark.parametrize("batch_size", [59, 1])
def test_a_last_batch_of_one_row_is_learned_from(batch_size):
    """synthcity #263, titanet #1: a batch of one row failed in the critic, or in batch normalization."""
    table = FRAME if batch_size > 1 else FRAME.iloc[40:50]
    model = fast(batch_size=batch_size, early_stopping=False).fit(table, Y[table.index])
    assert np.isfinite(model.sample(5)[0]).all(axis=None)


def test_a_class_of_one_row_is_balanced():
    """imbalanced-learn #27, #572, #742: expected n_neighbors <= n_samples."""
    _, y = sampler().fit_resample(FRAME, np.repeat([0, 1, 2], [50, 9, 1]))
    assert np.bincount(y).tolist() == [50, 50, 50]


# --- fit again, draw again -------------------------------------------------------------


def test_a_second_fit_learns_rounding_anew():
    """SDV #1104: the digits of the first table were kept."""
    model = fast().fit(FRAME.round(4))
    rows = model.fit(FRAME.round(1)).sample(30)[0]
    assert_frame_equal(rows, rows.round(1))


def test_a_second_fit_starts_the_draws_anew():
    """SDV #1201: after a second fit, drawing went on where it had been; #1294: fit starts from scratch."""
    model = fast().fit(FRAME, Y)
    first = model.sample(3)[0]
    model.sample(4)
    assert_frame_equal(model.fit(FRAME, Y).sample(3)[0], first)


def test_the_seed_of_a_draw_decides_the_rows():
    """SDV #2177: no seed changed the rows."""
    model = fast().fit(FRAME, Y)
    one, two, again = (model.sample(5, random_state=seed)[0] for seed in (1, 2, 1))
    assert not one.equals(two)
    assert_frame_equal(one, again)


# --- resampling ------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "int64[pyarrow]", "category"])
def test_labels_keep_their_dtype(dtype):
    """imbalanced-learn #969: nullable labels were of an unknown type."""
    if dtype.endswith("[pyarrow]"):
        pytest.importorskip("pyarrow")
    labels = pd.Series(Y).astype(dtype)
    y = sampler().fit_resample(FRAME, labels)[1]
    assert y.dtype == labels.dtype
    assert y.value_counts().tolist() == [45, 45]


@pytest.mark.parametrize("dtype", [int, bool])
def test_a_classifier_learns_from_labels_held_as_objects(dtype):
    """imbalanced-learn #969: they were of an unknown type, and that after the generator was trained."""
    model = AugmentedClassifier(LogisticRegression(), sampler(), random_state=0)
    assert model.fit(FRAME, Y.astype(dtype).astype(object)).predict(FRAME).dtype == dtype


def test_booleans_beside_categories_and_a_frame_of_labels_keep_their_dtypes():
    """imbalanced-learn #974: could not convert string to float; #842: a frame as y."""
    table = pd.DataFrame({"c": pd.Categorical(pick("a", "b")), "f": NUMBERS[:, 0], "b": pick(False, True)})
    rows, y = sampler().fit_resample(table, pd.DataFrame({"out": Y}))
    assert rows.dtypes.equals(table.dtypes)
    assert y.columns.tolist() == ["out"]
    assert y["out"].value_counts().tolist() == [45, 45]


@pytest.mark.parametrize(
    "report", ["imbalanced-learn #414: text as the index", "smogn #10: a shuffled index"]
)
def test_rows_keep_their_labels_whatever_the_index(report):
    table, labels = FRAME, pd.Series(Y)
    if "text" in report:
        table, labels = (part.set_axis([f"row {i}" for i in range(ROWS)]) for part in (table, labels))
    else:
        table, _, labels, _ = train_test_split(table, labels, stratify=labels, random_state=0)
    rows, y = sampler().fit_resample(table, labels)
    assert rows.index.equals(y.index)
    assert_array_equal(rows.iloc[: len(table)], table)
    assert_array_equal(y.iloc[: len(table)], labels)


def test_a_ratio_above_one_is_refused():
    """imbalanced-learn #522: the ratio is rare to common, not the other way round."""
    with pytest.raises(InputError, match=r"range \(0, 1\].* got 2.0"):
        sampler(sampling_strategy=1000 / 500).fit_resample(FRAME, Y)


def test_probabilities_of_a_pipeline_with_missing_values_are_finite():
    """imbalanced-learn #427: nan in predict_proba after an imputer, a selection and a sampler."""
    pipeline = pytest.importorskip("imblearn.pipeline")
    steps = [SimpleImputer(), sampler(), LogisticRegression()]
    holes = FRAME.mask(NUMBERS > 1.5)
    shares = pipeline.make_pipeline(*steps).fit(holes, Y).predict_proba(holes)
    assert np.isfinite(shares).all()


def test_a_class_that_one_fold_lacks_leaves_the_other_probabilities_whole():
    """scikit-learn #13366: one row of a third class made all probabilities zero."""
    labels = np.r_[2, Y[1:]]
    model = AugmentedClassifier(LogisticRegression(), sampler(), random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class|Number of classes in training")
        shares = cross_val_predict(model, FRAME, labels, cv=StratifiedKFold(2), method="predict_proba")
    np.testing.assert_allclose(shares.sum(axis=1), 1)


# --- evaluation ------------------------------------------------------------------------


def test_copies_are_found_whether_text_is_category_or_not():
    """SDMetrics #397: name 'F' is not defined."""
    table = FRAME.assign(c=pick("F", "M"))
    as_categories = table.astype({"c": "category"})
    assert exact_copies(as_categories, table).all()
    assert exact_copies(table, as_categories).all()


def test_a_comparison_leaves_the_tables_alone():
    """SDMetrics #939: the report converted dates in the caller's tables."""
    table = FRAME.assign(when=pick("27 Dec 2020", "30 Dec 2020"), day=pd.Timestamp("2020-12-27"))
    sets = [table.iloc[:30], table.iloc[30:45], table.iloc[45:]]
    before = [part.copy() for part in sets]
    compare_tables(sets[0], sets[1], holdout=sets[2])
    for part, old in zip(sets, before, strict=True):
        assert_frame_equal(part, old)


def test_a_target_with_missing_values_is_refused_by_its_name():
    """SDMetrics #135: privacy metrics failed inside scikit-learn."""
    table = FRAME.assign(t=pd.Series(pick("p", "q"), dtype=object))
    with pytest.raises(InputError, match="target 't' has 1 missing"):
        train_synthetic_test_real(table, table.assign(t=table["t"].where(table.index != 3)), target="t")


def test_a_category_that_the_real_table_lacks_scores_zero():
    """SDMetrics #140: new categories shall not count."""
    table = FRAME.assign(c="seen")
    assert column_shapes(table, table.assign(c="never seen"))["c"] == 0


# --- command line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        pytest.param(["02116", "94107", "00501"], [], id="SDV #2780: leading zeros"),
        pytest.param(["TRUE", "FALSE"], [], id="DataSynthesizer #38: TRUE and FALSE"),
        pytest.param(["2020-09-14", "2020-09-16"], [], id="DataSynthesizer #37: two dates"),
        pytest.param(["27 Dec 2020", "05 Apr 2020"], [], id="SDMetrics #303: dates in words"),
        pytest.param(
            ["9999-12-31", "2020-01-01"],
            ["--parse-dates", "c"],
            id="piperider #858: the year 9999",
            marks=pytest.mark.skipif(int(pd.__version__[0]) < 3, reason="pandas 2 reads dates up to 2262"),
        ),
    ],
)
def test_a_file_is_written_as_it_was_spelt(tmp_path, monkeypatch, texts, options):
    monkeypatch.setattr(vaeaug.cli.augment, "VAEAugmenter", partial(VAEAugmenter, max_iter=1, latent_dim=2))
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    lines = [
        f"{text},{size:.2f},{label}" for text, (size, _), label in zip(pick(*texts), NUMBERS, Y, strict=True)
    ]
    source.write_text("\n".join(["c,size,y", *lines]) + "\n")
    assert main(["augment", str(source), "--target", "y", "-o", str(out), *options]) == 0
    written = out.read_text().splitlines()
    assert written[1 : ROWS + 1] == lines
    assert {line.split(",")[0] for line in written[ROWS + 1 :]} <= set(texts)


# --- images ----------------------------------------------------------------------------

IMAGES, LABELS = blobs()
BYTES = torch.from_numpy(IMAGES)[:, None]
FLOATS, CLASSES = BYTES.float() / 255, torch.from_numpy(LABELS)


@pytest.fixture(scope="module")
def of_bytes():
    return fast_images().fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def of_floats():
    return fast_images().fit(FLOATS, LABELS)


def test_batches_may_change_their_size(of_floats):
    """kornia #2497: a second batch of another size failed."""
    augment = BatchAugment(of_floats, p=1.0, random_state=0)
    shapes = [augment(FLOATS[:size], CLASSES[:size])[0].shape for size in (8, 3, 1, 8)]
    assert shapes == [FLOATS[:size].shape for size in (8, 3, 1, 8)]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        pytest.param(FLOATS[0], CLASSES[0], "one class number per image", id="kornia #721: one image alone"),
        pytest.param(FLOATS[:8] * 255, CLASSES[:8], "not 0 to 1", id="kornia #691: floats to 255"),
    ],
)
def test_what_is_no_batch_of_such_images_is_refused(of_floats, images, labels, words):
    with pytest.raises(InputError, match=words):
        BatchAugment(of_floats, p=1.0, random_state=0)(images, labels)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_half_precision_stays_half(of_floats, dtype):
    """kornia #4210, #3706: silently float32, or refused; Lightning #13228: a mismatch of dtypes."""
    new, _ = BatchAugment(of_floats, p=0.5, random_state=0)(FLOATS[:8].to(dtype), CLASSES[:8])
    assert new.dtype == dtype


def test_a_batch_need_not_be_contiguous(of_floats):
    """torchvision #9615: view() refused batches with swapped axes."""
    swapped = FLOATS[:8].transpose(2, 3).contiguous().transpose(2, 3)
    assert not swapped.is_contiguous()
    made = [
        BatchAugment(of_floats, random_state=0)(images, CLASSES[:8])[0] for images in (swapped, FLOATS[:8])
    ]
    assert torch.equal(*made)


def test_swapped_axes_before_the_channels_are_taken(of_bytes):
    """torchvision #9615, as a transform."""
    images = BYTES[:6].unflatten(0, (2, 3)).transpose(0, 1)
    assert VAEVariation(of_bytes, p=1.0, random_state=0)(images).shape == images.shape


@pytest.mark.parametrize("images", [pictures(IMAGES[:2]), list(map(tv_tensors.Image, BYTES[:2]))], ids=type)
def test_every_image_of_a_sample_is_varied(of_bytes, images):
    """torchvision #8573: of several images only the first was transformed."""
    varied = VAEVariation(of_bytes, p=1.0, random_state=0)(*images)
    assert [np.array_equal(new, old) for new, old in zip(varied, images, strict=True)] == [False, False]


def test_masks_and_plain_tensors_beside_an_image_pass(of_bytes):
    """albumentations #290: masks went another way than their image."""
    sample = {"image": tv_tensors.Image(BYTES[0]), "mask": tv_tensors.Mask(BYTES[0]), "more": torch.ones(3)}
    varied = VAEVariation(of_bytes, p=1.0, random_state=0)(sample)
    assert not torch.equal(varied["image"], sample["image"])
    assert torch.equal(varied["mask"], sample["mask"])
    assert torch.equal(varied["more"], sample["more"])


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1)])
def test_grey_images_keep_their_shape(of_bytes, shape):
    """albumentations #2562, #470: with a channel axis or without one."""
    varied = albumentations.Compose([AlbumentationsVariation(of_bytes, p=1.0)])(
        image=IMAGES[0].reshape(shape)
    )
    assert varied["image"].shape == shape


def test_integers_of_32_bits_are_refused_in_words(of_bytes):
    """albumentations #67: OpenCV's "Unsupported depth of input image"."""
    with pytest.raises(InputError, match="VAEVariation: .*uint8.* int32"):
        AlbumentationsVariation(of_bytes, p=1.0)(image=IMAGES[0].astype(np.int32))


def test_the_seed_of_compose_repeats_a_variation(of_bytes):
    """albumentations #2473, #2332, #93: the same seed gave other images."""
    one, again, other = (
        albumentations.Compose([AlbumentationsVariation(of_bytes, p=1.0)], seed=seed)(image=IMAGES[0])[
            "image"
        ]
        for seed in (1, 1, 2)
    )
    assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "dataset",
    [
        pytest.param(
            lambda pairs: ConcatDataset([pairs, Subset(pairs, range(0, 10, 2))]),
            id="imbalanced-dataset-sampler #54: ConcatDataset",
        ),
        pytest.param(lambda pairs: Subset(pairs, range(9)), id="imbalanced-dataset-sampler #13: Subset"),
        pytest.param(lambda pairs: Subset(pairs, torch.arange(2, 11)), id="pytorch_geometric #6374: a slice"),
    ],
)
def test_parts_and_sums_of_datasets_are_balanced(of_floats, dataset):
    data = AugmentedDataset(dataset(TensorDataset(FLOATS, CLASSES)), of_floats, balance=True, random_state=0)
    counts = torch.cat([labels for _, labels in DataLoader(data, batch_size=7)]).bincount()
    assert counts[0] == counts[1] == len(data) / 2


def test_text_labels_go_through_a_loader():
    """pytorch #2914: numpy.str_ in default_collate."""
    names = np.array(["cat", "dog"])[LABELS]
    pairs = [(image, str(name)) for image, name in zip(FLOATS, names, strict=True)]
    data = AugmentedDataset(pairs, fast_images().fit(FLOATS, names), p=0.5, random_state=0)
    labels = [label for _, batch in DataLoader(data, batch_size=8) for label in batch]
    assert labels == names.tolist()
