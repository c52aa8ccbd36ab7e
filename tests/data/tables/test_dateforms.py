"""Known cells that are dates, in another spelling than that of fit."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from vaeaug import VAEAugmenter
from vaeaug.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::vaeaug.errors.ColumnNote")

DAYS = pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(200) * 5 % 700, "D"))
#: Columns as fit sees them.
FORMS = {
    "text": DAYS.dt.strftime("%d.%m.%Y").astype(object),
    "str": DAYS.dt.strftime("%d.%m.%Y").astype("string"),
    "month first": DAYS.dt.strftime("%m/%d/%Y").astype(object),
    "times": DAYS.astype("datetime64[ns]"),
    "zoned": DAYS.dt.tz_localize("Europe/Berlin"),
    "dates": DAYS.dt.date.astype(object),
    "numbers": DAYS.dt.strftime("%Y%m%d").astype(int),
}
#: The same days in other spellings.
SPELLINGS = {
    "iso": lambda days: days.dt.strftime("%Y-%m-%d").astype(object),
    "iso with time": lambda days: days.dt.strftime("%Y-%m-%dT00:00:00").astype(object),
    "times": lambda days: days.astype("datetime64[ns]"),
    "dates": lambda days: days.dt.date.astype(object),
    "some": lambda days: days.dt.strftime("%Y-%m-%d").astype(object).where(days.index % 2 == 0, None),
}


@pytest.fixture(scope="module")
def augmenter():
    X = pd.DataFrame({**FORMS, "size": np.arange(200) % 17})
    return VAEAugmenter(max_iter=1, random_state=0, relations=None, id_columns=None).fit(X)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("form", FORMS)
def test_given_dates_are_read_in_other_spellings(augmenter, form, spelling):
    given = pd.DataFrame({form: SPELLINGS[spelling](DAYS[:20])}, index=range(20))
    found, _ = augmenter.sample(given=given, random_state=0)
    assert found[form].dtype == FORMS[form].dtype
    known = given[form].notna()
    assert found[form][known].tolist() == FORMS[form][:20][known].tolist()
    own, _ = augmenter.sample(given=FORMS[form][:20].to_frame(form).where(known), random_state=0)
    assert found["size"].equals(own["size"])


@pytest.mark.parametrize("form", ["text", "str", "month first"])
@pytest.mark.parametrize("copies", [True, False])
def test_one_date_in_another_spelling_is_read(augmenter, form, copies):
    given = pd.DataFrame({form: ["2022-01-06"]})
    if copies:  # as pandas 3 has it, values of a comparison cannot be written to
        with pd.option_context("mode.copy_on_write", True):
            found, _ = augmenter.sample(given=given, random_state=0)
    else:
        found, _ = augmenter.sample(given=given, random_state=0)
    assert found[form].tolist() == FORMS[form][1:2].tolist()


def test_given_fractions_of_whole_numbers_are_refused(augmenter):
    given = pd.DataFrame({"size": [3.0, 12.5]}, index=["a", "b"])
    with pytest.raises(InputError, match="'size' has whole numbers in fit.*1 cell.*first in row 'b': 12.5"):
        augmenter.sample(given=given, random_state=0)
    assert augmenter.sample(given=given[:1], random_state=0)[0]["size"].tolist() == [3]


@pytest.mark.parametrize("form", ["text", "times"])
def test_missing_cells_are_filled_beside_dates_in_another_spelling(augmenter, form):
    X = pd.DataFrame({**FORMS, "size": np.arange(200) % 17})[:30]
    holes = X.assign(**{form: SPELLINGS["iso" if form == "times" else "times"](DAYS[:30]), "size": None})
    holes.loc[4, form] = None
    found = augmenter.complete(holes, random_state=0)
    assert found[form].dtype == X[form].dtype
    known = np.arange(30) != 4
    assert found[form][known].equals(X[form][known])
    assert found[form].notna().all()
    own = augmenter.complete(X.assign(size=None, **{form: X[form].where(known)}), random_state=0)
    assert found["size"].astype(int).equals(own["size"].astype(int))


@pytest.mark.parametrize("value", ["soon", "2022-02-30", "03/04/22", "2022-07-01 13:30", 7])
@pytest.mark.parametrize("form", ["text", "times", "zoned", "dates"])
def test_cells_that_are_no_dates_are_refused(augmenter, form, value):
    if value == "2022-07-01 13:30" and form in ("times", "zoned"):
        value = "03/04/2022"
    cells = FORMS[form][:5].astype(object)
    cells[[2, 3]] = value
    with pytest.raises(InputError) as caught:
        augmenter.sample(given=cells.rename(form).to_frame().set_axis(list("abcde")))
    said = str(caught.value)
    assert said.startswith(f"given: column {form!r} has 2 cells")
    assert f"first in row 'c': {value!r}" in said
    assert any(f"Fit saw cells such as {str(one)!r}" in said for one in FORMS[form])
    X = pd.DataFrame({**FORMS, "size": np.arange(200) % 17})[:5].assign(**{form: cells}, size=None)
    with pytest.raises(InputError, match=f"complete: column {form!r} has 2 cells"):
        augmenter.complete(X)


def test_cells_that_fit_saw_among_dates_are_no_spelling():
    texts = DAYS.dt.strftime("%d.%m.%Y").astype(object)
    texts[::20] = "unknown"
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(pd.DataFrame({"day": texts, "n": range(200)}))
    given = pd.DataFrame({"day": ["unknown", "1.7.2022", datetime.datetime(2022, 7, 2)]})
    found, _ = augmenter.sample(given=given, random_state=0)
    assert found["day"].tolist() == ["unknown", "1.7.2022", "02.07.2022"]


@pytest.mark.parametrize("value", ["12,5", "twelve"])
def test_text_where_numbers_are_needed_is_refused(augmenter, value):
    given = pd.DataFrame({"size": [1, value]}, dtype=object)
    with pytest.raises(InputError, match="'size' held numbers in fit"):
        augmenter.sample(given=given)
