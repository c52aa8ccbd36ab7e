import tracemalloc

import numpy as np
import pandas as pd
import pytest

from vaeaug.errors import InputError
from vaeaug.evaluation import distances
from vaeaug.evaluation.distances import (
    ScaledTables,
    choose_rows,
    distance_blocks,
    nearest,
    neighbour_radii,
    row_count,
)


@pytest.fixture(params=["euclidean", "mixed"])
def both(request, real, twin):
    """Two sets of points, of either kind, and their distances by the definition."""
    if request.param == "euclidean":
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(30, 4)) + 50, rng.normal(size=(41, 4)) + 50
        return a, b, np.linalg.norm(a[:, None] - b[None, :], axis=2)
    a, b = twin.head(30), real.head(41)
    tables = ScaledTables.join({"real": b, "synthetic": a}, references=1)
    points = [tables.take(t) for t in (1, 0)]
    truth = np.zeros((30, 41))
    for column in a:
        left, right = a[column].to_numpy(dtype=object), b[column].to_numpy(dtype=object)
        for i, x in enumerate(left):
            for j, y in enumerate(right):
                if pd.isna(x) or pd.isna(y):
                    truth[i, j] += pd.isna(x) != pd.isna(y)
                elif column in ("size", "weight", "count", "day"):
                    truth[i, j] += abs(x - y) / (b[column].max() - b[column].min())
                else:
                    truth[i, j] += x != y
    return points[0], points[1], truth


def all_distances(queries, references):
    return np.vstack([between for _, between in distance_blocks(queries, references)])


def test_blocks_hold_the_distances(both, monkeypatch):
    a, b, truth = both
    np.testing.assert_allclose(all_distances(a, b), truth, rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(distances, "_BLOCK_CELLS", 3 * row_count(b))
    assert len(list(distance_blocks(a, b))) == 10
    np.testing.assert_allclose(all_distances(a, b), truth, rtol=1e-9, atol=1e-9)


def test_nearest(both):
    a, b, truth = both
    found, places = nearest(a, b)
    np.testing.assert_allclose(found, truth.min(axis=1), rtol=1e-9)
    np.testing.assert_allclose(truth[np.arange(30), places], truth.min(axis=1))


def test_radii_leave_the_row_itself_out(both):
    points = both[0]
    truth = np.sort(all_distances(points, points), axis=1)
    np.testing.assert_allclose(neighbour_radii(points, 3), truth[:, 3])


def test_copies_far_from_the_origin_are_at_zero():
    points = np.random.default_rng(1).normal(size=(50, 7)) * 1e-3 + 1e6
    assert (nearest(points, points)[0] == 0).all()


@pytest.mark.parametrize("k", [0, 5, 9])
def test_too_few_rows_for_k(k):
    with pytest.raises(InputError, match="between 1 and 4"):
        neighbour_radii(np.eye(5), k)


def test_all_rows_where_no_more_are_there():
    rng = np.random.default_rng(0)
    assert choose_rows(5, None, rng, "me") == choose_rows(5, 5, rng, "me") == slice(None)
    assert len(set(choose_rows(9, 4, rng, "me"))) == 4


def test_a_large_pair_of_sets_is_never_held():
    """The distances of 3,000 × 40,000 points are 960 MB; a hundredth of the memory must do."""
    rng = np.random.default_rng(0)
    queries, references = rng.normal(size=(3_000, 2)), rng.normal(size=(40_000, 2))
    tracemalloc.start()
    nearest(queries, references)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
