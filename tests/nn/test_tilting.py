"""Tilts of small classes: found where a column lies off by more than chance, and nowhere else."""

import numpy as np
import pytest
import torch

from vaeaug.nn.likelihoods.tilting import Classes, ClassTilts, TokenColumns, find_tilts

RNG = np.random.default_rng(0)


def made_columns(numbers=1, categories=0, bins=20, missing=False):
    """Return columns of normal numbers in equal bins, one token for missing ones, and of categories."""
    edges = np.linspace(-2, 2, bins) + 0.01
    values = np.append(edges, 0.0) if missing else edges
    levels = np.array([len(values)] * numbers + [3] * categories)
    ordered = np.arange(len(levels)) < numbers
    return TokenColumns(levels, ordered, np.concatenate([np.tile(values, numbers), np.zeros(3 * categories)]))


def drawn_shares(columns):
    """Return what a model says: numbers are standard normal, categories half, 3 and 2 in ten."""
    mass = np.exp(-0.5 * columns.values**2)
    mass[columns.values == 0.0] = (
        0.1 * np.exp(-0.5 * np.unique(columns.values[columns.values != 0.0]) ** 2).sum()
    )
    return np.where(
        columns.ordered[columns.owners],
        columns.shares(mass),
        np.tile([0.5, 0.3, 0.2], len(mass))[: len(mass)],
    )


def counted(columns, shares, rows, rng):
    """Return the tokens of rows drawn with these shares."""
    ends = np.cumsum(columns.levels)
    parts = zip(ends - columns.levels, ends, strict=True)
    return np.concatenate([rng.multinomial(rows, shares[a:b]) for a, b in parts]).astype(float)


def moved(columns, shares, tilts):
    return columns.shares(shares * np.exp(tilts))


def test_a_number_that_lies_elsewhere_goes_there():
    columns = made_columns(numbers=2)
    shares = drawn_shares(columns)
    low = columns.shares(np.exp(-0.5 * ((columns.values + 1.2) / 0.4) ** 2))
    truth = np.where(columns.owners == 1, low, shares)
    tilts = find_tilts(columns, counted(columns, truth, 15, np.random.default_rng(1)), shares, 15)
    after = moved(columns, shares, tilts)
    mean, spread = (columns.sums(after * columns.values**k)[1] for k in (1, 2))
    assert not tilts[columns.owners == 0].any()
    assert mean == pytest.approx(-1.2, abs=0.25)
    assert 0.3 < np.sqrt(spread - mean**2) < 0.75


def test_many_rows_decide_mean_and_spread():
    columns = made_columns()
    shares = drawn_shares(columns)
    wanted = columns.shares(np.exp(-0.5 * ((columns.values - 0.5) / 0.7) ** 2))
    after = moved(columns, shares, find_tilts(columns, 5000 * wanted, shares, 5000))
    for k in (1, 2):
        assert (after * columns.values**k).sum() == pytest.approx(
            (wanted * columns.values**k).sum(), abs=0.01
        )
    # Two normal distributions differ by such a tilt alone, so the whole column is right.
    np.testing.assert_allclose(after, wanted, atol=0.002)


def test_the_share_of_missing_values_is_held_apart():
    columns = made_columns(missing=True)
    shares = drawn_shares(columns)
    gone = columns.values == 0.0
    wanted = np.where(gone, 0.6, 0.4 * shares / shares[~gone].sum())
    after = moved(columns, shares, find_tilts(columns, 40 * wanted, shares, 40))
    assert after[gone] == pytest.approx(0.6, abs=0.08)
    np.testing.assert_allclose(
        after[~gone] / after[~gone].sum(), shares[~gone] / shares[~gone].sum(), atol=0.01
    )


def test_a_category_takes_its_share():
    columns = made_columns(numbers=0, categories=2)
    shares = drawn_shares(columns)
    tilts = find_tilts(columns, np.array([6.0, 4, 2, 0, 0, 12]), shares, 12)
    assert not tilts[:3].any()
    assert moved(columns, shares, tilts)[5] > 0.7


@pytest.mark.parametrize("rows", [6, 12, 60, 600])
@pytest.mark.parametrize("kind", ["numbers", "missing", "categories"])
def test_chance_alone_seldom_tilts(rows, kind):
    columns = made_columns(
        400 * (kind != "categories"), 400 * (kind == "categories"), missing=kind == "missing"
    )
    shares = drawn_shares(columns)
    tilts = find_tilts(columns, counted(columns, shares, rows, np.random.default_rng(rows)), shares, rows)
    # One in twenty is asked; a likelihood ratio of few rows is not quite distributed as of many.
    assert columns.sums((tilts != 0).astype(float)).astype(bool).mean() < 0.09


