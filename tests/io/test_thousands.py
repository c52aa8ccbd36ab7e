"""Numbers with grouped thousands: read where asked for, spelled the same way, and said where not."""

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter
from vaeaug.data.tables.recognition import find_number_signs
from vaeaug.errors import ColumnNote, InputError
from vaeaug.io.cells import read_column
from vaeaug.io.tables import read_table


def test_grouped_numbers_are_read_and_spelled_alike():
    cells = pd.Series(["1,234.50", "12.00", "", "-2,000,000.25"], name="price")
    column = read_column(cells, thousands=",")
    assert column.values[[0, 1, 3]].tolist() == [1234.5, 12.0, -2000000.25]
    assert column.spell(pd.Series([1234567.125, 5.0, np.nan, 1234.5])).tolist() == [
        "1,234,567.12",
        "5.00",
        "",
        "1,234.50",
    ]
    whole = read_column(pd.Series(["1.234", "7"]), thousands=".", decimal=",")
    assert whole.values.tolist() == [1234, 7]
    assert whole.spell(pd.Series([1_000_000, 12])).tolist() == ["1.000.000", "12"]


def test_other_columns_do_not_change():
    for cells in (["1,2", "3,4"], ["a,b", "c"], ["12", "13"]):
        series = pd.Series(cells, dtype=object)
        found, plain = read_column(series, thousands=","), read_column(series)
        pd.testing.assert_series_equal(found.values, plain.values)


def test_signs_that_are_both_the_same_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text('a\n"1,2"\n')
    with pytest.raises(InputError, match="--thousands and --decimal are both ','"):
        read_table(tmp_path / "a.csv", thousands=",", decimal=",")


@pytest.mark.parametrize(
    ("texts", "signs"),
    [
        (["1,234.50", "12.00"], ","),
        (["$1,234", "€ 5"], "$,€"),
        (["12%", "13.5 %"], "%"),
        (["12", "13"], ""),
        (["a,b", "1,234"], ""),
        (["2024-01-02", "2024-01-03"], ""),
        (["007", "008"], ""),
        (["12.5", "1.234"], ""),
    ],
)
def test_signs_around_numbers_are_found(texts, signs):
    assert find_number_signs(texts) == signs


def test_fit_says_that_text_would_be_numbers():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"price": [f"{value:,.2f}" for value in rng.uniform(1, 9000, 60)], "a": rng.normal(size=60)}
    )
    with pytest.warns(ColumnNote, match=r"'price' .*thousands=\",\"") as notes:
        VAEAugmenter(max_iter=1, random_state=0).fit(X)
    assert notes[0].filename == __file__
