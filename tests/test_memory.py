"""Nothing is fitted twice: a memory keeps generators by data, parameters and seed."""

import joblib
import numpy as np
import pytest
from jitter import Jitter
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

import vaeaug.classifier.selection
from vaeaug import AugmentedClassifier, VAEAugmenter, VAEOverSampler, assess
from vaeaug.errors import InputError
from vaeaug.evaluation.assess.comparison import Options, compare


@pytest.fixture(autouse=True)
def count_from_zero():
    Jitter.fits = 0


@pytest.fixture(scope="module")
def rare():
    return make_classification(n_samples=150, n_features=4, weights=[0.8], flip_y=0, random_state=0)


def sampler(augmenter=None, **options):
    return VAEOverSampler(augmenter or Jitter(), **{"random_state": 0, "label_filter": None} | options)


@pytest.mark.parametrize("wrap", [str, joblib.Memory])
def test_the_same_data_parameters_and_seed_are_fitted_once(rare, tmp_path, wrap):
    first = sampler(memory=wrap(tmp_path)).fit_resample(*rare)
    again = sampler(memory=wrap(tmp_path)).fit_resample(*rare)
    assert Jitter.fits == 1
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[0], sampler().fit_resample(*rare)[0])


def test_rows_labels_parameters_and_seeds_are_told_apart(rare, tmp_path):
    X, y = rare
    changed = y.copy()
    changed[:3] = 1 - changed[:3]
    for other, rows, labels in [
        (sampler(memory=tmp_path), X, y),
        (sampler(memory=tmp_path), X + 1e-9, y),
        (sampler(memory=tmp_path), X, changed),
        (sampler(memory=tmp_path, random_state=1), X, y),
        (sampler(Jitter(0.5), memory=tmp_path), X, y),
    ]:
        other.fit_resample(rows, labels)
    assert Jitter.fits == 5


def test_what_does_not_change_the_fit_does_not_fit_anew(rare, tmp_path):
    sampler(memory=tmp_path).fit_resample(*rare)
    sampler(memory=tmp_path, method="prior", sampling_strategy=0.9).fit_resample(*rare)
    assert Jitter.fits == 1
    quiet, loud = (sampler(VAEAugmenter(max_iter=1, verbose=v), memory=tmp_path) for v in (0, 1))
    quiet.fit_resample(*rare)
    began = loud.fit_resample(*rare)[0]
    np.testing.assert_array_equal(began, quiet.fit_resample(*rare)[0])


def test_without_a_seed_the_fit_is_kept_and_the_rows_differ(rare, tmp_path):
    made = [sampler(memory=tmp_path, random_state=None).fit_resample(*rare)[0] for _ in range(2)]
    assert Jitter.fits == 1
    assert not np.array_equal(*made)


@pytest.mark.parametrize("seed", [0, None])
def test_a_grid_over_the_classifier_fits_each_folds_generator_once(rare, tmp_path, seed):
    model = AugmentedClassifier(KNeighborsClassifier(), sampler(random_state=seed), memory=tmp_path)
    grid = {"estimator__n_neighbors": [1, 3, 5]}
    GridSearchCV(model, grid, cv=4, error_score="raise").fit(*rare)
    assert Jitter.fits == 4 + 1


@pytest.mark.slow  # "auto" in a grid, twice
@pytest.mark.parametrize("seed", [0, None])
def test_auto_in_a_grid_fits_once_for_each_inner_and_outer_training_set(rare, tmp_path, seed, monkeypatch):
    monkeypatch.setattr(vaeaug.classifier.selection, "VAEOverSampler", lambda: sampler(random_state=None))
    model = AugmentedClassifier(LogisticRegression(), "auto", random_state=seed, memory=tmp_path)
    GridSearchCV(model, {"estimator__C": [0.1, 1.0, 10.0]}, cv=2, error_score="raise").fit(*rare)
    # Three inner folds and all rows, of two outer folds and of the whole.
    assert Jitter.fits <= (3 + 1) * (2 + 1)
    assert Jitter.fits >= 3 * (2 + 1)


ASSESSED = {"cv": 3, "n_repeats": 1, "random_state": 0, "ratios": [0.5, 1.0]}


def test_samplers_that_differ_in_what_they_draw_share_what_they_fit(rare):
    methods = {name: sampler(method=name, random_state=None) for name in ("prior", "interpolate")}
    folds = list(StratifiedKFold(3).split(*rare))
    compare(LogisticRegression(), *rare, methods, Options(cv=folds, random_state=0))
    together, Jitter.fits = Jitter.fits, 0
    compare(LogisticRegression(), *rare, methods["prior"], Options(cv=folds, random_state=0))
    assert Jitter.fits == together


def test_assess_with_a_memory_fits_nothing_for_another_classifier(rare, tmp_path):
    for model in (LogisticRegression(), KNeighborsClassifier()):
        assess(model, *rare, sampler=sampler(memory=tmp_path, method="prior"), **ASSESSED)
        assert Jitter.fits == 3


def test_a_memory_that_is_none_is_refused_before_the_work(rare):
    for model in (VAEOverSampler(memory=3), AugmentedClassifier(LogisticRegression(), memory=3)):
        fit = model.fit_resample if isinstance(model, VAEOverSampler) else model.fit
        with pytest.raises(InputError, match=r"memory must be None, a folder or a joblib.Memory, got 3"):
            fit(*rare)
