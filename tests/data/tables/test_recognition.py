"""Numbers and text that are something else: dates, codes, identifiers. And what looks so and is not."""

import json
import re
import uuid
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.tables.codec import TableCodec
from vaeaug.data.tables.comparing import compare_column
from vaeaug.data.tables.recognition import ID_NAMES, is_called
from vaeaug.data.tables.registry import column_from_state, fit_column
from vaeaug.errors import ColumnNote, InputError, RejectedColumn

ROWS = 1500
RNG = np.random.default_rng(7)
DAYS = pd.Series(pd.Timestamp("2005-01-01") + pd.to_timedelta(RNG.integers(0, 5000, ROWS), "D"))
STAMPS = pd.Series(pd.Timestamp("2005-01-01") + pd.to_timedelta(RNG.integers(0, 10**8, ROWS), "s"))
MONTHS = pd.Series(pd.Timestamp("1901-01-01") + pd.to_timedelta(RNG.integers(0, 70_000, ROWS), "D"))
GAPS = RNG.random(ROWS) < 0.1


def drawn(series, n=2000):
    """Return values that a codec makes of any legal code."""
    codec = fit_column(series)
    x, start = np.zeros((n, codec.width), dtype=np.float32), 0
    rng = np.random.default_rng(0)
    for span in codec.spans:
        if span.kind == "categorical":
            x[:, start] = rng.integers(0, span.width, n)
        elif span.kind == "position":
            x[:, start : start + span.width] = rng.random((n, span.width), dtype=np.float32)
        start += span.columns
    found = codec.decode(x)
    meta, arrays = codec.state()
    again = column_from_state(json.loads(json.dumps(meta)), arrays)
    pd.testing.assert_series_equal(again.decode(x), found)
    pd.testing.assert_series_equal(codec.decode(codec.encode(series)), series)
    return found


