"""Fits on tables that are read piece by piece are as good as fits on the same rows in memory."""

import numpy as np
import pandas as pd
import pytest
from made_tables import made_labels, made_table

import vaeaug.data.streams.table as streaming
from vaeaug import VAEAugmenter, load
from vaeaug.data.streams.sources import open_stream
from vaeaug.data.streams.table import StreamedTable, survey
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.evaluation.fidelity import column_shapes
from vaeaug.model.fitted import get_fitted
from vaeaug.training.distributed import Team

pytest.importorskip("pyarrow")


def fast(**parameters):
    return VAEAugmenter(**{"max_iter": 2, "random_state": 0, "device": "cpu", **parameters})


def written(frame, folder, rows=130, group=50):
    folder.mkdir(exist_ok=True)
    for number, start in enumerate(range(0, len(frame), rows)):
        part = frame.iloc[start : start + rows]
        part.to_parquet(folder / f"part-{number}.parquet", row_group_size=group, index=False)
    return folder


@pytest.fixture(scope="module")
def table():
    frame = made_table(400).reset_index(drop=True)
    return frame.assign(label=made_labels(400).to_numpy())


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    return written(table, tmp_path_factory.mktemp("stream") / "table")


@pytest.fixture(scope="module")
def fitted(folder):
    return fast().fit(folder, y="label")


def assert_same_codecs(one, other):
    first, second = get_fitted(one).codec, get_fitted(other).codec
    assert first.columns_.equals(second.columns_)
    for mine, theirs in zip(first.codecs_, second.codecs_, strict=True):
        assert mine.state()[0] == theirs.state()[0]
        for name, array in theirs.state()[1].items():
            np.testing.assert_array_equal(mine.state()[1][name], array, err_msg=f"{mine.name} {name}")


def test_codecs_are_those_of_a_fit_in_memory(fitted, folder):
    frame = pd.read_parquet(folder)
    X, y = frame.drop(columns="label"), frame["label"]
    # Without labels: in memory, bins are also cut where small classes lie.
    assert_same_codecs(fitted, fast(max_iter=1).fit(X))
    memory = fast(max_iter=1).fit(X, y)
    assert fitted.classes_.tolist() == memory.classes_.tolist()
    assert get_fitted(fitted).context.counts_.tolist() == get_fitted(memory).context.counts_.tolist()
    assert fitted.feature_names_in_.tolist() == memory.feature_names_in_.tolist()
    assert fitted.n_features_in_ == memory.n_features_in_ == 11


def test_new_rows_have_the_dtypes_of_the_files(fitted, folder):
    frame = pd.read_parquet(folder)
    X, y = fitted.sample(20, random_state=0)
    assert X.dtypes.equals(frame.drop(columns="label").dtypes)
    assert y.name == "label"
    assert set(y) <= set(frame["label"])


