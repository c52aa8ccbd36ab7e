import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation import privacy
from vaeaug.evaluation.privacy import closest_share, distance_to_closest, exact_copies


def slow_distances(synthetic: pd.DataFrame, real: pd.DataFrame) -> np.ndarray:
    """Nearest distances by the definition, one pair of rows at a time."""
    out = []
    for _, s in synthetic.iterrows():
        best = np.inf
        for _, r in real.iterrows():
            total = 0.0
            for column in real:
                if pd.isna(s[column]) or pd.isna(r[column]):
                    total += float(pd.isna(s[column]) != pd.isna(r[column]))
                elif column in ("size", "weight", "count", "day"):
                    total += abs(s[column] - r[column]) / (real[column].max() - real[column].min())
                else:
                    total += float(s[column] != r[column])
            best = min(best, total)
        out.append(best)
    return np.array(out)


class TestDistanceToClosest:
    def test_matches_the_definition(self, real, twin):
        a, b = twin.sample(12, random_state=0), real.head(40)
        np.testing.assert_allclose(distance_to_closest(a, b), slow_distances(a, b), rtol=1e-9)

    def test_blocks_change_nothing(self, real, twin, monkeypatch):
        whole = distance_to_closest(twin, real)
        monkeypatch.setattr(privacy, "_BLOCK_CELLS", 7 * len(real))
        np.testing.assert_array_equal(distance_to_closest(twin, real), whole)

    def test_copies_are_at_zero(self, real):
        assert (distance_to_closest(real.sample(50, random_state=0), real) == 0).all()

    def test_sample_size(self, real, twin):
        few = distance_to_closest(twin, real, sample_size=30, random_state=5)
        assert few.shape == (30,)
        np.testing.assert_array_equal(few, distance_to_closest(twin, real, sample_size=30, random_state=5))
        assert distance_to_closest(twin, real, sample_size=10**6).shape == (len(twin),)

    @pytest.mark.parametrize("columns", [["size"], ["town", "flag"], ["town"]])
    def test_tables_of_one_kind(self, real, twin, columns):
        assert np.isfinite(distance_to_closest(twin[columns], real[columns])).all()

    def test_more_levels_than_a_byte(self):
        names = pd.DataFrame({"name": [f"n{i}" for i in range(300)]})
        np.testing.assert_array_equal(distance_to_closest(names, names), 0)
        np.testing.assert_array_equal(distance_to_closest(names.head(150), names.tail(150)), 1)

    def test_constant_column(self):
        real = pd.DataFrame({"a": [2.0, 2.0], "b": [0.0, 4.0]})
        assert distance_to_closest(pd.DataFrame({"a": [2.0], "b": [1.0]}), real)[0] == 0.25

    def test_bad_sample_size(self, real):
        with pytest.raises(InputError, match="sample_size"):
            distance_to_closest(real, real, sample_size=0)


class TestClosestShare:
    def test_fresh_rows_are_at_one_half(self, real, twin):
        train, holdout = real.iloc[:750], real.iloc[750:]
        # Standard error .5/√1500 = .013.
        assert closest_share(twin, train, holdout) == pytest.approx(0.5, abs=0.05)

    def test_copies_are_at_one(self, real):
        train, holdout = real.iloc[:750], real.iloc[750:]
        assert closest_share(train, train, holdout) > 0.99

    def test_sizes_are_made_equal(self, real, twin):
        # Without that the larger training set would be nearer to most rows.
        assert closest_share(twin, real.iloc[:1300], real.iloc[1300:]) == pytest.approx(0.5, abs=0.08)

    def test_ties_are_split(self):
        rows = pd.DataFrame({"c": list("aabb")})
        assert closest_share(rows, rows, rows) == 0.5

    def test_mirror(self, real, twin):
        train, holdout = real.iloc[:750], real.iloc[750:]
        shares = closest_share(twin, train, holdout), closest_share(twin, holdout, train)
        assert sum(shares) == pytest.approx(1.0)


class TestExactCopies:
    def test_finds_copies_with_missing_values(self, real, twin):
        mixed = pd.concat([twin.head(10), real.sample(5, random_state=0)], ignore_index=True)
        np.testing.assert_array_equal(exact_copies(mixed, real), [False] * 10 + [True] * 5)

    def test_one_changed_cell_is_no_copy(self, real):
        changed = real.assign(size=np.nextafter(real["size"], np.inf))
        assert not exact_copies(changed, real).any()

    def test_many_columns_do_not_overflow(self):
        rng = np.random.default_rng(0)
        wide = pd.DataFrame(rng.random((400, 60)))
        np.testing.assert_array_equal(exact_copies(wide, wide.iloc[:100]), np.arange(400) < 100)