# --- dates -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamps", "form"),
    [
        *((DAYS, form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%Y%j")),
        *((STAMPS, form) for form in ("%Y%m%d%H%M", "%Y%m%d%H", "%Y%m%d%H%M%S", "%H%M%S", "%H%M")),
        (MONTHS, "%Y%m"),
    ],
)
def test_dates_as_numbers_stay_dates(stamps, form):
    found = drawn(stamps.dt.strftime(form).astype("int64"))
    width = len(stamps[0].strftime(form))
    texts = found.astype(str).str.zfill(width)
    assert pd.to_datetime(texts, format=form, errors="coerce").notna().all()
    assert not set(found) <= set(stamps.dt.strftime(form).astype("int64")) or form == "%H%M"


@pytest.mark.parametrize("dtype", ["int32", "Int64", "float64", "Float64", "int64[pyarrow]", object])
def test_dates_as_numbers_keep_their_dtype(dtype):
    series = DAYS.dt.strftime("%Y%m%d").astype("int64").astype(dtype)
    if dtype not in ("int32", object):
        series = series.mask(GAPS)
    found = drawn(series)
    assert found.dtype == series.dtype
    texts = found.dropna().astype("int64").astype(str)
    assert pd.to_datetime(texts, format="%Y%m%d", errors="coerce").notna().all()


def test_numbers_that_mean_no_date_stay_what_they_are():
    days = DAYS.dt.strftime("%Y%m%d").astype("int64")
    days[:10], days[10:40] = 0, 99_991_231
    found = drawn(days)
    real = ~found.isin([0, 99_991_231])
    assert pd.to_datetime(found[real].astype(str), format="%Y%m%d").between(DAYS.min(), DAYS.max()).all()
    assert set(found[~real]) == {0, 99_991_231}


@pytest.mark.parametrize("dtype", [object, "string", "str"])
@pytest.mark.parametrize(
    ("stamps", "form"),
    [
        (DAYS, "%Y-%m-%d"),
        (DAYS, "%d.%m.%Y"),
        (DAYS, "%m/%d/%Y"),
        (STAMPS, "%Y-%m-%d %H:%M:%S"),
        (STAMPS, "%Y-%m-%dT%H:%M"),
        (STAMPS, "%H:%M:%S"),
    ],
)
def test_dates_as_text_stay_dates(stamps, form, dtype):
    series = stamps.dt.strftime(form).astype(dtype).mask(GAPS)
    found = drawn(series)
    assert pd.to_datetime(found.dropna(), format=form, errors="coerce").notna().all()
    assert not set(found.dropna()) <= set(series.dropna())


ODD = {
    "unpadded": ("1/5/2021", lambda day: f"{day.month}/{day.day}/{day.year}"),
    "zeros": ("0000-00-00", lambda day: f"{day:%Y-%m-%d}"),
    "no day": ("2021-02-30", lambda day: f"{day:%Y-%m-%d}"),
    "far": ("9999-12-31", lambda day: f"{day:%Y-%m-%d}"),
    "word": ("unknown", lambda day: f"{day:%Y%m%d}"),
    "nothing": ("", lambda day: f"{day:%d.%m.%Y}"),
}


@pytest.mark.parametrize("name", list(ODD))
def test_no_impossible_date_is_made_of_dates_with_one_odd_cell(name):
    odd, spell = ODD[name]
    days = pd.Series(pd.date_range("2018-03-02", periods=600)).map(spell).astype(object)
    days[70] = odd
    with pytest.warns(ColumnNote, match="read as dates"):
        codec = TableCodec().fit(table(days))
    assert codec.id_columns_ == []
    found = drawn(days)
    known = {spell(day) for day in pd.date_range("2018-03-02", "2021-12-31")} | {odd}
    assert set(found) <= known


def test_odd_cells_beside_dates_keep_their_rate():
    texts = DAYS.dt.strftime("%d/%m/%Y").astype(object)
    texts[:300], texts[300:310], texts[310] = "N/A", "00/00/0000", "31/02/2020"
    codec = fit_column(texts)
    back = codec.decode(codec.encode(texts))
    pd.testing.assert_series_equal(back, texts)
    assert "'N/A'" in codec.note


def test_dates_of_several_forms_are_no_identifiers():
    days = pd.Series(pd.date_range("2018-03-02", periods=600))
    mixed = days.dt.strftime("%Y-%m-%d").where(days.index % 2 == 0, days.dt.strftime("%d/%m/%Y"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert TableCodec().fit(table(mixed)).id_columns_ == []


@pytest.mark.parametrize("rows", [1_500, 5_000])
def test_text_is_dates_however_often_it_repeats(rows):
    days = pd.Series(pd.date_range("2024-01-01", periods=147))
    texts = days.sample(rows, replace=True, random_state=0).dt.strftime("%d/%m/%Y").reset_index(drop=True)
    codec = fit_column(texts)
    later = compare_column(codec, ">= 01/05/2024").holds(pd.Series(["30/04/2024", "01/05/2024"]))
    assert later.tolist() == [False, True]


def test_few_dates_that_repeat_are_categories():
    assert fit_column(pd.Series(["2024-01-01", "2024-02-01", "2024-03-01"] * 30)).kind == "categorical"


def test_cells_that_are_no_dates_have_no_place_in_their_order():
    texts = DAYS.dt.strftime("%Y-%m-%d").astype(object)
    texts[:2] = ["0000-00-00", "9999-12-31"]
    codec = fit_column(texts)
    for condition in ("< 2100-01-01", ">= 1900-01-01"):
        assert compare_column(codec, condition).holds(texts[:3]).tolist() == [False, False, True]
    assert compare_column(codec, "0000-00-00").holds(texts[:3]).tolist() == [True, False, False]


#: How a time is read, and how it is spelled.
FORMS = {
    "offset": ("%Y-%m-%dT%H:%M:%S+02:00", lambda time: f"{time:%Y-%m-%dT%H:%M:%S}+02:00"),
    "milliseconds": ("%Y-%m-%dT%H:%M:%S.%fZ", lambda time: f"{time:%Y-%m-%dT%H:%M:%S}.{time:%f}"[:-3] + "Z"),
    "half day": ("%I:%M %p", lambda time: f"{time:%I:%M %p}"),
    "spreadsheet": (
        "%m/%d/%Y %H:%M",
        lambda time: f"{time.month}/{time.day}/{time.year} {time.hour}:{time:%M}",
    ),
    "spelled month": ("%d %B %Y", lambda time: f"{time.day} {time:%B %Y}"),
    "month first": ("%B %d, %Y", lambda time: f"{time:%B} {time.day}, {time.year}"),
    "weekday": ("%a, %d %b %Y", lambda time: f"{time:%a, %d %b %Y}"),
    "mail": ("%a, %d %b %Y %H:%M:%S +0000", lambda time: f"{time:%a, %d %b %Y %H:%M:%S} +0000"),
}


@pytest.mark.parametrize("name", list(FORMS))
def test_dates_as_text_keep_their_form(name):
    form, spell = FORMS[name]
    texts = STAMPS.map(spell).astype(object)
    found = drawn(texts)
    assert pd.to_datetime(found, format=form).map(spell).tolist() == found.tolist()
    assert fit_column(texts).kind == "translated"


def test_other_numbers_than_dates_are_read_at_encode():
    codec = fit_column(DAYS.dt.strftime("%Y%m%d").astype("int64"))
    back = codec.decode(codec.encode(pd.Series([20_101_345, -5, 2**62])))
    assert pd.to_datetime(back.astype(str), format="%Y%m%d").between(DAYS.min(), DAYS.max()).all()


NO_DATES = {
    "numbers of eight digits": pd.Series(RNG.integers(10**7, 10**8, ROWS)),
    "numbers in the range of dates": pd.Series(RNG.integers(19_000_000, 21_000_000, ROWS)),
    "numbers below 2400": pd.Series(RNG.integers(0, 2400, ROWS)),
    "row numbers from 200001 on": pd.Series(200_001 + np.arange(ROWS)),
    "minutes": pd.Series(RNG.permutation(60)),
    "few prices": pd.Series([100, 250, 1200, 830, 1145, 945, 1015, 2030, 1, 5, 10, 59]),
    "cents": pd.Series(np.round(RNG.random(ROWS) * 2000, 2)),
    "text of numbers": pd.Series(np.round(RNG.random(ROWS) * 2000, 2)).astype(str),
    "prices of 101 to 131": pd.Series(np.arange(101, 132)),
    "prices of 10101 to 10131": pd.Series(np.arange(10_101, 10_132)),
    "rooms of nine floors": pd.Series(
        [100 * floor + room for floor in range(1, 10) for room in range(1, 29)]
    ),
}


@pytest.mark.parametrize("name", list(NO_DATES))
def test_no_date_is_seen_where_there_is_none(name):
    codec = fit_column(NO_DATES[name])
    assert codec.kind in ("numeric", "categorical")


# --- codes -----------------------------------------------------------------------------

CODES = RNG.choice(np.arange(10_000, 100_000), 450, replace=False)
SKEWED = RNG.choice(CODES, ROWS, p=RNG.dirichlet(np.full(450, 0.5)))


@pytest.mark.parametrize("dtype", ["int64", "Int32", "float64", "int64[pyarrow]", object])
@pytest.mark.parametrize("values", [RNG.choice(CODES, ROWS), SKEWED], ids=["even", "skewed"])
def test_codes_are_codes_of_the_data(values, dtype):
    series = pd.Series(values).astype(dtype)
    found = drawn(series)
    assert set(found) <= set(series)
    assert found.nunique() > 0.5 * series.nunique()


def test_few_rows_of_many_codes_are_recognised_by_their_name():
    series = pd.Series(RNG.choice(CODES, 100, replace=False), name="ZipCode")
    assert set(drawn(series)) <= set(series)


def test_reals_that_nearly_all_repeat_are_not_interpolated():
    series = pd.Series(RNG.choice(RNG.normal(size=300), ROWS))
    assert set(drawn(series)) <= set(series)


QUANTITIES = {
    "amounts": pd.Series(np.rint(RNG.lognormal(9, 1.5, ROWS)).astype(int)),
    "amounts of five digits": pd.Series(RNG.integers(10_000, 99_999, ROWS)),
    "rounded amounts": pd.Series(np.round(RNG.lognormal(9, 1.5, ROWS), -2).astype(int)),
    "counts": pd.Series(RNG.poisson(20_000, ROWS)),
    "some repeat": pd.Series(
        np.where(RNG.random(ROWS) < 0.4, RNG.choice(CODES, ROWS), RNG.integers(10_000, 99_999, ROWS))
    ),
    "reals": pd.Series(RNG.normal(size=ROWS)),
}


@pytest.mark.parametrize("name", list(QUANTITIES))
def test_quantities_are_no_codes(name):
    series = QUANTITIES[name]
    assert not set(drawn(series)) <= set(series)


# --- identifiers -----------------------------------------------------------------------


def table(ids, name="key"):
    return pd.DataFrame({name: ids, "size": RNG.normal(size=len(ids))})


def new_ids(ids, name="key", n=50, **parameters):
    """Return the identifiers of new rows, after looking at what a file and a note have of them."""
    frame = table(ids, name)
    with (
        pytest.warns(ColumnNote, match=f"name each row: '{name}'.*id_columns")
        if not parameters
        else warnings.catch_warnings()
    ):
        codec = TableCodec(**parameters).fit(frame)
    assert codec.id_columns_ == [name]
    x = codec.encode(frame)[:n]
    meta, arrays = codec.state()
    again = TableCodec.from_state(json.loads(json.dumps(meta)), arrays)
    found = codec.decode(x)[name]
    pd.testing.assert_series_equal(again.decode(x)[name], found)
    assert found.dtype == frame[name].dtype
    present = found.dropna()
    assert present.is_unique
    assert set(present).isdisjoint(frame[name])
    return found


def test_row_numbers_go_on():
    assert new_ids(np.arange(100)).tolist() == list(range(100, 150))
    assert new_ids(np.arange(1, 101).astype("float64")).tolist() == [float(k) for k in range(101, 151)]


def test_row_numbers_of_a_shuffled_part_go_on_after_the_largest():
    part = RNG.permutation(1000)[:700]
    assert new_ids(part).tolist() == list(range(part.max() + 1, part.max() + 51))


@pytest.mark.parametrize("name", ["id", "ID", "customer_id", "PassengerId", "uuid", "Unnamed: 0"])
def test_a_column_called_so_holds_identifiers(name):
    ids = RNG.choice(10**6, 40, replace=False)
    assert new_ids(ids, name).min() > ids.max()


def test_steps_are_kept():
    assert new_ids(np.arange(0, 1000, 10), "id").tolist()[:2] == [1000, 1010]


@pytest.mark.parametrize("dtype", [object, "string", "str", "string[pyarrow]"])
def test_text_that_counts_goes_on(dtype):
    ids = pd.Series([f"C{k:04d}-x" for k in range(60)]).astype(dtype)
    assert new_ids(ids).tolist()[:2] == ["C0060-x", "C0061-x"]


def test_text_around_the_number_takes_turns():
    ids = [f"{town}-{k}/{'ab'[k % 2]}" for k in range(1, 61) for town in ("AIX", "BON")]
    found = new_ids(ids)
    assert found.str.fullmatch(r"(AIX|BON)-\d+/[ab]").all()
    assert found.str[:3].nunique() == 2


def test_uuids_are_new_uuids():
    ids = [
        str(uuid.UUID(int=int(RNG.integers(2**62)) << 64 | int(RNG.integers(2**62)), version=4))
        for _ in range(40)
    ]
    found = new_ids(ids)
    assert {uuid.UUID(text).version for text in found} == {4}
    objects = new_ids(pd.Series([uuid.UUID(text) for text in ids], dtype=object))
    assert {type(value) for value in objects} == {uuid.UUID}


def test_text_of_one_pattern_keeps_it():
    letters = RNG.choice(list("ABCDEFGHJK"), (80, 2))
    digits = RNG.integers(0, 10, (80, 3))
    ids = sorted({"".join(a) + "-" + "".join(map(str, b)) for a, b in zip(letters, digits, strict=True)})
    assert new_ids(ids, n=60).str.fullmatch(r"[A-K]{2}-\d{3}").all()


def test_when_a_pattern_has_no_names_left_they_get_longer():
    ids = [f"{a}{b}" for a in "ABCDEFGH" for b in "ABCDEFGH"]
    found = new_ids(ids, n=60, id_columns=["key"])
    assert found.str.len().min() > 2


def test_missing_identifiers_stay_missing_at_their_rate():
    ids = pd.Series([f"U{k}" for k in range(100)], dtype=object).mask(np.arange(100) % 50 == 3, None)
    found = new_ids(ids)
    assert found.isna().tolist() == ids[:50].isna().tolist()


def test_named_columns_are_identifiers_without_a_note():
    words = [f"{a}{b}" for a in ("ann", "bea", "carla") for b in ("berg", "dal", "hof", "see", "stein")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new_ids(words, n=15, id_columns=["key"])
        new_ids(RNG.choice(10**6, 40, replace=False), id_columns=[True, False])


NO_IDS = {
    "few rows": np.arange(15),
    "amounts, all distinct": RNG.choice(10**5, 60, replace=False),
    "years in order": np.arange(1950, 2020),
    "ages in order": np.arange(20, 80),
    "days in order": DAYS.drop_duplicates().sort_values().dt.strftime("%Y%m%d").astype(int).to_numpy()[:300],
    "days as text": DAYS.drop_duplicates().dt.strftime("%Y-%m-%d").to_numpy()[:300],
    "stamps": STAMPS.drop_duplicates().to_numpy()[:300],
    "reals": RNG.normal(size=300),
    "whole reals": np.rint(RNG.normal(size=60) * 10**6),
    "names": [
        f"{a} {b}" for a in ("Ann", "Bea", "Carla", "Dora", "Eva") for b in ("Berg", "Dal", "Hof", "See")
    ],
    "words": [
        f"{a}{b}" for a in ("ann", "bea", "carla", "dora", "eva") for b in ("berg", "dal", "hof", "see")
    ],
    "few days as text": DAYS.drop_duplicates().dt.strftime("%d.%m.%Y").to_numpy()[:55],
    "months as text": [f"{year}-{month:02d}" for year in (2020, 2021, 2022) for month in range(1, 13)],
    "weights as text": [f"{k}kg" for k in RNG.permutation(200)[:40]],
    "shares as text": [f"{k / 10}%" for k in RNG.permutation(999)[:90]],
    "addresses": [f"192.168.{k % 4}.{k}" for k in RNG.permutation(250)[:90]],
    "decimals as text": np.round(RNG.random(80) + 1, 3).astype(str),
    "amounts as text": RNG.choice(10**5, 60, replace=False).astype(str),
    "decimals": pd.Series([Decimal(k).scaleb(-2) for k in range(60)], dtype=object),
    "categories": pd.Series([f"C{k}" for k in range(60)], dtype="category"),
    "repeats": np.arange(300) // 2,
    "most missing": pd.Series(np.arange(100)).where(np.arange(100) > 50),
}


@pytest.mark.parametrize("name", list(NO_IDS))
def test_no_identifier_is_seen_where_there_is_none(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        codec = TableCodec().fit(table(NO_IDS[name]))
    assert codec.id_columns_ == []


def test_zip_codes_that_are_all_distinct_are_no_identifiers():
    codes = RNG.choice(np.arange(10_000, 99_999), 250, replace=False)
    with pytest.warns(ColumnNote, match="columns of codes: 'zip'.*categorical_features"):
        codec = TableCodec().fit(table(codes, "zip"))
    assert codec.id_columns_ == []


def test_arrays_are_not_searched():
    codec = TableCodec().fit(np.stack([np.arange(100.0), RNG.normal(size=100)], axis=1))
    assert codec.id_columns_ == []


def test_positions_name_identifiers_of_an_array():
    X = np.stack([np.arange(100.0), RNG.normal(size=100)], axis=1)
    codec = TableCodec(id_columns=[0]).fit(X)
    assert codec.decode(codec.encode(X))[:2, 0].tolist() == [100.0, 101.0]


def test_a_table_of_nothing_but_row_numbers_is_learned():
    assert TableCodec().fit(pd.DataFrame({"x": np.arange(50)})).id_columns_ == []


# --- notes and ways to overrule them ---------------------------------------------------


def test_one_note_tells_all():
    frame = table(np.arange(ROWS)).assign(
        day=DAYS.dt.strftime("%Y%m%d").astype(int), zip=RNG.choice(CODES, ROWS)
    )
    with pytest.warns(ColumnNote) as caught:
        TableCodec().fit(frame)
    (note,) = [str(item.message) for item in caught]
    for words in ("'key'", "id_columns=", "'zip'", "'day' (dates or times, written like 20090301)"):
        assert words in note


AMOUNTS = RNG.integers(100_000, 10**6, ROWS) / 100
TEXTS = {
    "plain": ([f"{amount:.2f}" for amount in AMOUNTS], r"pd\.to_numeric\(X\['text'\]\)"),
    "comma": ([f"{amount:.2f}".replace(".", ",") for amount in AMOUNTS], r'decimal=","'),
    "comma and points": (
        [f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) for amount in AMOUNTS],
        r'decimal=",", thousands="\."',
    ),
    "thousands": ([f"{amount:,.2f}" for amount in AMOUNTS], r'thousands=","'),
    "euro": (
        [f"€{amount:.2f}" for amount in AMOUNTS],
        r"numbers from 'text' .*take the signs off: X\['text'\]",
    ),
    "offsets": (
        [f"{time.isoformat()}+0{1 + (3 < time.month < 11)}:00" for time in STAMPS],
        r"pd\.to_datetime\(X\['text'\], format='mixed', utc=True\)",
    ),
    "words": (
        [f"{k % 80 + 1}" if k % 4 else ("n/a", "unlimited")[k % 8 // 4] for k in range(400)],
        r"\('n/a'\), convert it: X\['text'\] = pd\.to_numeric\(X\['text'\], errors='coerce'\), which "
        "leaves such texts missing",
    ),
    "ordinals": ([f"{time.day}th {time:%B %Y}" for time in STAMPS], "dates from 'text'"),
}


@pytest.mark.parametrize("name", list(TEXTS))
def test_text_that_could_be_numbers_or_dates_is_said(name):
    texts, advice = TEXTS[name]
    with pytest.warns(ColumnNote, match=f"{advice}.*list them in categorical_features"):
        TableCodec().fit(table(texts, "text"))


NAMES = [f"{a} {b}" for a in ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus") for b in "BCDGKLMNPRSTVWZ"]
SINGLE = {
    "comments beside usual ones": ["no issues"] * 300
    + [f"waits since {k} days, ref {k}" for k in range(110)],
    "with gaps": [None] * 900 + [f"Flat {k}, {k} High Street" for k in range(120)],
    "names of people": NAMES + NAMES[:4],
}


@pytest.mark.parametrize("name", list(SINGLE))
def test_texts_of_single_rows_are_said(name):
    once = pd.Series(SINGLE[name]).value_counts().eq(1)
    said = f"'text' \\({once.sum()} of {len(once)} texts occur once\\).*word for word.*before you share"
    with pytest.warns(ColumnNote, match=said):
        TableCodec().fit(table(SINGLE[name], "text"))


@pytest.mark.parametrize(
    "texts",
    [
        # Cities: many occur once, as in any language of few frequent and many rare words.
        [f"city {k}" for k in np.minimum(RNG.zipf(1.5, 4_000), 10**6)],
        [f"job {k}" for k in RNG.integers(0, 300, 600)],
        ["no"] * 900 + [f"typed {k}" for k in range(20)],
    ],
    ids=["cities", "jobs", "typing errors"],
)
def test_categories_that_mostly_repeat_get_no_note(texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableCodec(id_columns=None).fit(table(texts, "text"))


def test_texts_of_single_rows_that_are_wanted_get_no_note():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableCodec(["text"]).fit(table(SINGLE["with gaps"], "text"))


def test_advice_on_numbers_in_text_gives_the_numbers():
    texts = pd.Series([f"{amount:.2f} €".replace(".", ",") for amount in AMOUNTS])
    with pytest.warns(ColumnNote) as caught:
        TableCodec().fit(table(texts, "text"))
    X = table(texts, "text")
    exec(re.search(r"X\['text'\] = .*?\.astype\(float\)", str(caught[0].message))[0], {"X": X})
    np.testing.assert_allclose(X["text"], AMOUNTS)


@pytest.mark.parametrize(
    "texts",
    [
        ["0.5", "1.0", "1.5"] * 20,
        [f"{k % 40:05d}" for k in range(90)],
        [f"{k % 40}.5 {'V' * (k % 5)}" for k in range(90)],
        [f"v{k % 40}" for k in range(90)],
    ],
)
def test_other_text_gets_no_note(texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TableCodec(id_columns=None).fit(table(texts, "text"))


@pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")
def test_parameters_overrule_what_is_found():
    frame = table(np.arange(ROWS)).assign(
        day=DAYS.dt.strftime("%Y%m%d").astype(int), zip=RNG.choice(CODES, ROWS)
    )
    kinds = [codec.kind for codec in TableCodec(None, id_columns=None).fit(frame).codecs_]
    assert kinds == ["numeric"] * 4
    kinds = [codec.kind for codec in TableCodec(["key", "day", "zip"]).fit(frame).codecs_]
    assert kinds == ["categorical", "numeric", "categorical", "categorical"]


def test_dates_cannot_be_identifiers():
    with pytest.raises(
        RejectedColumn, match=r"'key' is named in id_columns.*whole numbers, text or UUIDs.*astype"
    ):
        TableCodec(id_columns=["key"]).fit(table(STAMPS))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["nobody"], "id_columns names 'nobody', which is no column of X"),
        ("key", r"id_columns: allowed are 'auto'.*For one column, pass a list"),
        ([5], r"id_columns: positions lie in \[0, 1\], got 5"),
        ([True], "id_columns: a mask needs one entry per column"),
    ],
)
def test_unknown_columns_are_refused(chosen, words):
    with pytest.raises(InputError, match=words):
        TableCodec(id_columns=chosen).fit(table(np.arange(50)))


def test_a_column_is_not_both():
    with pytest.raises(InputError, match="both name 'key'"):
        TableCodec(["key"], id_columns=["key"]).fit(table(np.arange(50)))


def test_a_dtype_without_more_numbers_says_so():
    frame = table(np.arange(120, dtype="int8"))
    codec = TableCodec(id_columns=["key"]).fit(frame)
    with pytest.raises(
        InputError, match=r"'key': there are no more identifiers of dtype int8 after 127.*int64"
    ):
        codec.decode(codec.encode(frame))


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, True) for name in ["id", "user_id", "userId", "ID_2", "order id", "uuid", "index", "row_index"]]
    + [
        (name, False)
        for name in ["user_id_count", "price_index", "stock index", "valid", "idle", "index_fund"]
    ],
)
def test_a_column_is_called_an_identifier_by_its_first_or_last_word(name, expected):
    assert is_called(name, ID_NAMES) == expected