def test_extremes_stay_finite():
    columns = made_columns(numbers=2, categories=1)
    shares = np.maximum(drawn_shares(columns), 1e-22)
    shares[0] = 1e-22
    counts = np.zeros(len(shares))
    counts[[0, 39]] = 900  # all in the token that was never drawn, and in the last; no category is known
    tilts = find_tilts(columns, counts, shares, 900)
    assert np.isfinite(tilts).all()
    assert tilts[0] > 0
    assert not tilts[40:].any()


def test_no_columns():
    assert find_tilts(
        TokenColumns(np.zeros(0, int), np.zeros(0, bool), np.zeros(0)), np.zeros(0), np.zeros(0), 9
    ).shape == (0,)


# -- classes ------------------------------------------------------------------------------


def fitted(counts, seen, *, block=(1, 4), contexts=5, weights=None):
    """Fit tilts to classes of so many rows that hold category ``seen`` throughout, where half is drawn."""
    columns = TokenColumns(np.array([2, 2]), np.array([False, False]), np.zeros(4))
    numbers = np.repeat(np.arange(len(counts)), counts)
    codes = np.column_stack([np.resize([0, 1], len(numbers)), np.asarray(seen)[numbers]])
    tilts = ClassTilts([2, 2])
    asked = []

    def draw(group):
        asked.append(int(group))
        c = torch.zeros(1, contexts)
        c[0, block[0] + group] = 1
        return torch.softmax(tilts(c).view(2, 2), 1).flatten().double().numpy(), 4096

    tilts.fit(columns, codes, weights, Classes(numbers, block, contexts), draw)
    return tilts, asked


def test_only_small_classes_are_looked_at_and_only_their_contexts_tilted():
    tilts, asked = fitted([5, 40, 1000], [1, 1, 1])
    assert set(asked) == {1}
    assert tilts.columns == {1}
    assert tilts.table.shape == (5, 4)
    assert tilts.table.any(1).tolist() == [False, False, True, False, False]
    c = torch.eye(5)
    torch.testing.assert_close(tilts(c), tilts.table)
    torch.testing.assert_close(tilts(c, 1), tilts.table[:, 2:])
    assert torch.softmax(tilts(c[2:3], 1), 1)[0, 1] > 0.9


def test_nothing_wrong_nothing_tilted():
    balanced = ClassTilts([2, 2])
    codes = np.tile([[0, 0], [1, 1]], (20, 1))
    columns = TokenColumns(np.array([2, 2]), np.array([False, False]), np.zeros(4))
    balanced.fit(
        columns, codes, None, Classes(np.zeros(40, int), (0, 1), 1), lambda group: (np.full(4, 0.5), 999)
    )
    assert not balanced.any
    assert not len(balanced.table)


def test_fitting_again_starts_anew():
    tilts, _ = fitted([40, 5], [1, 1], block=(0, 2))
    columns = TokenColumns(np.array([2, 2]), np.array([False, False]), np.zeros(4))
    tilts.fit(
        columns, np.zeros((3, 2), int), None, Classes(np.zeros(3, int), (0, 1), 1), lambda group: (None, 0)
    )
    assert not tilts.any


def test_unknown_tokens_do_not_count():
    columns = TokenColumns(np.array([2, 2]), np.array([False, False]), np.zeros(4))
    codes = np.full((40, 2), -1)
    codes[:20, 0] = np.resize([0, 1], 20)
    tilts = ClassTilts([2, 2])
    tilts.fit(
        columns, codes, None, Classes(np.zeros(40, int), (0, 1), 1), lambda group: (np.full(4, 0.5), 999)
    )
    assert not tilts.any


def test_weights_decide_how_much_rows_are_worth():
    columns = TokenColumns(np.array([2]), np.array([False]), np.zeros(2))
    codes = np.r_[np.zeros(20, int), np.ones(20, int)][:, None]

    def shares(weights):
        tilts = ClassTilts([2])
        tilts.fit(
            columns,
            codes,
            weights,
            Classes(np.zeros(40, int), (0, 1), 1),
            lambda group: (np.full(2, 0.5), 9999),
        )
        return tilts.any

    assert not shares(None)
    assert shares(np.where(codes[:, 0] == 1, 9.0, 1.0))
    # One row of great weight is one row, however much it weighs.
    assert not shares(np.where(np.arange(40) == 39, 1e4, 1e-3))


def test_tilts_are_saved_and_files_without_them_open():
    tilts, _ = fitted([40, 5], [1, 1], block=(0, 2))
    other = ClassTilts([2, 2])
    other.load_state_dict(tilts.state_dict())
    torch.testing.assert_close(other.table, tilts.table)
    assert other.columns == tilts.columns
    other.load_state_dict({})
    assert not other.any
