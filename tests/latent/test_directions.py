"""Directions: one attribute changes, the others stay."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.latent.directions import Directions


@pytest.fixture(scope="module")
def known():
    """Return codes in which size and weight go together, and a kind that depends on both."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=2000)
    weight = 0.9 * size + 0.4 * rng.normal(size=2000)
    kind = np.array(["a", "b", "c"])[np.digitize(rng.normal(size=2000), [-0.5, 0.5])]
    columns = [size, weight, 2.0 * (kind == "a"), 2.0 * (kind == "b"), rng.normal(size=2000)]
    mix = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    codes = np.stack(columns, 1) @ mix + 0.02 * rng.normal(size=(2000, 5))
    frame = pd.DataFrame({"size": 10 + 3 * size, "heavy": weight > 0, "weight": weight, "kind": kind})
    return codes, frame


@pytest.fixture(scope="module")
def learned(known):
    return Directions.learn(known[0], known[1][["size", "weight", "kind"]])


def test_probes_read_what_codes_tell(known, learned):
    read = learned.read(known[0])
    assert_allclose(read["size"], known[1]["size"], atol=0.5)
    assert (read["kind"] == known[1]["kind"]).mean() > 0.97
    assert (learned.explained > 0.9).all()


def test_an_edit_by_amount_moves_one_attribute_and_no_other(known, learned):
    codes = known[0][:50]
    moved = learned.move(codes, "size", amount=2.0, pull=0)
    before, after = learned.read(codes), learned.read(moved)
    assert_allclose(after["size"] - before["size"], 2 * known[1]["size"].std(ddof=0), rtol=1e-6)
    assert_allclose(after["weight"], before["weight"], atol=1e-6)
    assert (after["kind"] == before["kind"]).mean() > 0.95


def test_the_plain_direction_would_take_along_what_goes_with_it(known, learned):
    """Size and weight correlate, so a difference of means moves both: what the moves avoid."""
    codes, size = known[0], known[1]["size"].to_numpy()
    plain = codes[size > np.median(size)].mean(0) - codes[size <= np.median(size)].mean(0)
    weight = learned.weights[:, 1]
    assert abs(plain @ weight) > 0.5
    assert abs(learned.moves[:, 0] @ weight) < 1e-6


def test_an_edit_to_a_value_reaches_it(known, learned):
    codes = known[0][:50]
    moved = learned.move(codes, "size", value=np.linspace(8, 12, 50), pull=0)
    assert_allclose(learned.read(moved)["size"], np.linspace(8, 12, 50), atol=1e-6)


def test_a_value_beyond_the_known_rows_is_warned_of(known, learned, recwarn):
    codes, most = known[0][:50], known[1]["size"].max()
    learned.move(codes, "size", value=most, pull=0)
    learned.move(codes, "kind", value="a", pull=0)
    assert not recwarn.list
    with pytest.warns(VaeaugWarning, match=f"edit: the value 40 of 'size' is beyond .* to {most:.4g}"):
        learned.move(codes, "size", value=np.linspace(10, 40, 50)[::-1], pull=0)


@pytest.mark.parametrize("pull", [0.0, 0.7])
def test_an_edit_to_a_level_of_a_class(known, learned, pull):
    codes = known[0][:50]
    moved = learned.move(codes, "kind", value="c", pull=pull)
    after = learned.read(moved)
    assert (after["kind"] == "c").mean() > 0.95
    assert abs(after["weight"] - learned.read(codes)["weight"]).mean() < 0.3


def test_the_pull_ends_among_known_codes(known, learned):
    codes = known[0][:50]

    def distance(moved):
        return np.sqrt(((moved[:, None] - known[0][None]) ** 2).sum(2).min(1)).mean()

    far, near = (learned.move(codes, "size", amount=3.0, pull=pull) for pull in (0.0, 1.0))
    assert distance(near) < 0.7 * distance(far)


def test_a_flag_goes_from_false_to_true(known):
    directions = Directions.learn(known[0], known[1][["heavy"]])
    moved = directions.move(known[0][:20], "heavy", value=True, pull=0)
    assert_allclose(directions.read(moved)["heavy"].astype(float), 1.0, atol=1e-6)
    assert directions.move(known[0][:20], "heavy", amount=1.0).shape == (20, 5)


def test_what_is_known_of_the_rows_is_kept(known, learned):
    codes, rows = known[0][:50], known[1][:50]
    told = learned.move(codes, "size", amount=1.0, held=rows[["weight", "kind"]].reset_index(drop=True))
    assert abs(learned.read(told)["weight"].to_numpy() - rows["weight"].to_numpy()).mean() < 0.25
    assert (learned.read(told)["kind"].to_numpy() == rows["kind"].to_numpy()).all()


