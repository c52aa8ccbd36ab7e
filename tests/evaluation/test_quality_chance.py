"""What a report calls a copy or a difference is more than chance, and the verdict agrees with its figures."""

import numpy as np
import pandas as pd
import pytest

from vaeaug.evaluation import report


def draw(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows of one source: related numbers, categories, few whole numbers, a class."""
    x = rng.normal(size=(rows, 4)) @ np.random.default_rng(0).normal(size=(4, 4))
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["town"] = rng.choice(["here", "there", "far"], rows, p=[0.6, 0.3, 0.1])
    frame["count"] = rng.poisson(1 + (x[:, 0] > 0))
    frame["late"] = np.where(x[:, 1] + rng.normal(size=rows) > 0, "yes", "no")
    return frame


def draw_class(rows: int, rng: np.random.Generator, others: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table with so many rows of a small class, and these rows' numbers."""
    mix = np.random.default_rng(1).normal(size=(6, 6))
    small = pd.DataFrame(rng.normal(size=(rows, 6)) @ mix).rename(columns=str)
    large = pd.DataFrame(rng.normal(size=(others, 6)) @ mix + 3).rename(columns=str)
    return pd.concat([large.assign(y="no"), small.assign(y="yes")], ignore_index=True), small


def jitter(frame: pd.DataFrame, rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Return rows with numbers moved by a thousandth of their spread."""
    chosen = frame.sample(rows, replace=True, random_state=0).reset_index(drop=True)
    for name in chosen.select_dtypes("float64"):
        chosen[name] += 0.001 * frame[name].std() * rng.normal(size=rows)
    return chosen


def topics(quality):
    return {finding.topic for finding in quality.findings}


class TestRealAgainstReal:
    @pytest.mark.parametrize(("rows", "draws"), [(100, 10), (600, 4)])
    def test_it_is_faithful(self, rows, draws):
        verdicts = []
        for seed in range(draws):
            table = draw(2 * rows, np.random.default_rng(seed))
            verdicts.append(report(table[:rows], table[rows:], target="late").verdict)
        assert verdicts.count("faithful") >= draws - 1
        assert set(verdicts) <= {"faithful", "faithful, with exceptions"}

    def test_a_rule_that_few_rows_keep_by_chance_is_not_broken(self):
        # "a" tells "b" among the values that were seen, and new rows hold others.
        for seed in range(3):
            rng = np.random.default_rng(seed)
            values, shares = rng.normal(size=(2, 400)).round(3), np.r_[0.6, np.full(399, 0.4 / 399)]
            rows = [rng.choice(400, 100, p=shares) for _ in range(2)]
            real, new = (
                pd.DataFrame({"a": values[0][k], "b": values[1][k], "c": rng.normal(size=100)}) for k in rows
            )
            assert "rules" not in topics(report(real, new))

    def test_a_model_that_one_test_row_refutes_is_not_judged(self):
        rng = np.random.default_rng(0)
        real, new = (
            pd.DataFrame({"x": rng.normal(size=60), "late": np.repeat([0, 1], [57, 3])}) for _ in "ab"
        )
        real.loc[real["late"] == 1, "x"] += 4  # rows of the rare class are told in one table only
        assert "use" not in topics(report(real, new, target="late"))

    def test_texts_that_fresh_rows_repeat_as_often_are_no_copies(self):
        rng = np.random.default_rng(0)
        table = draw(1200, rng).assign(street=[f"street {k}" for k in rng.integers(0, 6000, 1200)])
        real, new = table[:600], table[600:].reset_index(drop=True)
        assert report(real, new, id_columns=None).findings == []
        taken = report(real, new.assign(street=real["street"].sample(frac=1, random_state=0).to_numpy()))
        assert any("repeat a text of 'street'" in each.text for each in taken.findings)


class TestCopies:
    def test_equal_rows_by_chance_are_none(self):
        # Some 4 of 100 rows equal another one by chance, in pairs.
        found = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            sides = [pd.DataFrame(rng.integers(0, 7, (100, 4)), columns=list("abcd")) for _ in range(2)]
            found.append("copies" in topics(report(*sides)))
        assert sum(found) == 0

    @pytest.mark.parametrize("rows", [40, 400])
    def test_varied_rows_are_found(self, rows):
        rng = np.random.default_rng(0)
        real = draw(rows, rng)
        assert "copies" in topics(report(real, jitter(real, rng, rows)))

    @pytest.mark.parametrize("rows", [40, 400])
    def test_copied_rows_are_found(self, rows):
        real = draw(rows, np.random.default_rng(0))
        copied = real.sample(rows, replace=True, random_state=0)
        assert report(real, copied).verdict == "copies of real rows"

    def test_varied_rows_of_a_small_class_are_found(self):
        rng = np.random.default_rng(0)
        real, small = draw_class(40, rng)
        new = jitter(small, rng, 200).assign(y="yes")
        assert "copies" in topics(report(real, new, target="y"))

    def test_some_varied_rows_among_fresh_ones_are_found(self):
        rng = np.random.default_rng(0)
        real = draw(1000, rng)
        new = pd.concat([draw(800, rng), jitter(real, rng, 200)], ignore_index=True)
        assert "copies" in topics(report(real, new))

    @pytest.mark.parametrize("rows", [30, 60])
    @pytest.mark.parametrize("held_out", [False, True])
    def test_fresh_rows_of_a_small_class_are_none(self, rows, held_out):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            real, more = (draw_class(rows, rng)[0] for _ in range(2))
            options = {"held_out": more} if held_out else {}
            new = draw_class(300, rng)[1].assign(y="yes")
            assert not topics(report(real, new, target="y", **options)) & {"copies", "telling"}

    @pytest.mark.parametrize("rows", [30, 60])
    def test_rows_of_a_distribution_fitted_to_a_small_class_are_none(self, rows):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            real, small = draw_class(rows, rng)
            new = rng.multivariate_normal(small.mean(), small.cov(), 600)
            new = pd.DataFrame(new, columns=small.columns).assign(y="yes")
            quality = report(real, new, target="y")
            assert "copies" not in topics(quality)
            assert "lie close to single ones" not in quality.agreement

    def test_held_out_rows_are_taken_in_the_class_mix_of_new_ones(self):
        rng = np.random.default_rng(0)
        # Rows of the large class lie closer together than those of the small one.
        parts = [
            pd.DataFrame(np.concatenate([rng.normal(size=(400, 6)) / 50, rng.normal(size=(100, 6))]))
            .rename(columns=str)
            .assign(y=["no"] * 400 + ["yes"] * 100)
            for _ in range(3)
        ]
        quality = report(parts[0], parts[1][parts[1]["y"] == "yes"], target="y", held_out=parts[2])
        distances = quality.scores.loc["closest_distance"]
        assert 0.8 < distances["value"] / distances["real"] < 1.25


class TestVerdictAndTwoSampleScore:
    @pytest.fixture(scope="class")
    def mixed(self):
        """Return real and new rows that differ only in how three columns go together."""
        rng = np.random.default_rng(0)

        def make(share):
            a, b = rng.integers(0, 2, (2, 3000))
            c = np.where(rng.random(3000) < share, a ^ b, rng.integers(0, 2, 3000))
            return pd.DataFrame({"a": a, "b": b, "c": c, "d": rng.normal(size=3000)})

        return make

    def test_rows_that_trees_tell_apart_are_faithful_with_exceptions(self, mixed):
        quality = report(mixed(0.0), mixed(0.45))
        score = quality.scores.at["two_sample", "value"]
        assert 0.72 < score < 0.9
        assert topics(quality) == {"telling"}
        assert quality.verdict == "faithful, with exceptions"

    def test_rows_that_trees_tell_well_apart_are_not_faithful(self, mixed):
        quality = report(mixed(0.0), mixed(0.95))
        assert quality.scores.at["two_sample", "value"] < 0.65
        assert quality.verdict == "not faithful"

    def test_rows_that_trees_hardly_tell_apart_are_faithful(self, mixed):
        quality = report(mixed(0.5), mixed(0.5))
        assert quality.scores.at["two_sample", "value"] > 0.95
        assert quality.verdict == "faithful"
