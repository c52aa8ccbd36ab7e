"""Latent operations on rows: containers, labels, what changes and what stays, and bad calls."""

import numpy as np
import pandas as pd
import pytest
from made_images import IMAGE_CONTAINERS, blobs, digits, fast
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from vaeaug import VARIANTS, Recipe, VAEAugmenter, load
from vaeaug.errors import InputError, UnknownLabelError, VaeaugWarning
from vaeaug.latent.operations import OPERATIONS, Codes

IMAGES, LABELS = blobs()


@pytest.fixture(scope="module")
def table(mixed):
    # A slow run: codes of so few rows say little about a single column, and less after a quick one.
    return VAEAugmenter(
        max_iter=40, latent_dim=4, learning_rate_init=0.002, device="cpu", random_state=0
    ).fit(*mixed)


@pytest.fixture(scope="module")
def pictures():
    return fast().fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def bars():
    """Return bars of some height and position, 12×12, and what they are."""
    rng = np.random.default_rng(0)
    height, place = rng.integers(3, 11, 300), rng.integers(0, 3, 300)
    rows, columns = np.mgrid[:12, :12]
    inside = (rows[None] >= 12 - height[:, None, None]) & (columns[None] // 4 == place[:, None, None])
    images = (inside * 200 + rng.integers(0, 30, inside.shape)).astype(np.uint8)
    return images, pd.DataFrame({"place": np.array(["left", "mid", "right"])[place], "height": height + 0.5})


@pytest.fixture(scope="module")
def of_bars(bars):
    """Return an augmenter that was given the attributes, and one that was not."""
    network = Recipe("convolutional", width=8, features=32)
    settings = {
        "max_iter": 20,
        "batch_size": 32,
        "latent_dim": 6,
        "network": network,
        "device": "cpu",
        "random_state": 0,
    }
    return VAEAugmenter(**settings).fit(*bars), VAEAugmenter(**settings).fit(bars[0])


def heights(images):
    return (images > 100).any(2).sum(1)


def places(images):
    return np.array(["left", "mid", "right"])[images.reshape(-1, 12, 3, 4).sum((1, 3)).argmax(1)]


# --- containers ------------------------------------------------------------------------


def calls(augmenter, X, y):
    """Return what every operation makes of five rows, leaf by leaf."""
    A, B = X[:5], X[5:10]
    found = [
        *augmenter.interpolate(A, B, steps=3),
        *augmenter.interpolate(A, B, steps=2, path="spherical", y_each=(y[:5], y[5:10])),
        augmenter.blend(A, B, X[10:15], weight=[0.2, 0.3, 0.5], y=y[:5]),
        augmenter.transfer(A, y[:5], y[5:6].iloc[0] if hasattr(y, "iloc") else y[5]),
        *augmenter.traverse(A, dims=[1], steps=2)[0],
        *augmenter.lattice(A, y[:5], steps=2)[1],
        *augmenter.walk(A, steps=2),
    ]
    for made in found:
        assert len(made) == 5
    return found


def test_tables_keep_dtypes_and_index(table, mixed):
    X, y = mixed
    for made in calls(table, X, y):
        assert made.dtypes.equals(X.dtypes)
        assert made.index.equals(X.index[:5])


def test_arrays_come_back_as_arrays(numbers, container):
    augmenter = VAEAugmenter(max_iter=2, latent_dim=3, device="cpu", random_state=0).fit(
        container, numbers[1]
    )
    for made in calls(augmenter, container, numbers[1]):
        assert type(made) is type(container)
        kinds = (
            [made.dtypes.equals(container.dtypes)]
            if isinstance(made, pd.DataFrame)
            else [made.dtype == container.dtype]
        )
        assert all(kinds)


@pytest.mark.parametrize("container", list(IMAGE_CONTAINERS))
def test_images_come_back_in_their_container(container):
    images = IMAGE_CONTAINERS[container](IMAGES)
    for made in calls(fast().fit(images, LABELS), images, LABELS):
        assert type(made) is type(images)
        if not isinstance(images, list):
            assert made.dtype == images.dtype
            assert made.shape[1:] == images.shape[1:]


def test_a_saved_model_does_the_same(table, mixed, tmp_path):
    X, y = mixed
    table.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    for made, remade in zip(table.interpolate(X[:3], X[3:6]), again.interpolate(X[:3], X[3:6]), strict=True):
        assert_frame_equal(made, remade)
    assert_frame_equal(table.transfer(X[:3], y[:3], "high"), again.transfer(X[:3], y[:3], "high"))


def test_rows_handed_in_are_not_changed_nor_the_sequence_of_samples(numbers):
    X, y = numbers
    first, second = (VAEAugmenter(max_iter=1, device="cpu", random_state=0).fit(X, y) for _ in range(2))
    kept = X.copy()
    first.transfer(X, y, 1)
    first.interpolate(X[:2], X[2:4])
    first.uncertainty(X, y)
    first.walk(X[:2], random_state=0)
    assert_array_equal(X, kept)
    assert_array_equal(first.sample(3)[0], second.sample(3)[0])


def test_walks_differ_from_call_to_call_unless_seeded(pictures):
    first, second = (np.array(pictures.walk(IMAGES[:3], steps=4, stride=1.0)) for _ in range(2))
    assert not np.array_equal(first, second)
    seeded = [np.array(pictures.walk(IMAGES[:3], steps=4, random_state=1)) for _ in range(2)]
    assert_array_equal(*seeded)


# --- between rows ----------------------------------------------------------------------


def test_frames_begin_and_end_with_the_reconstructions(table, mixed):
    X, y = mixed
    frames = table.interpolate(X[:4], X[4:8], y="mid", steps=4)
    assert_frame_equal(frames[0], table.reconstruct(X[:4], "mid"))
    assert_frame_equal(frames[-1].set_axis(X.index[4:8]), table.reconstruct(X[4:8], "mid"))
    ends = table.interpolate(X[:4], X[4:8], y_each=("low", "high"), steps=2)
    assert_frame_equal(ends[0], table.reconstruct(X[:4], "low"))
    assert_frame_equal(ends[1].set_axis(X.index[4:8]), table.reconstruct(X[4:8], "high"))


def test_a_single_row_goes_with_every_row(pictures):
    frames = pictures.interpolate(IMAGES[:1], IMAGES[1:4], steps=3)
    assert frames[0].shape == (3, 8, 9)
    assert_array_equal(frames[1][2], pictures.interpolate(IMAGES[:1], IMAGES[3:4], steps=3)[1][0])


def test_the_whole_weight_of_a_blend_is_the_reconstruction(pictures):
    made = pictures.blend(IMAGES[:3], IMAGES[3:6], weight=1.0)
    assert_array_equal(made, pictures.reconstruct(IMAGES[:3]))


@pytest.mark.parametrize("latent", ["ladder", "vlae"])
def test_levels_are_blended_by_name(latent):
    prior = "top_down" if latent == "ladder" else "standard"
    augmenter = fast(latent=Recipe(latent, levels=2, width=8), prior=prior).fit(IMAGES, LABELS)
    A, B = IMAGES[:3], IMAGES[3:6]
    coarse = augmenter.blend(A, B, weight={"level_2": 1.0, "level_1": 0.0})
    codes = np.concatenate([augmenter.transform(B)[:, :2], augmenter.transform(A)[:, 2:]], axis=1)
    assert_allclose(coarse, augmenter.inverse_transform(codes), atol=1)
    with pytest.raises(InputError, match="every level of this model, 'level_1', 'level_2'"):
        augmenter.blend(A, B, weight={"coarse": 1.0})


# --- class and attributes --------------------------------------------------------------


def test_transfer_changes_the_class_and_keeps_the_style():
    images, labels = digits(4)
    network = Recipe("convolutional", width=8, features=32)
    augmenter = VAEAugmenter(max_iter=12, network=network, device="cpu", random_state=0).fit(images, labels)
    some = slice(0, 120)
    wanted = (labels[some] + 1) % 4
    flat = images.reshape(len(images), -1).astype(float)

    def share(made):
        distances = ((made.reshape(120, -1).astype(float)[:, None] - flat[None]) ** 2).sum(2)
        return (labels[distances.argmin(1)] == wanted).mean()

    made = augmenter.transfer(images[some], labels[some], wanted)
    assert share(made) > 0.75
    # The decoder alone believes the code more than the label.
    assert share(augmenter.transfer(images[some], labels[some], wanted, pull=None)) < share(made)
    # Style: as much more ink than is usual for the new class as there was for the old one.
    usual = np.array([flat[labels == label].sum(1).mean() for label in range(4)])
    ink = made.reshape(120, -1).sum(1) - usual[wanted], flat[some].sum(1) - usual[labels[some]]
    assert np.corrcoef(*ink)[0, 1] > 0.2


def test_an_edit_by_control_variable_changes_that_one(of_bars, bars):
    augmenter, images, y = of_bars[0], bars[0][:80], bars[1][:80]
    made = augmenter.edit(images, y, attribute="height", value=9.5)
    assert abs(heights(made) - 9).mean() < 1.2 < abs(heights(images) - 9).mean()
    assert (places(made) == y["place"]).mean() > 0.95
    moved = augmenter.edit(images, y, attribute="place", value="mid")
    assert (places(moved) == "mid").mean() > 0.95
    assert np.corrcoef(heights(moved), heights(images))[0, 1] > 0.7
    taller = augmenter.edit(images, y, attribute="height", amount=1.0)
    assert (heights(taller) >= heights(augmenter.reconstruct(images, y))).mean() > 0.9


def test_a_value_beyond_the_training_rows_is_warned_of(recwarn):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    controls = pd.DataFrame({"dose": rng.random(60), "day": pd.date_range("2024-01-01", periods=60)})
    augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(rows, controls)
    augmenter.edit(rows[:5], controls[:5], attribute="dose", value=controls["dose"].max())
    augmenter.edit(rows[:5], controls[:5], attribute="day", value=pd.Timestamp("2024-02-01"))
    assert not recwarn.list
    with pytest.warns(
        VaeaugWarning, match="edit: the value 7.0 of 'dose' is beyond the training rows"
    ) as said:
        augmenter.edit(rows[:5], controls[:5], attribute="dose", value=7.0)
    assert said[0].filename == __file__
    with pytest.warns(VaeaugWarning, match="2031-.* of 'day' .*have 2024-01-01 .* to 2024-02-29"):
        augmenter.edit(rows[:5], controls[:5], attribute="day", value=pd.Timestamp("2031-01-01"))


def test_an_edit_by_direction_changes_that_one(of_bars, bars):
    augmenter, images, known = of_bars[1], bars[0], bars[1]
    directions = augmenter.find_directions(images, known)
    some = slice(0, 80)
    made = augmenter.edit(images[some], attribute="height", value=9.5, directions=directions)
    assert abs(heights(made) - 9).mean() < 1.2
    assert (places(made) == known["place"][some]).mean() > 0.95
    moved = augmenter.edit(
        images[some],
        attribute="place",
        value="left",
        directions=directions,
        attributes=known[["height"]][some],
    )
    assert (places(moved) == "left").mean() > 0.95


def test_tables_are_edited_too(table, mixed):
    X, y = mixed
    directions = table.find_directions(X, X[["size", "flag"]])
    assert directions.explained["size"] > 0.4
    made = table.edit(X[:50], attribute="size", amount=1.0, directions=directions)
    assert made["size"].mean() > table.reconstruct(X[:50])["size"].mean() + 0.2
    assert made.dtypes.equals(X.dtypes)
    # The y of fit is a Series named "label", so its class is a control variable.
    assert_frame_equal(
        table.edit(X[:9], y[:9], attribute="label", value="high", pull=0.75),
        table.transfer(X[:9], y[:9], "high"),
    )


# --- uncertainty -----------------------------------------------------------------------


def test_uncertainty_is_higher_for_what_was_never_seen(of_bars, bars):
    images, augmenter = bars[0], of_bars[1]
    noise = np.random.default_rng(1).integers(0, 255, (50, 12, 12)).astype(np.uint8)
    assert augmenter.uncertainty(noise).mean() > 1.5 * augmenter.uncertainty(images[:50]).mean()


def test_uncertainty_of_tables(table, mixed):
    found = table.uncertainty(*mixed)
    assert found.shape == (300,)
    assert (found >= 0).all()
    assert found.max() > 0
    assert_array_equal(found, table.uncertainty(*mixed))


# --- what codes are good for -----------------------------------------------------------


def test_a_noisy_image_is_denoised(of_bars, bars):
    augmenter, images = of_bars[1], bars[0][:80].astype(float)
    noise = np.random.default_rng(2).normal(0, 40, images.shape)
    noisy = (images + noise).clip(0, 255).round().astype(np.uint8)
    clean = augmenter.reconstruct(noisy).astype(float)
    assert np.square(clean - images).mean() < 0.5 * np.square(noisy - images).mean()


def test_what_was_never_seen_ranks_last(of_bars, bars):
    images, augmenter = bars[0][:80], of_bars[1]
    lying = images.swapaxes(1, 2)
    scores = augmenter.score_samples(np.concatenate([images, lying]))
    assert roc_auc_score(np.repeat([1, 0], 80), scores) > 0.95


def test_codes_serve_a_classifier_and_a_clustering(of_bars, bars):
    images, known = bars
    codes = of_bars[1].transform(images)
    classifier = LogisticRegression(max_iter=500).fit(codes[:200], known["place"][:200])
    assert classifier.score(codes[200:], known["place"][200:]) > 0.95
    # The model knew no labels; its codes still lie in as many heaps as there are places.
    heaps = KMeans(3, n_init=10, random_state=0).fit_predict(StandardScaler().fit_transform(codes))
    assert adjusted_rand_score(known["place"], heaps) > 0.3


# --- a new operation -------------------------------------------------------------------


def caricature(space, source, *, amount=2.0):
    """Take what sets a row apart from its class, and more of it."""
    known, own = space.classes(space.known.c), space.classes(source.c)
    means = np.stack([space.known.z[known == group].mean(0) for group in own])
    return Codes(means + amount * (source.z - means), source.c)


def test_one_function_and_one_line_make_a_new_operation(monkeypatch, table, mixed):
    monkeypatch.setitem(OPERATIONS, "caricature", caricature)
    X, y = mixed
    assert_frame_equal(table.apply("caricature", X[:6], y=y[:6], amount=1.0), table.reconstruct(X[:6], y[:6]))
    assert not table.apply("caricature", X[:6], y=y[:6], amount=3.0).equals(table.reconstruct(X[:6], y[:6]))


# --- bad input -------------------------------------------------------------------------

BAD = {
    "other numbers of rows": (
        lambda a, X, y: a.interpolate(X[:2], X[:3]),
        ["as many rows as one another, or a single one", "2, 3"],
    ),
    "other columns": (lambda a, X, y: a.blend(X[:2], X[["size"]][:2]), ["now missing", "constant"]),
    "weights that do not sum": (lambda a, X, y: a.blend(X[:2], X[2:4], weight=[1, 1]), ["add up to 1", "2"]),
    "one source": (lambda a, X, y: a.blend(X[:2]), ["at least two sources"]),
    "y and labels of each": (
        lambda a, X, y: a.interpolate(X[:2], X[2:4], y="low", y_each=("low", "mid")),
        ["y_each", "y must be None"],
    ),
    "labels of three": (
        lambda a, X, y: a.interpolate(X[:2], X[2:4], y_each=("low", "mid", "high")),
        ["each of the 2 sources", "3"],
    ),
    "one label for each": (
        lambda a, X, y: a.interpolate(X[:2], X[2:4], y_each="low"),
        ["y_each", "one value"],
    ),
    "no old label": (lambda a, X, y: a.transfer(X[:2], None, "low"), ["transfer needs y_from", "None"]),
    "no new label": (lambda a, X, y: a.transfer(X[:2], "low", None), ["transfer needs y_to"]),
    "too few new labels": (
        lambda a, X, y: a.transfer(X[:3], y[:3], ["low", "mid"]),
        ["3 rows", "2"],
    ),
    "an attribute never given": (
        lambda a, X, y: a.edit(X[:2], y[:2], attribute="colour", amount=1),
        ["y had 'label'", "'colour'", "find_directions"],
    ),
    "an amount of a class": (
        lambda a, X, y: a.edit(X[:2], y[:2], attribute="label", amount=1),
        ["'label' is a class", "give value"],
    ),
    "neither amount nor value": (
        lambda a, X, y: a.edit(X[:2], attribute="label"),
        ["either amount or value"],
    ),
    "too many values": (
        lambda a, X, y: a.edit(X[:2], attribute="label", value=["low"] * 3),
        ["each of the 2 rows", "got 3"],
    ),
    "attributes without directions": (
        lambda a, X, y: a.edit(X[:2], attribute="label", value="low", attributes=X[:2]),
        ["attributes go with directions"],
    ),
    "directions of another kind": (
        lambda a, X, y: a.edit(X[:2], attribute="size", amount=1, directions=X),
        ["find_directions", "DataFrame"],
    ),
    "attributes of other rows": (
        lambda a, X, y: a.find_directions(X, X[["size"]][:9]),
        ["a frame of 300 rows", "(9, 1)"],
    ),
    "an unknown operation": (lambda a, X, y: a.apply("swirl", X[:2]), ["'interpolate'", "'swirl'"]),
    "a dimension too far": (lambda a, X, y: a.traverse(X[:2], dims=[4]), ["dims", "<= 3", "got 4"]),
    "one draw": (lambda a, X, y: a.uncertainty(X[:2], n_draws=1), ["n_draws", ">= 2", "got 1"]),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_calls_are_refused_in_a_sentence(table, mixed, case):
    call, words = BAD[case]
    before = {key: id(value) for key, value in vars(table).items()}
    with pytest.raises(ValueError) as caught:
        call(table, *mixed)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert {key: id(value) for key, value in vars(table).items()} == before


def test_images_of_another_size_are_refused(pictures):
    with pytest.raises(InputError, match="8"):
        pictures.interpolate(IMAGES[:2], np.zeros((2, 9, 9), dtype=np.uint8))


def test_labels_that_fit_has_not_seen_are_refused(table, mixed):
    with pytest.raises(UnknownLabelError, match="'huge'"):
        table.transfer(mixed[0][:2], "low", "huge")
    with pytest.raises(UnknownLabelError, match="'huge'"):
        table.edit(mixed[0][:2], attribute="label", value="huge")


def test_an_edit_by_amount_needs_the_value_that_rows_have(of_bars, bars):
    with pytest.raises(InputError, match="starts from the 'height' that rows have"):
        of_bars[0].edit(bars[0][:3], attribute="height", amount=1)
    with pytest.raises(InputError, match="amount must be a finite number"):
        of_bars[0].edit(bars[0][:3], bars[1][:3], attribute="height", amount="more")


def test_a_model_without_y_has_no_control_variables(of_bars, bars):
    with pytest.raises(InputError, match="it was given no y"):
        of_bars[1].edit(bars[0][:3], attribute="height", amount=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: a.interpolate(IMAGES, IMAGES),
        lambda a: a.blend(IMAGES, IMAGES),
        lambda a: a.transfer(IMAGES, 0, 1),
        lambda a: a.edit(IMAGES, attribute="y", value=1),
        lambda a: a.find_directions(IMAGES, pd.DataFrame()),
        lambda a: a.traverse(IMAGES),
        lambda a: a.walk(IMAGES),
        lambda a: a.uncertainty(IMAGES),
    ],
)
def test_an_unfitted_model_asks_for_fit(call):
    with pytest.raises(NotFittedError):
        call(fast())


# --- the family ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::vaeaug.errors.VaeaugWarning")
@pytest.mark.parametrize("variant", ["vae", "ae", "ladder", "vlae", "flow", "planar", "iaf", "discrete"])
def test_every_kind_of_code_takes_every_operation(variant):
    # The others of the family differ in what operations do not see: the prior, or the loss.
    augmenter = fast(**VARIANTS[variant], max_fit_seconds=2.0).fit(IMAGES, LABELS)
    for made in calls(augmenter, IMAGES, LABELS):
        assert np.ptp(made) > 0
    directions = augmenter.find_directions(IMAGES, pd.DataFrame({"mean": IMAGES.mean((1, 2))}), LABELS)
    made = augmenter.edit(IMAGES[:3], LABELS[:3], attribute="mean", amount=1.0, directions=directions)
    assert made.shape == (3, 8, 9)
    assert np.isfinite(augmenter.uncertainty(IMAGES, LABELS)).all()
