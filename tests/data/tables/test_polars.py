"""Frames of Polars and tables of pyarrow go in and come out, with their types."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter, VAEOverSampler, load
from vaeaug.errors import InputError, RejectedColumn
from vaeaug.utils.frames import Home, to_pandas

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

ROWS = 60
RNG = np.random.default_rng(0)


def made_frame():
    """Return a frame with a column of every type of Polars, nulls in each."""
    numbers = RNG.integers(0, 100, ROWS)
    moments = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=int(k) * 7) for k in numbers]
    words = [["ant", "bee", "cow"][k % 3] for k in numbers]
    plain = pl.DataFrame(
        {
            "size": RNG.normal(size=ROWS),
            "count": numbers,
            "flag": numbers > 50,
            "word": words,
            "day": [moment.date() for moment in moments],
            "time": [moment.time() for moment in moments],
            "gap": [moment - moments[0] for moment in moments],
            "price": pl.Series([Decimal(int(k)).scaleb(-2) for k in numbers], dtype=pl.Decimal(10, 2)),
            "when": moments,
        }
    )
    frame = plain.with_columns(
        kind=pl.col("word").cast(pl.Categorical),
        level=pl.col("word").cast(pl.Enum(["ant", "bee", "cow", "dog"])),
        small=pl.col("count").cast(pl.UInt8),
        single=pl.col("size").cast(pl.Float32),
        zoned=pl.col("when").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"),
        coarse=pl.col("when").cast(pl.Datetime("ms")),
    )
    gaps = pl.Series(RNG.random(ROWS) < 0.1)
    return frame.with_columns(
        pl.when(gaps).then(None).otherwise(pl.col(name)).alias(name)
        for name in frame.columns
        if name not in ("size", "count")
    )


FRAME = made_frame()
LABELS = pl.Series("label", ["no"] * 40 + ["yes"] * 20)
LIBRARIES = {"polars": (FRAME, LABELS), "pyarrow": (FRAME.to_arrow(), LABELS.to_arrow())}


def fast(**parameters):
    return VAEAugmenter(max_iter=1, latent_dim=4, device="cpu", random_state=0).set_params(**parameters)


@pytest.fixture(params=list(LIBRARIES), scope="module")
def rows(request):
    return LIBRARIES[request.param]


@pytest.fixture(scope="module")
def fitted(rows):
    return fast().fit(*rows)


def same_kind(found, expected):
    return type(found) is type(expected) and found.schema == expected.schema


def test_samples_come_in_the_frame_and_types_of_fit(fitted, rows):
    X, y = fitted.sample(20, random_state=0)
    assert same_kind(X, rows[0])
    assert len(X) == len(y) == 20
    assert Home.of(y).library == Home.of(rows[1]).library


def test_labels_keep_name_and_type():
    y = LABELS.cast(pl.Enum(["no", "yes", "perhaps"]))
    _, made = fast().fit(FRAME, y).sample(5, y="yes")
    assert (made.name, made.dtype, made.to_list()) == ("label", y.dtype, ["yes"] * 5)


def test_resampled_rows_begin_with_those_of_the_user(fitted, rows):
    X, y = fitted.resample(*rows, random_state=0)
    assert same_kind(X, rows[0])
    assert X[:ROWS].equals(rows[0]) if isinstance(X, pl.DataFrame) else X.slice(0, ROWS).equals(rows[0])
    assert sorted(to_pandas(y).value_counts()) == [40, 40]


def test_the_sampler_takes_and_gives_them(rows):
    sampler = VAEOverSampler(fast(), random_state=0)
    X, y = sampler.fit_resample(*rows)
    assert same_kind(X, rows[0])
    assert len(X) == len(y) == 80
    assert to_pandas(X)[:ROWS].equals(to_pandas(rows[0]))
    assert sampler.feature_names_in_.tolist() == FRAME.columns


def test_variations_are_rows_of_the_frame(fitted, rows):
    assert same_kind(fitted.vary(*rows, random_state=0), rows[0])
    assert same_kind(fitted.reconstruct(rows[0]), rows[0])
    assert same_kind(fitted.inverse_transform(fitted.transform(rows[0])), rows[0])


def test_rows_are_scored_as_those_of_pandas(fitted, rows):
    X, y = map(to_pandas, rows)
    np.testing.assert_array_equal(fitted.score_samples(*rows), fitted.score_samples(X, y))


def test_a_file_keeps_the_library(fitted, rows, tmp_path):
    fitted.save(tmp_path / "model")
    X, y = load(tmp_path / "model", device="cpu").sample(9, random_state=1)
    expected_X, expected_y = fitted.sample(9, random_state=1)
    assert X.equals(expected_X)
    assert y.equals(expected_y)


def test_controls_come_in_the_frame_of_fit():
    controls = FRAME.select("level", "size")
    _, y = fast().fit(FRAME.drop("level"), controls).sample(5)
    assert same_kind(y, controls)


def test_y_may_name_a_column(rows):
    X = (
        rows[0].with_columns(LABELS)
        if isinstance(rows[0], pl.DataFrame)
        else rows[0].append_column("label", rows[1])
    )
    made, y = fast().fit(X, "label").resample(X, "label")
    assert same_kind(made, rows[0])
    assert len(y) == len(made) == 80
    made, y = VAEOverSampler(fast()).fit_resample(X, "label")
    assert same_kind(made, rows[0])
    assert len(y) == len(made) == 80


def test_a_model_of_pandas_reads_frames_of_polars():
    X = pd.DataFrame({"a": RNG.normal(size=50), "b": list("xy") * 25})
    augmenter = fast().fit(X)
    np.testing.assert_array_equal(augmenter.transform(pl.from_pandas(X)), augmenter.transform(X))


def test_codes_come_as_polars_where_it_is_asked_for():
    Z = fast().set_output(transform="polars").fit(FRAME, LABELS).transform(FRAME)
    assert isinstance(Z, pl.DataFrame)
    assert Z.shape == (ROWS, 4)


def test_parquet_files_are_written_of_a_model_of_polars(tmp_path):
    augmenter = fast().fit(FRAME, LABELS)
    augmenter.sample_to_parquet(30, tmp_path / "rows", random_state=0)
    assert pl.read_parquet(tmp_path / "rows" / "*.parquet").columns == [*FRAME.columns, "label"]


REFUSED = {
    "a LazyFrame": (lambda: FRAME.lazy(), InputError, r"LazyFrame.*X\.collect\(\)"),
    "a Series": (lambda: FRAME["size"], InputError, r"one column; pass X\.to_frame\(\)"),
    "lists": (lambda: FRAME.with_columns(bag=pl.lit([1])), RejectedColumn, "'bag' has dtype large_list"),
    "structs": (lambda: FRAME.with_columns(s=pl.struct("size")), RejectedColumn, "'s' has dtype struct"),
    "integers of 128 bits": (
        lambda: FRAME.with_columns(big=pl.col("count").cast(pl.Int128)),
        InputError,
        "'big': 'Int128'.*cast",
    ),
    "no rows": (lambda: FRAME[:0], InputError, "X has no rows"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_cannot_be_read_is_refused_in_one_sentence(name):
    make, error, words = REFUSED[name]
    augmenter = fast()
    before = dict(vars(augmenter))
    with pytest.raises(error, match=words):
        augmenter.fit(make())
    assert vars(augmenter) == before


def test_missing_columns_are_named(fitted, rows):
    X = rows[0].drop("size") if isinstance(rows[0], pl.DataFrame) else rows[0].drop_columns(["size"])
    with pytest.raises(ValueError, match="(?s)yet now missing.*size"):
        fitted.transform(X)


def test_frames_of_polars_in_turn_are_a_stream():
    rows = FRAME.with_columns(LABELS)
    X, y = fast().fit([rows[:30], rows[30:]], "label").sample(5)
    assert same_kind(X, FRAME)
    assert (type(y), y.name, y.dtype) == (pl.Series, "label", pl.String)
