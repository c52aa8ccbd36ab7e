import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, pearsonr
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from vaeaug.errors import InputError
from vaeaug.evaluation.fidelity import column_shapes, pair_trends, rare_category_counts, two_sample_score


def shuffled_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Keep every column, destroy every relation."""
    return pd.DataFrame(
        {c: table[c].sample(frac=1, random_state=i).array for i, c in enumerate(table)}, index=table.index
    )


class TestColumnShapes:
    def test_same_table_is_perfect(self, real):
        scores = column_shapes(real, real)
        assert list(scores.index) == list(real.columns)
        assert (scores == 1.0).all()

    def test_same_source_is_nearly_perfect(self, real, twin):
        # The 95 % bound of a two-sample Kolmogorov-Smirnov statistic at 1,500 + 1,500 rows is .05.
        assert column_shapes(real, twin).min() > 0.94

    def test_numbers_match_scipy(self, real, twin):
        twin["size"] = twin["size"] * 1.3 + 0.2
        expected = 1 - ks_2samp(real["size"], twin["size"]).statistic
        assert column_shapes(real, twin)["size"] == pytest.approx(expected, abs=1e-12)

    def test_categories_by_hand(self):
        scores = column_shapes(pd.DataFrame({"c": list("aabb")}), pd.DataFrame({"c": list("aacc")}))
        assert scores["c"] == 0.5

    @pytest.mark.parametrize("column", ["weight", "colour", "day"])
    def test_lost_missing_values_count(self, real, column):
        known = real[real[column].notna()]
        share = real[column].isna().mean()
        assert column_shapes(real, known)[column] == pytest.approx(1 - share, abs=1e-12)
        assert column_shapes(real, known, missing="drop")[column] == 1.0

    def test_nothing_to_compare(self):
        empty = pd.DataFrame({"a": [np.nan, np.nan], "b": pd.Series([None, None], dtype=object)})
        full = pd.DataFrame({"a": [1.0], "b": ["x"]})
        assert column_shapes(full, empty, missing="drop").isna().all()
        assert (column_shapes(full, empty) == 0.0).all()
        assert (column_shapes(empty, empty) == 1.0).all()

    def test_unknown_choice(self, real):
        with pytest.raises(InputError, match="missing must be one of"):
            column_shapes(real, real, missing="ignore")


class TestPairTrends:
    def test_same_table_is_perfect(self, real):
        scores = pair_trends(real, real)
        assert len(scores) == len(real.columns) * (len(real.columns) - 1) / 2
        np.testing.assert_allclose(scores, 1.0, atol=1e-12)

    def test_independent_columns_lose(self, real):
        scores = pair_trends(real, shuffled_columns(real))
        assert scores["size", "flag"] < 0.7
        assert scores["size", "weight"] < 0.7
        assert scores["town", "ok"] > 0.95

    def test_correlation_by_hand(self, real, twin):
        r = [pearsonr(*t[["size", "weight"]].dropna().to_numpy(float).T).statistic for t in (real, twin)]
        expected = 1 - abs(r[0] - r[1]) / 2
        assert pair_trends(real, twin)["size", "weight"] == pytest.approx(expected, abs=1e-12)

    def test_contingency_by_hand(self, real, twin):
        p, q = (pd.crosstab(t["town"].fillna("-"), t["flag"], normalize=True) for t in (real, twin))
        expected = 1 - 0.5 * p.sub(q, fill_value=0).abs().to_numpy().sum()
        assert pair_trends(real, twin)["town", "flag"] == pytest.approx(expected, abs=1e-12)

    def test_own_edges_overlook_a_shift_and_real_edges_do_not(self, real):
        moved = real.assign(size=real["size"] + 100)
        assert pair_trends(real, moved)["size", "flag"] == pytest.approx(1.0, abs=0.01)
        assert pair_trends(real, moved, edges="real")["size", "flag"] < 0.5

    def test_constants(self):
        real = pd.DataFrame({"a": [1.0, 1.0, 1.0], "b": [1.0, 2.0, 3.0], "c": [1.0, 2.0, 3.0]})
        scores = pair_trends(real, real.assign(c=5.0))
        assert np.isnan(scores["a", "b"])
        assert scores["b", "c"] == 0.5

    def test_many_levels_need_no_large_table(self):
        # 20,000 × 20,000 possible pairs would be 3.2 GB of counters.
        names = pd.DataFrame({"a": np.arange(20_000).astype(str), "b": np.arange(20_000).astype(str)[::-1]})
        assert pair_trends(names, names)["a", "b"] == 1.0

    def test_single_column(self, real):
        assert pair_trends(real[["size"]], real[["size"]]).empty

    @pytest.mark.parametrize(("options", "sentence"), [({"bins": 0}, "bins"), ({"edges": "all"}, "edges")])
    def test_bad_options(self, real, options, sentence):
        with pytest.raises(InputError, match=sentence):
            pair_trends(real, real, **options)


@pytest.mark.filterwarnings("ignore")
class TestAgainstSdmetrics:
    """The published protocol, where it is installed: no missing values, thresholds 0."""

    @pytest.fixture
    def report(self, real, twin):
        single_table = pytest.importorskip("sdmetrics.reports.single_table")
        columns = ["size", "weight", "count", "colour", "town", "flag"]
        a, b = (t[columns].dropna().astype({"colour": object, "count": "int64"}) for t in (real, twin))
        kinds = {c: "numerical" if c in columns[:3] else "categorical" for c in columns}
        report = single_table.QualityReport()
        report.real_correlation_threshold = report.real_association_threshold = 0
        metadata = {"columns": {c: {"sdtype": kind} for c, kind in kinds.items()}}
        report.generate(a, b, metadata, verbose=False)
        return a, b, report

    def test_shapes(self, report):
        a, b, report = report
        expected = report.get_details("Column Shapes").set_index("Column")["Score"]
        pd.testing.assert_series_equal(
            column_shapes(a, b), expected, check_names=False, check_index_type=False, rtol=0, atol=1e-6
        )

    def test_trends(self, report):
        a, b, report = report
        details = report.get_details("Column Pair Trends")
        own = pair_trends(a, b)
        ours = [own[pair] for pair in zip(details["Column 1"], details["Column 2"], strict=True)]
        np.testing.assert_allclose(ours, details["Score"], atol=1e-6)


class TestTwoSampleScore:
    def test_same_source_cannot_be_told_apart(self, real, twin):
        # The standard error of an AUC of ½ with 500 + 500 held-out rows is .018.
        assert two_sample_score(real, twin) > 0.9

    def test_independent_columns_are_told_apart(self, real):
        assert two_sample_score(real, shuffled_columns(real)) < 0.4

    def test_repeats_with_a_seed(self, real, twin):
        assert two_sample_score(real, twin, random_state=3) == two_sample_score(real, twin, random_state=3)

    def test_given_estimators(self, real, twin):
        twin["size"] += 3
        complete = [table[["size", "flag"]] for table in (real, twin)]
        assert two_sample_score(*complete, estimator=LogisticRegression()) < 0.2
        assert two_sample_score(*complete, estimator=DummyClassifier()) == 1.0

    def test_xgboost(self, real, twin):
        xgboost = pytest.importorskip("xgboost")
        model = xgboost.XGBClassifier(n_estimators=20, max_depth=4, enable_categorical=True, n_jobs=1)
        assert two_sample_score(real, twin, estimator=model) > 0.85
        assert two_sample_score(real, shuffled_columns(real), estimator=model) < 0.5

    def test_more_levels_than_a_tree_takes(self):
        names = pd.DataFrame({"name": [f"n{i % 700}" for i in range(2100)]})
        assert two_sample_score(names, names.copy()) > 0.9

    def test_too_few_rows(self, real):
        with pytest.raises(InputError, match="3 folds"):
            two_sample_score(real, real.head(2))


class TestRareCategoryCounts:
    def test_counts_by_hand(self):
        real = pd.DataFrame({"c": ["a"] * 90 + ["b"] * 10})
        synthetic = pd.DataFrame({"c": ["a"] * 197 + ["b"] * 2 + ["new"]})
        table = rare_category_counts(real, synthetic, max_share=0.1)
        assert table.to_dict("records") == [
            {
                "column": "c",
                "category": "b",
                "real": 10,
                "expected": 20.0,
                "observed": 2,
                "z": pytest.approx(-18 / np.sqrt(200 * 0.1 * 0.9)),
            }
        ]

    def test_missing_is_a_category(self, real, twin):
        table = rare_category_counts(real, twin, max_share=1.0)
        missing = table[table["category"].isna()].set_index("column")["real"]
        assert missing["town"] == real["town"].isna().sum()

    def test_min_count_and_order(self, real, twin):
        table = rare_category_counts(real, twin, max_share=1.0, min_count=20)
        assert table["real"].min() >= 20
        assert table["real"].is_monotonic_increasing

    def test_integer_columns_on_request(self, real, twin):
        table = rare_category_counts(real, twin, columns=["count"], max_share=1.0, min_count=1)
        assert table["real"].sum() == len(real)
        assert table["z"].abs().max() < 6

    def test_constant_column(self):
        table = pd.DataFrame({"c": ["a"] * 5})
        assert rare_category_counts(table, table, max_share=1.0)["z"].tolist() == [0.0]
        other = table.assign(c="b")
        assert rare_category_counts(table, other, max_share=1.0)["z"].tolist() == [-np.inf]

    def test_only_numbers(self, real):
        assert rare_category_counts(real[["size"]], real[["size"]]).empty

    def test_unknown_column(self, real):
        with pytest.raises(InputError, match="nope"):
            rare_category_counts(real, real, columns=["nope"])
