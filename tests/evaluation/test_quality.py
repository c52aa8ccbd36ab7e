"""The report on new rows: what stands out, the verdict, the figures, the page."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation import column_shapes, pair_trends, report
from vaeaug.evaluation.quality.columns import compare_columns
from vaeaug.evaluation.quality.pairs import associate
from vaeaug.evaluation.quality.sides import Sides
from vaeaug.evaluation.tables import join_tables

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def loans() -> pd.DataFrame:
    """Return 600 rows with a rule, related columns and a class."""
    rng = np.random.default_rng(0)
    net, tax = rng.integers(100, 999, (2, 600))
    job = rng.choice(["nurse", "clerk", "smith"], 600, p=[0.6, 0.3, 0.1])
    pay = np.round(1000 * (job == "smith") + 300 * rng.normal(size=600) + 3 * net)
    late = np.where(net + rng.normal(scale=150, size=600) > 700, "yes", "no")
    return pd.DataFrame({"net": net, "tax": tax, "total": net + tax, "job": job, "pay": pay, "late": late})


@pytest.fixture
def halves(loans):
    """Return two samples of one source."""
    return loans.iloc[:300].reset_index(drop=True), loans.iloc[300:].reset_index(drop=True)


def topics(quality):
    return [finding.topic for finding in quality.findings]


class TestWhatStandsOut:
    def test_nothing_among_rows_of_one_source(self, halves):
        quality = report(*halves, target="late")
        assert quality.findings == []
        assert quality.verdict == "faithful"

    def test_nothing_among_tables_of_every_dtype(self, real, twin):
        assert report(real, twin, target="flag").findings == []

    def test_copies_come_first(self, loans):
        quality = report(loans, loans.sample(600, replace=True, random_state=1), target="late")
        assert quality.findings[0].topic == "copies"
        assert "100 % of the new rows" in quality.findings[0].text
        assert quality.verdict == "copies of real rows"

    def test_near_copies(self, loans):
        rng = np.random.default_rng(1)
        new = loans.assign(pay=loans["pay"] + rng.choice([-1.0, 1.0], 600))
        quality = report(loans, new)
        first, *others = quality.findings
        assert "they are variations of single rows" in first.text
        assert "--method prior" in first.text
        # Trees that take them for the same rows say the same, in a figure that reads like praise.
        assert not [each for each in others if each.topic == "telling"]
        assert np.isnan(quality.scores.at["two_sample", "value"])
        assert "ROC AUC" not in quality.agreement
        for text in (quality.agreement, quality.to_html()):
            assert "held_out rows (--held-out on the command line)" in text

    def test_equal_rows_are_no_copies_where_real_rows_are_equal_too(self):
        rng = np.random.default_rng(0)
        coarse = [pd.DataFrame(rng.integers(0, 3, (500, 3)), columns=list("abc")) for _ in range(2)]
        assert report(*coarse).findings == []

    def test_a_column_that_differs(self, halves):
        real, new = (table.drop(columns="total") for table in halves)
        finding = report(real, new.assign(tax=new["tax"] // 2)).findings[0]
        assert (finding.topic, finding.subject) == ("columns", ("tax",))
        assert "mean" in finding.text

    @pytest.mark.parametrize("form", ["%d.%m.%Y", "%Y-%m-%d"])
    def test_text_that_holds_dates_counts_as_dates(self, halves, form):
        offsets = np.random.default_rng(0).integers(0, 200, (2, 300))
        real, same = (
            half.assign(when=(pd.Timestamp("2020-01-01") + pd.to_timedelta(part, unit="D")).strftime(form))
            for half, part in zip(halves, offsets, strict=True)
        )
        quality = report(real, same)
        assert quality.findings == []
        assert quality.table.loc["when", "kind"] == "date"
        later = same.assign(when=(pd.to_datetime(same["when"], format=form) + pd.Timedelta(days=900)))
        later["when"] = later["when"].dt.strftime(form)
        assert ("columns", ("when",)) in [(f.topic, f.subject) for f in report(real, later).findings]

    def test_text_that_new_rows_write_in_another_form_stays_text(self, halves):
        days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(300) % 150, unit="D")
        real, new = (half.assign(when=days.strftime("%d.%m.%Y")) for half in halves)
        new.loc[3, "when"] = "soon"
        assert report(real, new).table.loc["when", "kind"] in ("category", "text")

    def test_a_value_that_explains_a_difference_is_named(self, halves):
        real, new = halves
        spiked = real.assign(tax=real["tax"].where(real.index % 2 == 0, 0))
        assert "0 in 50.0 % of real rows, 0 % of new ones" in report(spiked, new).findings[0].text

    def test_the_category_whose_share_differs_most_is_named(self, halves):
        real, new = halves
        new.loc[:150, "job"] = "clerk"
        texts = [finding.text for finding in report(real, new).findings if finding.subject == ("job",)]
        assert "'clerk' in" in texts[0]

    def test_associations_that_are_lost(self, halves):
        real, new = halves
        shuffled = pd.DataFrame({c: new[c].sample(frac=1, random_state=i).array for i, c in enumerate(new)})
        quality = report(real, shuffled, target="late")
        assert quality.verdict == "not faithful"
        assert "pairs" in topics(quality)[:3]
        assert any("is lost" in finding.text for finding in quality.findings)
        assert quality.table["score"].min() > 0.85

    def test_a_broken_rule(self, halves):
        real, new = halves
        new.loc[:59, "total"] += 1
        finding = report(real, new).findings[0]
        assert finding.topic == "rules"
        assert "total == net + tax holds in 100 % of real rows, in 80.0 % of new ones" in finding.text

    def test_missing_cells(self, halves):
        real, new = halves
        finding = report(real, new.assign(pay=new["pay"].where(new.index % 2 == 0))).findings[0]
        assert finding.text == "Missing cells of 'pay': 0 % of real rows, 50.0 % of new ones."

    def test_categories_that_are_lost_and_invented(self, halves):
        real, new = halves
        new["job"] = new["job"].replace({"smith": "wizard"})
        texts = " ".join(finding.text for finding in report(real, new).findings)
        assert "1 category of 'job' is missing among new rows" in texts
        assert "'job' has 1 category that no real row has" in texts
        assert "'wizard'" in texts

    def test_values_beyond_the_range(self, halves):
        real, new = halves
        new.loc[:59, "pay"] = 1e6
        assert any("lie beyond the range" in each.text for each in report(real, new).findings)

    def test_rows_that_teach_nothing(self, halves, loans):
        real, new = halves
        new["late"] = new["late"].sample(frac=1, random_state=0).array
        quality = report(real, new, target="late")
        assert "use" in topics(quality)
        assert quality.scores.at["utility", "value"] < quality.scores.at["utility", "real"] - 0.1

    def test_rows_that_repeat_each_other(self, halves):
        real, new = halves
        new = pd.concat([new.iloc[:60]] * 5)
        assert any("repeat an earlier new row" in each.text for each in report(real, new).findings)

    def test_one_topic_does_not_crowd_others_out(self, real, twin):
        shuffled = pd.DataFrame({c: twin[c].sample(frac=1, random_state=i).array for i, c in enumerate(twin)})
        found = topics(report(real, shuffled, target="flag"))
        assert found.count("pairs") > 5
        assert set(found[:5]) == set(found)

    def test_trees_that_do_worse_than_guessing(self, loans):
        copied = report(loans, loans.sample(600, replace=True, random_state=1))
        assert "telling" not in topics(copied)  # the finding on copies says it
        varied, rng = (
            loans.sample(600, replace=True, random_state=1).reset_index(drop=True),
            np.random.default_rng(0),
        )
        for name in ("net", "tax", "pay"):
            moved = rng.uniform(-0.15, 0.15, 600) * loans[name].std()
            varied[name] += moved.round().astype(varied[name].dtype)
        varied = report(loans, varied.assign(total=varied["net"] + varied["tax"]))
        assert topics(varied)[0] == "telling"
        assert "no fault where new rows were added" in varied.findings[0].text
        for quality in (copied, varied):
            assert "New rows follow the rows that were learned from so closely" in quality.agreement

    def test_few_rows_are_not_judged(self, halves):
        quality = report(halves[0], halves[1].iloc[:10])
        assert quality.verdict == "too few rows to judge"
        assert quality.findings == []

    def test_texts_of_single_rows_that_new_rows_repeat(self, halves):
        real, new = halves
        said = [f"waits since {k} days" if k % 3 else "no issues" for k in range(300)]
        quality = report(real.assign(said=said), new.assign(said=said))
        assert [finding.topic for finding in quality.findings] == ["copies"]
        assert quality.findings[0].text.startswith(
            "66.7 % of the new rows repeat a text of 'said' that one real row alone has"
        )
        assert quality.verdict == "faithful, with exceptions"

    def test_new_texts_are_no_copies(self, halves):
        real, new = halves
        real = real.assign(said=[f"waits since {k} days" for k in range(300)])
        new = new.assign(said=[f"waits since {k} days" for k in range(295, 595)])
        assert "copies" not in topics(report(real, new, id_columns=None))


class TestRealRowsAmongNewOnes:
    """What augment and resample return holds the real rows, which is no copying."""

    @pytest.mark.parametrize("order", ["first", "last", "mixed"])
    def test_they_are_said_first_and_left_out(self, halves, order):
        real, new = halves
        both = pd.concat([real, new] if order == "first" else [new, real])
        quality = report(real, both.sample(frac=1, random_state=0) if order == "mixed" else both)
        first = quality.summary().splitlines()[1]
        assert first.startswith(
            "new holds 300 of the 300 rows of real: only its other 300 rows are compared."
        )
        assert quality.verdict == report(real, new).verdict == "faithful"
        assert quality.scores.at["exact_copies", "value"] == 0
        assert "new holds 300 of" in quality.to_html()

    def test_also_where_only_a_part_was_augmented(self, loans, halves):
        real, new = halves
        rest = loans.sample(300, random_state=3).assign(pay=1)
        held = report(real, pd.concat([real.sample(200, random_state=1), rest])).held
        assert held.startswith("new holds 200 of the 300 rows")

    def test_nothing_but_real_rows_is_copying(self, halves):
        real, _ = halves
        twice = pd.concat([real, real.sample(300, replace=True, random_state=0)])
        for copied in (real, real.iloc[::-1], twice):
            quality = report(real, copied)
            assert quality.verdict == "copies of real rows"
            assert quality.held == ""

    def test_copies_among_the_rest_are_still_copies(self, halves):
        real, new = halves
        rest = pd.concat([new.iloc[:100], real.iloc[:200]])
        quality = report(real, pd.concat([real, rest]))
        assert quality.verdict == "copies of real rows"
        assert "66.7 % of the new rows are copies" in quality.findings[0].text

    def test_some_copies_among_new_rows_are_copies(self, halves):
        real, new = halves
        mixed = pd.concat([real.iloc[:200], new.iloc[:100]]).sample(frac=1, random_state=0)
        quality = report(real, mixed)
        assert quality.verdict == "copies of real rows"
        assert quality.held == ""

    def test_coarse_rows_are_equal_by_chance(self):
        rng = np.random.default_rng(0)
        real, new = (pd.DataFrame(rng.integers(0, 3, (rows, 3)), columns=list("abc")) for rows in (300, 3000))
        assert report(real, new).held == ""
        same = pd.DataFrame({"a": [1] * 300, "b": [2] * 299 + [3]})
        assert report(same, pd.concat([same] * 3)).held == ""

    def test_coarse_rows_are_known_by_their_order(self):
        rng = np.random.default_rng(0)
        real, new = (pd.DataFrame(rng.integers(0, 3, (300, 3)), columns=list("abc")) for _ in range(2))
        quality = report(real, pd.concat([real, new]))
        assert quality.held.startswith("new holds 300 of the 300 rows")
        assert "copies" not in topics(quality)

    def test_names_of_rows_do_not_hide_them(self, halves):
        real, new = (
            half.assign(key=[f"{letter}-{k:04}" for k in range(300)])
            for half, letter in zip(halves, "AB", strict=True)
        )
        both = pd.concat([real, new]).assign(key=[f"C-{k:04}" for k in range(600)])
        assert report(real, both).held.startswith("new holds 300")
        assert report(real, pd.concat([real, new])).held.startswith("new holds 300")

    def test_a_flag_is_named_with_the_next_step(self, halves):
        real, new = halves
        with pytest.raises(InputError, match=r"pass new\[new\['made'\]\]\.drop\(columns='made'\)"):
            report(real, new.assign(made=True))


class TestDeclaredRules:
    def test_they_count_beside_those_that_are_found(self, halves):
        real, new = halves
        new.loc[:59, "pay"] = 0
        quality = report(real, new, relations=["auto", "pay >= tax"])
        rules = quality.rules.set_index("formula")
        assert {"total == net + tax", "tax <= pay"} <= set(rules.index)
        assert rules.at["tax <= pay", "new"] < rules.at["tax <= pay", "real"]
        assert "rules" in topics(quality)

    def test_they_are_kept_in_a_wide_table(self, halves):
        wide = [
            pd.concat([pd.DataFrame(0, index=half.index, columns=range(60)).add_prefix("c"), half], axis=1)
            for half in halves
        ]
        assert "tax <= pay" in set(report(*wide, relations=["auto", "pay >= tax"]).rules["formula"])

    def test_an_unknown_column_is_refused(self, halves):
        with pytest.raises(InputError, match="no column 'pau'"):
            report(*halves, relations=["auto", "pau >= tax"])


class TestClassMix:
    def test_minority_rows_are_compared_with_minority_rows(self, loans):
        real, new = loans.iloc[:400], loans.iloc[400:]
        quality = report(real, new[new["late"] == "yes"], target="late")
        assert "100 % of the new rows" in quality.mix
        assert "as it should be for rows that balance classes" in quality.mix
        assert quality.findings == []
        assert quality.table.at["net", "score"] > 0.8

    def test_they_differ_from_all_rows(self, loans):
        real, new = loans.iloc[:400], loans.iloc[400:]
        assert report(real, new[new["late"] == "yes"]).verdict == "not faithful"

    def test_the_same_mix_is_left_alone(self, halves):
        assert report(*halves, target="late").mix == ""

    def test_rules_are_looked_for_in_all_real_rows(self, loans):
        real, new = loans.iloc[:400], loans.iloc[400:]
        late = real.index[real["late"] == "yes"]
        rules = report(real.drop(late[30:]), new[new["late"] == "yes"], target="late").rules
        assert rules["formula"].tolist() == ["total == net + tax"]
        assert rules[["real", "new"]].to_numpy().tolist() == [[1.0, 1.0]]

    def test_rows_that_keep_a_rule_are_counted_in_the_same_mix(self, loans):
        late = loans[loans["late"] == "yes"]
        rules = report(loans, late, target="late", relations=["net >= tax"]).rules
        assert rules.at[0, "real"] == rules.at[0, "new"] == pytest.approx((late["net"] >= late["tax"]).mean())

    def test_one_class_teaches_nothing_and_is_told(self, loans):
        page = report(loans, loans[loans["late"] == "yes"], target="late").to_html()
        assert "new rows are of one class; ask vaeaug.assess" in page


class TestFigures:
    def test_scores_are_those_of_the_single_measures(self, real, twin):
        quality = report(real, twin)
        expected = column_shapes(real, twin, missing="drop")
        pd.testing.assert_series_equal(
            quality.table["score"].sort_index(), expected.sort_index(), check_names=False, check_index=False
        )
        pairs = pair_trends(real, twin)
        own = quality.pairs.set_index(["first", "second"])["score"]
        np.testing.assert_allclose(own.sort_index(), pairs.sort_index())
        assert quality.scores.at["pair_trends", "value"] == pytest.approx(pairs.mean())

    def test_association_of_a_pair_without_correlation(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=800)
        real = pd.DataFrame({"x": x, "y": x**2})
        new = pd.DataFrame({"x": x, "y": rng.permutation(x**2)})
        pair = report(real, new).pairs.iloc[0]
        assert pair["measure"] == "Cramér's V"
        assert pair["real"] > 0.5 > 0.1 > pair["new"]

    def test_a_reversed_correlation(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=500)
        real = pd.DataFrame({"x": x, "y": x + rng.normal(size=500)})
        quality = report(real, real.assign(y=-real["y"]))
        assert "is reversed" in quality.findings[0].text
        assert quality.pairs.at[0, "measure"] == "rank correlation"

    def test_bias_of_cramers_v_is_corrected(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 10, (300, 4))
        strength = associate(codes, 10)[np.triu_indices(4, 1)]
        assert strength.max() < 0.12

    def test_the_floor_holds_for_rows_of_one_source(self):
        rng = np.random.default_rng(0)
        below = []
        for _ in range(40):
            sides = [
                pd.DataFrame({"n": rng.normal(size=200), "c": rng.choice(list("abcdefgh"), 200)})
                for _ in range(2)
            ]
            pair = Sides.read(dict(zip(("real", "new"), sides, strict=True)), None, None, 0)
            joined = join_tables({"real": pair.real, "new": pair.new})
            below.extend((compare_columns(pair, joined)["excess"] > 0).tolist())
        # 80 columns, of which 4 are expected; more than 11 have a chance of 1 in 1,000.
        assert sum(below) <= 11

    def test_held_out_rows_are_what_models_are_tested_on(self, loans):
        real, new, held_out = loans.iloc[:250], loans.iloc[250:500], loans.iloc[500:]
        quality = report(real, new, target="late", held_out=held_out)
        assert "100 real rows that the generator has not seen" in quality.to_html()

    def test_regression(self, halves):
        quality = report(*halves, target="pay")
        assert 0.5 < quality.scores.at["utility", "real"] < 1
        assert "R²" in quality.to_html()

    def test_same_seed_same_figures(self, halves):
        one, two = (report(*halves, target="late", random_state=3) for _ in range(2))
        pd.testing.assert_frame_equal(one.scores, two.scores)
        assert one.to_html() == two.to_html()

    def test_tables_are_not_changed(self, halves):
        before = [table.copy() for table in halves]
        report(*halves, target="late")
        for table, copy in zip(halves, before, strict=True):
            pd.testing.assert_frame_equal(table, copy)

    def test_identifiers_are_left_out_and_told(self, halves):
        real, new = halves
        quality = report(real.assign(id=range(300)), new.assign(id=[5] * 100 + list(range(900, 1100))))
        assert "id" not in quality.table.index
        assert "99 new rows repeat a name, 100 have the name of a real row" in quality.to_html()

    def test_identifiers_on_request(self, halves):
        assert "job" not in report(*halves, id_columns=["job"]).table.index


@pytest.mark.filterwarnings("ignore")
class TestAgainstSdmetrics:
    """Its quality report, where it is installed, with thresholds 0."""

    def test_scores_of_columns_and_pairs(self, real, twin):
        single_table = pytest.importorskip("sdmetrics.reports.single_table")
        columns = ["size", "weight", "count", "colour", "town", "flag"]
        a, b = (t[columns].dropna().astype({"colour": object, "count": "int64"}) for t in (real, twin))
        b["weight"] = b["weight"].sample(frac=1, random_state=0).to_numpy()
        kinds = {c: "numerical" if c in columns[:3] else "categorical" for c in columns}
        theirs = single_table.QualityReport()
        theirs.real_correlation_threshold = theirs.real_association_threshold = 0
        theirs.num_rows_subsample = None
        theirs.generate(a, b, {"columns": {c: {"sdtype": kinds[c]} for c in columns}}, verbose=False)
        ours = report(a, b).scores["value"]
        expected = theirs.get_properties()["Score"].tolist()
        assert [ours["column_shapes"], ours["pair_trends"]] == pytest.approx(expected, abs=1e-6)


class TestOddTables:
    def test_another_order_of_columns(self, halves):
        real, new = halves
        one, two = report(real, new), report(real, new[new.columns[::-1]])
        pd.testing.assert_frame_equal(one.table, two.table)

    def test_polars(self, halves):
        polars = pytest.importorskip("polars")
        frames = [polars.from_pandas(table) for table in halves]
        assert report(*frames, target="late").verdict == "faithful"

    def test_arrays(self):
        rows = np.random.default_rng(0).normal(size=(2, 100, 3))
        assert report(rows[0], rows[1], target=2).verdict == "faithful"

    @pytest.mark.parametrize("rows", [1, 3])
    def test_hardly_a_row(self, real, twin, rows):
        for table in (twin, real.head(rows)):
            page = report(table, twin.head(rows), target="flag").to_html()
            assert "too few rows" in page

    def test_columns_without_values_and_of_one_value(self, real, twin):
        odd = [table.assign(empty=np.nan, nothing=None, one=1, word="x") for table in (real, twin)]
        quality = report(*odd)
        assert quality.findings == []
        assert np.isnan(quality.table.at["empty", "score"])
        gone = report(odd[0], odd[1].assign(town=None))
        assert gone.findings[0].text.startswith("Missing cells of 'town'")
        assert "no values on one side" in gone.to_html()

    def test_another_dtype_with_the_same_values(self, halves):
        real, new = halves
        new = new.astype({"net": "float64", "tax": "string", "job": "category"})
        quality = report(real, new)
        assert quality.findings == []
        assert quality.table.at["net", "new_dtype"] == "float64"
        assert "dtype: real int64, new float64" in quality.to_html()

    def test_another_spelling_of_categories(self, halves):
        real, new = halves
        real = real.assign(job=real["job"].map({"nurse": "1", "clerk": "2", "smith": "3"}))
        new = new.assign(job=new["job"].map({"nurse": 1, "clerk": 2, "smith": 3}))
        texts = [finding.text for finding in report(real, new).findings if finding.subject == ("job",)]
        assert "none of the values of real rows" in texts[0]
        assert "int64" in texts[0]

    def test_many_columns_are_not_all_shown(self):
        rng = np.random.default_rng(0)
        names = [f"c{j}" for j in range(130)]
        real, new = (pd.DataFrame(rng.normal(size=(300, 130)), columns=names) for _ in range(2))
        new["c99"] += 3
        quality = report(real, new)
        page = quality.to_html()
        assert "The 30 columns that differ most, of 130" in page
        assert page.count('<figure class="card') == 31
        assert quality.table.index[0] == "c99"
        assert "Pairs are those of 100 of the 130 columns" in page

    def test_pairs_that_differ_are_found_among_many_columns(self):
        rng = np.random.default_rng(0)
        real, new = (pd.DataFrame(rng.normal(size=(400, 120))).rename(columns=str) for _ in range(2))
        real["119"] = real["3"] + 0.1 * real["119"]
        assert report(real, new).findings[0].subject == ("3", "119")

    def test_text_that_hardly_repeats(self):
        names = [pd.DataFrame({"name": [f"{w} {i}" for i in range(3000)], "n": range(3000)}) for w in "ab"]
        quality = report(*(table.sample(frac=1, random_state=0) for table in names), id_columns=None)
        assert quality.table.at["name", "kind"] == "text"
        assert not [each for each in quality.findings if each.topic == "categories"]


class TestRefusals:
    def test_columns_that_one_table_lacks(self, halves):
        real, new = halves
        with pytest.raises(InputError, match="new lacks 'job' and adds 'flag'.*drop them from real"):
            report(real, new.drop(columns="job").assign(flag=True))
        with pytest.raises(InputError, match="new adds 'flag'.*drop them from new"):
            report(real, new.assign(flag=True))
        with pytest.raises(InputError, match="held_out lacks 'job'"):
            report(real, new, held_out=real.drop(columns="job"))

    @pytest.mark.parametrize("target", ["nope", ["late"]])
    def test_unknown_target(self, halves, target):
        with pytest.raises(InputError, match="target must be one of the columns"):
            report(*halves, target=target)

    @pytest.mark.parametrize("columns", [["nope"], "job"])
    def test_unknown_identifiers(self, halves, columns):
        with pytest.raises(InputError, match="id_columns must be"):
            report(*halves, id_columns=columns)

    def test_a_target_that_names_rows(self, halves):
        with pytest.raises(InputError, match="is the target and in id_columns"):
            report(*halves, target="late", id_columns=["late"])

    def test_a_path_that_cannot_be_written(self, halves, tmp_path):
        with pytest.raises(InputError, match="folder"):
            report(*halves, path=tmp_path / "none" / "page.html")

    def test_rules_that_cannot_be_read(self, halves):
        with pytest.raises(InputError):
            report(*halves, relations=["nope >= net"])


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


class TestPage:
    @pytest.fixture
    def quality(self, halves):
        real, new = (table.rename(columns={"job": EVIL}).replace({EVIL: {"smith": EVIL}}) for table in halves)
        return report(real, new.assign(tax=new["tax"] // 2), target="late")

    def test_the_order_of_the_sections(self, quality):
        page = quality.to_html()
        titles = ["not faithful", "What stands out", "Columns side by side", "Pairs that differ most"]
        titles += ["Rules kept and broken", "Copies and nearest real rows", "Use as training data"]
        titles += ["Two-sample score", "What was run"]
        places = [page.index(title) for title in titles]
        assert places == sorted(places)

    def test_it_needs_nothing_from_outside_and_escapes_what_comes_from_data(self, quality):
        parser = Tags()
        parser.feed(quality.to_html())
        assert {tag for tag, _ in parser.found}.isdisjoint({"script", "link", "iframe", "img"})
        for _, attributes in parser.found:
            assert not [name for name in attributes if name.startswith("on") or name in ("href", "src")]
        assert "&lt;script&gt;" in quality.to_html()

    def test_it_is_written(self, halves, tmp_path):
        path = tmp_path / "page.html"
        quality = report(*halves, target="late", path=path)
        assert path.read_text(encoding="utf-8") == quality.to_html()

    def test_charts_show_the_shares(self, quality):
        page = quality.to_html()
        real, new = quality._figures.sides.real[EVIL], quality._figures.sides.new[EVIL]
        shares = [100 * (side == "nurse").mean() for side in (real, new)]
        assert f"{shares[0]:.0f} / {shares[1]:.0f} %" in page

    def test_the_summary_fits_a_terminal(self, quality):
        lines = quality.summary().splitlines()
        assert any(line.startswith("utility: ROC AUC on real rows") for line in lines)
        assert lines[0] == quality.verdict.upper()
        assert max(map(len, lines)) <= 88
        assert "Quality" in repr(quality)
