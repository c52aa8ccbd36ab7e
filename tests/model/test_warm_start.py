"""Fits that go on from an earlier model: what is kept, what is reported, what is refused."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from vaeaug import Recipe, VAEAugmenter, load
from vaeaug.errors import InputError

SMALL = Recipe("residual", width=16, depth=1, dependence=32)


def fast(**parameters):
    return VAEAugmenter(
        max_iter=2, latent_dim=4, network=SMALL, device="cpu", random_state=0, warm_start=True
    ).set_params(**parameters)


def make_rows(rows, seed=0):
    rng = np.random.default_rng(seed)
    job = rng.choice(["clerk", "nurse"], rows)
    first = rng.normal(size=rows) + 2 * (job == "nurse")
    age = rng.integers(20, 70, rows)
    X = pd.DataFrame({"first": first, "second": first + rng.normal(size=rows), "age": age, "job": job})
    return X, np.where(first > 1, "yes", "no")


def grow(X, y, rows=150, seed=1):
    """Return rows followed by more, one in three of them of a new job and of a new class."""
    more, labels = make_rows(rows, seed)
    more.loc[::3, "job"], labels = "baker", labels.astype(object)
    labels[::3] = "maybe"
    return pd.concat([X, more], ignore_index=True), np.append(y.astype(object), labels)


@pytest.fixture(scope="module")
def before():
    return make_rows(200)


@pytest.fixture(scope="module")
def now(before):
    return grow(*before)


@pytest.fixture(scope="module")
def model_file(before, tmp_path_factory):
    """Return the file of a model of the rows before."""
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    fast().fit(*before).save(path)
    return path


@pytest.fixture
def earlier(model_file):
    return load(model_file, device="cpu")


def rows_of(augmenter):
    return augmenter.sample(50, random_state=1)[0]


# --- going on --------------------------------------------------------------------------


def test_a_first_fit_is_one_without_warm_start(before):
    cold, warm = fast(warm_start=False).fit(*before), fast().fit(*before)
    pd.testing.assert_frame_equal(rows_of(warm), rows_of(cold))
    assert warm.changes_ is None


def test_a_saved_model_goes_on_as_if_it_were_not_saved(earlier, before, now):
    again = fast().fit(*before).fit(*now)
    pd.testing.assert_frame_equal(rows_of(earlier.fit(*now)), rows_of(again))


def test_training_starts_where_it_ended(earlier, before):
    """A vanishing learning rate leaves the scores as they were."""
    scores = earlier.score_samples(*before)
    earlier.set_params(learning_rate_init=1e-12, max_iter=1).fit(*before)
    # Output biases are calibrated anew.
    assert abs(earlier.score_samples(*before) - scores).mean() < 0.15


def test_new_categories_and_classes_are_drawn(earlier, now):
    earlier.fit(*now)
    assert earlier.classes_.tolist() == ["maybe", "no", "yes"]
    X_new, y_new = earlier.sample(300, random_state=0)
    assert (X_new["job"] == "baker").any()
    assert (y_new == "maybe").any()


def test_parameters_stay_as_they_are(earlier, now):
    parameters = earlier.get_params()
    assert earlier.fit(*now).get_params() == parameters


def test_a_clone_begins_anew(earlier, before):
    assert not hasattr(clone(earlier), "fitted_")
    assert clone(earlier).fit(*before).changes_ is None


def test_steps_are_few_by_default():
    augmenter = fast(max_iter="auto", early_stopping=False).fit(*make_rows(100))
    epochs = augmenter.n_iter_
    assert augmenter.fit(*make_rows(100)).n_iter_ <= 0.1 * epochs + 1


@pytest.mark.parametrize("form", ["array", "regression", "labels missing", "no labels", "frame of labels"])
def test_every_form_of_data_goes_on(form):
    (X, y), (more, _) = make_rows(120), make_rows(60, 1)
    X = X.drop(columns="job")
    more = pd.concat([X, more.drop(columns="job")], ignore_index=True)
    labels = {
        "array": np.resize(y, 180),
        "regression": np.linspace(0, 1, 180),
        "labels missing": np.where(np.arange(180) % 7 == 0, None, np.resize(y, 180)),
        "no labels": None,
        "frame of labels": pd.DataFrame({"a": np.resize(y, 180), "b": np.linspace(0, 1, 180)}),
    }[form]
    if form == "array":
        X, more = X.to_numpy(), more.to_numpy()
    augmenter = fast(max_iter=1).fit(X, None if labels is None else labels[:120])
    X_new, _ = augmenter.fit(more, labels).sample(20, random_state=0)
    assert X_new.shape == (20, 3)


@pytest.mark.parametrize("prior", [Recipe("flow", width=8, depth=1), "vamp", "gaussian"], ids=str)
def test_every_prior_goes_on(prior, before, now):
    augmenter = fast(max_iter=1, prior=prior).fit(*before)
    assert len(rows_of(augmenter.fit(*now))) == 50


def test_images_go_on_and_learn_a_new_class():
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    augmenter = fast(max_iter=1, network=Recipe("convolutional", width=8)).fit(images[:40], np.arange(40) % 2)
    X_new, _ = augmenter.fit(images, np.arange(60) % 3).sample(5, y=2, random_state=0)
    assert X_new.shape == (5, 8, 8)
    assert augmenter.changes_["change"].tolist() == ["extended", "extended"]


def test_files_that_grow_go_on(before, now, tmp_path):
    pytest.importorskip("pyarrow")
    for (X, y), name in ((before, "a"), (now, "b")):
        (tmp_path / name).mkdir()
        X.assign(label=y).to_parquet(tmp_path / name / "rows.parquet")
    augmenter = fast().fit(str(tmp_path / "a"), y="label")
    augmenter.fit(str(tmp_path / "b"), y="label")
    assert augmenter.classes_.tolist() == ["maybe", "no", "yes"]
    assert augmenter.changes_.set_index("column").loc["job", "new"] == ["baker"]


# --- the report ------------------------------------------------------------------------


def test_the_report_says_what_changed(earlier, now):
    X, y = now
    X = X.assign(second=np.where(np.arange(len(X)) < 200, X["second"], X["second"] + 3))
    changes = earlier.fit(X, y).changes_.set_index("column")
    assert changes.loc["job", ["kind", "change"]].tolist() == ["categorical", "extended"]
    assert changes.loc["job", "new"] == ["baker"]
    assert changes.loc["first", "change"] == "kept"
    assert changes.loc["second", "change"] == "recut"
    assert changes.loc["second", "drift"] > 0.1
    assert changes.loc["y", "new"] == ["maybe"]
    assert changes["note"].iloc[-1] == "350 rows, 200 before"
    assert changes.index[-1] == ""


def test_the_report_names_the_labels_and_few_new_values(before):
    X, y = before
    augmenter = fast(max_iter=1).fit(X, pd.Series(y, name="late"))
    jobs = [f"job {k:02d}" for k in range(30)]
    X = pd.concat([X, X[:30].assign(job=jobs)], ignore_index=True)
    changes = augmenter.fit(X, pd.Series([*y, *y[:30]], name="late")).changes_.set_index("column")
    assert changes.loc["late", "kind"] == "target"
    assert changes.loc["job", "new"] == [*jobs[:10], "and 20 more"]


# --- rules -----------------------------------------------------------------------------


def with_total(rows, seed=0):
    X, y = make_rows(rows, seed)
    X["total"] = X["age"] + X["first"].round(2) * 100 // 1
    return X.assign(first=X["first"].round(2) * 100 // 1), y


def test_rules_are_kept(before):
    (X, y), (more, labels) = with_total(150), with_total(100, 1)
    augmenter = fast().fit(X, y)
    rules = augmenter.relations_["formula"].tolist()
    augmenter.fit(pd.concat([X, more], ignore_index=True), np.append(y, labels))
    assert augmenter.relations_["formula"].tolist() == rules
    X_new, _ = augmenter.sample(100, random_state=0)
    assert (X_new["total"] == X_new["age"] + X_new["first"]).all()


def test_keys_that_are_new_are_looked_up():
    rng = np.random.default_rng(0)
    city = rng.choice(["Paris", "Lyon", "Rome"], 200)
    country = {"Paris": "France", "Lyon": "France", "Rome": "Italy", "Bern": "Switzerland"}
    X = pd.DataFrame({"city": city, "size": rng.normal(size=200)})
    X["country"] = X["city"].map(country)
    augmenter = fast(relations=["city -> country"]).fit(X)
    more = X.assign(city=np.where(np.arange(200) % 2, "Bern", city))
    more["country"] = more["city"].map(country)
    X_new, _ = augmenter.fit(pd.concat([X, more], ignore_index=True)).sample(300, random_state=0)
    assert (X_new["city"] == "Bern").any()
    assert (X_new["country"] == X_new["city"].map(country)).all()


def test_a_rule_that_computes_a_column_must_hold():
    (X, y), (more, labels) = with_total(150), with_total(100, 1)
    augmenter = fast().fit(X, y)
    more.loc[:2, "total"] += 1
    said = r"column '\w+' has 3 rows that break them: .*warm_start=False.*relations=\[\.\.\.\]"
    with pytest.raises(InputError, match=said):
        augmenter.fit(pd.concat([X, more], ignore_index=True), np.append(y, labels))


def implying(rows, broken=0):
    """Return a table in which those who do not smoke have smoked for no years, but for some rows."""
    rng = np.random.default_rng(rows)
    smoker = rng.choice(["no", "yes"], rows)
    years = np.where(smoker == "yes", rng.integers(0, 40, rows), 0)
    years[np.flatnonzero(smoker == "no")[:broken]] = 7
    return pd.DataFrame({"smoker": smoker, "years": years, "size": rng.normal(size=rows)})


def test_a_found_rule_that_breaks_gets_exceptions():
    augmenter = fast().fit(implying(300))
    formula = "smoker == 'no' implies years == 0"
    assert formula in augmenter.relations_["formula"].tolist()
    augmenter.fit(pd.concat([implying(300), implying(200, broken=4)], ignore_index=True))
    rule = augmenter.relations_.set_index("formula").loc[formula]
    assert (rule["rows"], rule["exceptions"]) == (496, 4)
    broken = augmenter.changes_.set_index("kind").loc["rule"]
    assert (broken["new"], broken["note"]) == ([formula], "by 4 rows")


def test_a_rule_of_a_snapshot_can_be_left_out():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"since": rng.integers(1, 40, 300), "size": rng.normal(size=300)})
    X = X.assign(tenure=40 - X["since"], city=rng.choice(["Paris", "Lyon", "Rome"], 300))
    X["country"] = X["city"].map({"Paris": "France", "Lyon": "France", "Rome": "Italy"})
    later = pd.concat([X, X.assign(tenure=X["tenure"] + 1)], ignore_index=True)
    with pytest.raises(InputError, match="rows that break them"):
        fast().fit(X).fit(later)
    augmenter = fast(relations=["city -> country"]).fit(X).fit(later)
    assert augmenter.relations_["formula"].tolist() == ["city -> country"]


def test_a_declared_rule_must_hold():
    augmenter = fast(relations=["smoker == 'no' implies years == 0"]).fit(implying(300))
    with pytest.raises(InputError, match="column 'years' has 4 rows that break them: .*implies"):
        augmenter.fit(pd.concat([implying(300), implying(200, broken=4)], ignore_index=True))


# --- refusals --------------------------------------------------------------------------


def other_rows(X, y):
    rng = np.random.default_rng(5)
    return X.assign(first=rng.normal(50, 1, len(X)), second=9.5, age=rng.integers(200, 300, len(X))), y


REFUSED = {
    "a column less": (lambda X, y: (X.drop(columns="age"), y), ["'age'", "warm_start=False"]),
    "another order": (lambda X, y: (X[X.columns[::-1]], y), ["in this order"]),
    "another name": (lambda X, y: (X.rename(columns={"age": "years"}), y), ["'years'", "'age'"]),
    "an array": (lambda X, y: (X[["first", "second", "age", "age"]].to_numpy(), y), ["without names"]),
    "another kind": (lambda X, y: (X.assign(first="a"), y), ["'first' was read as numeric", "categorical"]),
    "other values": (other_rows, ["3 hold other values", "'first'"]),
    "no labels": (lambda X, y: (X, None), ["classes", "got none"]),
    "numbers as labels": (lambda X, y: (X, np.linspace(0, 1, len(X))), ["classes; got numbers"]),
    "a class less": (lambda X, y: (X[y == "yes"], y[y == "yes"]), ["no row is of 'no'"]),
    "images": (lambda X, y: (np.zeros((40, 8, 8)), y[:40]), ["a table; X is images"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_data_is_refused_and_the_model_stays(case, earlier, before):
    change, words = REFUSED[case]
    state, rows = dict(vars(earlier)), rows_of(earlier)
    with pytest.raises(InputError) as caught:
        earlier.fit(*change(before[0].copy(), before[1]))
    for word in ["warm_start", *words]:
        assert word in str(caught.value)
    assert vars(earlier) == state
    pd.testing.assert_frame_equal(rows_of(earlier), rows)


@pytest.mark.parametrize(
    "changed",
    [{"latent_dim": 5}, {"prior": "flow"}, {"relations": None}, {"categorical_features": ["age"]}],
    ids=str,
)
def test_other_parameters_are_refused(changed, earlier, before):
    earlier.set_params(**changed)
    (name,) = changed
    with pytest.raises(InputError, match=f"had {name}=.*got {name}=.*warm_start=False"):
        earlier.fit(*before)


def test_images_of_another_size_are_refused():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    augmenter = fast(max_iter=1, network=Recipe("convolutional", width=8)).fit(images)
    with pytest.raises(InputError, match="warm_start goes on with images like those of the last fit"):
        augmenter.fit(images[:, :6, :6])


def test_a_folder_of_another_fit_is_refused(before, tmp_path):
    augmenter = fast(checkpoint_dir=tmp_path / "state").fit(*before)
    with pytest.raises(InputError, match="state"):
        augmenter.fit(*before)