def test_everything_else_works_as_after_a_fit_in_memory(fitted, folder, tmp_path):
    frame = pd.read_parquet(folder)
    X, y = frame.drop(columns="label"), frame["label"]
    X_res, y_res = fitted.resample(X, y, random_state=0)
    assert y_res.value_counts().nunique() == 1
    pd.testing.assert_frame_equal(X_res.iloc[: len(X)], X)
    assert fitted.transform(X).shape == (400, 16)
    assert fitted.sample(5, method="posterior", random_state=0)[0].shape == (5, 11)
    fitted.save(tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    assert again.sample(5, random_state=0)[0].equals(fitted.sample(5, random_state=0)[0])
    out = fitted.resample_parquet(folder, tmp_path / "new", target="label", random_state=0)
    assert pd.read_parquet(out)["label"].value_counts().sum() == len(X_res) - len(X)


def test_the_seed_decides(fitted, folder):
    again, other = fast().fit(folder, y="label"), fast(random_state=1).fit(folder, y="label")
    weights = [get_fitted(model).model.state().values() for model in (fitted, again, other)]
    same, differs = (
        [np.array_equal(a, b) for a, b in zip(weights[0], those, strict=True)] for those in weights[1:]
    )
    assert all(same)
    assert not all(differs)


def test_frames_in_turn_are_learned_too(table):
    frames = [table[:150].reset_index(drop=True), table[150:].reset_index(drop=True)]
    model = fast().fit(frames, y="label")
    assert_same_codecs(model, fast(max_iter=1).fit(table.drop(columns="label")))


def test_pieces_whose_dtypes_differ_get_that_of_the_whole():
    first = pd.DataFrame({"n": [1, 2, 3] * 20, "ok": [True, False, True] * 20, "word": [np.nan] * 60})
    second = pd.DataFrame({"n": [1.5, None] * 30, "ok": [True, None] * 30, "word": ["a", "b"] * 30})
    model = fast().fit([first, second])
    X, _ = model.sample(10, random_state=0)
    assert X.dtypes.astype(str).to_dict()["n"] == "float64"
    assert set(X["ok"].dropna()) <= {True, False}
    assert set(X["word"].dropna()) <= {"a", "b"}


@pytest.mark.parametrize("y", [None, "size", ["label", "size"], ["label"]])
def test_labels_of_every_kind(folder, y):
    model = fast(max_iter=1).fit(folder, y=y)
    X, y_new = model.sample(6, random_state=0)
    named = [y] if isinstance(y, str) else y or []
    assert X.shape == (6, 12 - len(named))
    if isinstance(y, list):
        assert y_new.columns.tolist() == y
    else:
        assert y is None or y_new.name == y


def test_a_rare_class_is_sampled_though_the_reservoir_is_small(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "_LEAST_ROWS", 100)
    monkeypatch.setattr(streaming, "_CELLS", 300)
    rng = np.random.default_rng(0)
    label = np.full(6000, "common", dtype=object)
    label[[11, 4000, 5999]] = "rare"
    frame = pd.DataFrame({"a": rng.normal(size=6000) + 9 * (label == "rare"), "label": label})
    source = StreamedTable(fast(), written(frame, tmp_path / "t", 2000, 500), "label", 0, Team())
    assert source.rows == 6000
    assert (source.context.counts_ == [5997, 3]).all()
    assert (source.groups == 1).sum() == 3
    # What the rows of the sample stand for gives the shares of the table.
    assert source.mass[source.groups == 1].sum() / source.mass.sum() == pytest.approx(3 / 6000, rel=1e-5)
    blocks = list(source.training_rows(np.zeros(len(source.x), bool))[0](1, 0, 0, 1))
    weights = np.concatenate([block[-1] for block in blocks])
    assert weights.mean() == pytest.approx(1, rel=1e-5)
    assert np.unique(weights)[1] / np.unique(weights)[0] == pytest.approx((5997 / 3) ** 0.5, rel=1e-5)


def test_memory_is_bounded_where_rows_are_not_kept(folder, table, monkeypatch):
    monkeypatch.setattr(streaming, "_KEPT_BYTES", 0)
    source = StreamedTable(fast(), folder, "label", 0, Team())
    held = np.zeros(400, bool)
    held[::7] = True
    read, n = source.training_rows(held)
    assert n == 400 - held.sum()
    for turn in range(2):
        x = np.concatenate([block[0] for block in read(1, turn, 0, 1)])
        assert len(x) == n
        assert not source._kept
    np.testing.assert_array_equal(np.sort(x[:, 0]), np.sort(source.x[~held, 0]))


def test_rows_that_are_kept_are_the_rows_that_were_read(folder):
    source = StreamedTable(fast(), folder, "label", 0, Team())
    read, _ = source.training_rows(np.zeros(400, bool))
    first, second = (np.concatenate([b[0] for b in read(1, 0, 0, 1)]) for _ in range(2))
    assert source._kept
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("ranks", [2, 9])
def test_processes_share_the_rows(folder, ranks):
    source = StreamedTable(fast(), folder, "label", 0, Team())
    read, n = source.training_rows(np.zeros(400, bool))
    parts = [sum(len(block[0]) for block in read(1, 0, rank, ranks)) for rank in range(ranks)]
    assert sum(parts) == n
    assert min(parts) > 0


def test_a_bounded_fit_looks_at_a_part_and_says_so(folder):
    times = iter(np.arange(0.0, 100.0))
    found = survey(open_stream(folder), ["label"], 0, seconds=2.5, clock=lambda: next(times))
    assert not found.is_whole
    assert 0 < found.rows < 400


def test_values_that_the_first_pass_did_not_reach_are_trained_as_others(folder, monkeypatch):
    whole = streaming.survey

    def part(stream, *arguments, **options):
        options["seconds"] = 0.5
        times = iter([0.0, 1.0])
        return whole(stream, *arguments, **options, clock=lambda: next(times))

    monkeypatch.setattr(streaming, "survey", part)
    with pytest.warns(VaeaugWarning, match="max_fit_seconds left time to look at 50 rows"):
        model = fast(max_fit_seconds=60.0).fit(folder, y="label")
    assert model.sample(5, random_state=0)[0].shape == (5, 11)


@pytest.mark.slow
def test_new_rows_are_as_good_as_those_of_a_fit_in_memory(tmp_path):
    table = made_table(3000).reset_index(drop=True)
    X, y = table, pd.Series(made_labels(3000).to_numpy(), name="label")
    folder = written(X.assign(label=y), tmp_path / "t", 1000, 250)
    scores = []
    for model in (fast(max_iter=25).fit(X, y), fast(max_iter=25).fit(folder, y="label")):
        new, _ = model.sample(3000, random_state=0)
        scores.append(column_shapes(X, new).mean())
    # Shares of 3,000 rows differ by a hundredth from draw to draw.
    assert scores[1] == pytest.approx(scores[0], abs=0.02)


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ("nothing", "has no column 'nothing' for y; it has 'size'"),
        (np.zeros(400), "y must name the column of labels"),
        ("maybe", "labels in the column 'maybe' are missing"),
    ],
)
def test_labels_that_are_not_there(folder, y, said):
    with pytest.raises(InputError, match=said):
        fast().fit(folder, y=y)


def test_weights_are_refused(folder):
    with pytest.raises(InputError, match="sample_weight is not taken"):
        fast().fit(folder, "label", sample_weight=np.ones(400))


def test_too_few_rows(tmp_path):
    written(pd.DataFrame({"a": [1.0]}), tmp_path / "t")
    with pytest.raises(InputError, match="at least 2 rows .* got n_samples=1"):
        fast().fit(tmp_path / "t")


def test_infinite_numbers_are_refused_by_name(tmp_path):
    frame = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)})
    frame.loc[70, "b"] = np.inf
    with pytest.raises(InputError, match="Column 'b' contains infinity"):
        fast().fit(written(frame, tmp_path / "t"))


def test_a_type_that_changes_between_frames_is_named():
    frames = [pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": ["x", "y"]})]
    with pytest.raises(InputError, match="The column 'a' is .* in frame 1 of X and float64 before"):
        fast().fit(frames)


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, folder):
    before = dict(vars(fitted))
    with pytest.raises(InputError):
        fitted.fit(folder, y="nothing")
    assert vars(fitted) == before