@pytest.mark.parametrize("groups", [None, np.zeros(20, int)])
def test_what_no_line_tells_is_read_from_near_codes_and_kept(groups):
    rng = np.random.default_rng(3)
    codes = rng.normal(size=(3000, 2))
    frame = pd.DataFrame({"size": codes[:, 0], "bend": codes[:, 1] ** 2})
    directions = Directions.learn(codes, frame)
    moved = directions.move(codes[:20], "size", amount=0.5, groups=groups, pull=1.0)
    assert_allclose(moved[:, 0], codes[:20, 0] + 0.5, atol=0.35)
    # A line would take all rows to the mean, 1.
    assert np.median(np.abs(moved[:, 1] ** 2 - frame["bend"][:20])) < 0.1


def test_groups_take_out_what_goes_with_the_class():
    rng = np.random.default_rng(0)
    groups = np.arange(600) % 3
    inside = rng.normal(size=600)
    codes = np.stack([inside, 5.0 * groups, rng.normal(size=600)], 1)
    frame = pd.DataFrame({"size": inside + 2.0 * groups})
    directions = Directions.learn(codes, frame, groups)
    # With the class known, size goes with the first number of the code alone.
    assert abs(directions.moves[1, 0]) < 0.01 < directions.moves[0, 0]
    moved = directions.move(codes[:30], "size", amount=0.5, groups=groups[:30])
    assert_allclose(moved[:, 1], codes[:30, 1], atol=1e-6)


def test_rows_that_miss_an_attribute_are_left_out(known):
    frame = known[1][["size"]].copy()
    frame.iloc[::2] = np.nan
    assert len(Directions.learn(known[0], frame).codes) == 1000


BAD = {
    "another number of rows": (
        lambda k: Directions.learn(k[0][:9], k[1]),
        ["a frame of 9 rows", "(2000, 4)"],
    ),
    "no attribute": (lambda k: Directions.learn(k[0], k[1][[]]), ["a column per attribute"]),
    "no complete row": (
        lambda k: Directions.learn(k[0], k[1].assign(size=np.nan)),
        ["known for at least 2 rows"],
    ),
    "a constant": (
        lambda k: Directions.learn(k[0], k[1].assign(size=1)),
        ["'size' is 1 in every row", "differ"],
    ),
    "infinity": (
        lambda k: Directions.learn(k[0], k[1].assign(size=np.r_[np.inf, np.arange(1999)])),
        ["'size' holds infinity"],
    ),
    "too many levels": (
        lambda k: Directions.learn(k[0], k[1].assign(kind=[f"k{i}" for i in range(2000)])),
        ["2000 levels", "at most 256"],
    ),
}
BAD_MOVES = {
    "an attribute never given": (
        lambda d, z: d.move(z, "colour", amount=1),
        ["'size', 'weight', 'kind'", "'colour'"],
    ),
    "neither amount nor value": (lambda d, z: d.move(z, "size"), ["either amount or value"]),
    "amount and value": (lambda d, z: d.move(z, "size", amount=1, value=2), ["either amount or value"]),
    "an amount of a class": (lambda d, z: d.move(z, "kind", amount=1), ["'kind' is a class", "give value"]),
    "an unknown level": (lambda d, z: d.move(z, "kind", value="z"), ["no level 'z'", "'a'"]),
    "text as an amount": (lambda d, z: d.move(z, "size", amount="more"), ["finite number", "'more'"]),
    "an infinite amount": (lambda d, z: d.move(z, "size", amount=np.inf), ["finite number"]),
    "text as a value": (lambda d, z: d.move(z, "size", value="large"), ["'size'", "number", "'large'"]),
    "too few amounts": (lambda d, z: d.move(z, "size", amount=[1, 2]), ["each of the 9 rows", "got 2"]),
    "a pull too strong": (lambda d, z: d.move(z, "size", amount=1, pull=2), ["pull", "<= 1"]),
    "attributes of other rows": (
        lambda d, z: d.move(z, "size", amount=1, held=pd.DataFrame({"weight": [1.0]})),
        ["complete frame of 9 rows", "(1, 1)"],
    ),
    "attributes not asked about": (
        lambda d, z: d.move(z, "size", amount=1, held=pd.DataFrame({"colour": range(9)})),
        ["attribute must be one of", "'colour'"],
    ),
}


@pytest.mark.parametrize("case", list(BAD))
def test_attributes_that_cannot_be_learned_are_refused(known, case):
    call, words = BAD[case]
    with pytest.raises(InputError) as caught:
        call(known)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("case", list(BAD_MOVES))
def test_moves_that_cannot_be_made_are_refused(known, learned, case):
    call, words = BAD_MOVES[case]
    with pytest.raises(InputError) as caught:
        call(learned, known[0][:9])
    assert all(word in str(caught.value) for word in words), str(caught.value)
