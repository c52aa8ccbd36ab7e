"""The defaults for small classes, on real tables that scikit-learn ships."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from vaeaug import VAEAugmenter, VAEOverSampler, load
from vaeaug.evaluation.privacy import distance_to_closest

# Full fits with all defaults: their quality is what is asked.
pytestmark = pytest.mark.slow


def severe_progression():
    """Diabetes: the 8 % of patients with the strongest progression, 10 columns."""
    X, progression = load_diabetes(return_X_y=True, scaled=False)
    return X, (progression > np.quantile(progression, 0.92)).astype(int)


def few_malignant():
    """Breast cancer: 50 malignant among 357 benign tumours, six columns in which the classes overlap."""
    X, benign = load_breast_cancer(return_X_y=True)
    rows = np.r_[np.flatnonzero(benign), np.flatnonzero(benign == 0)[:50]]
    return X[rows][:, [1, 4, 8, 9, 11, 14]], 1 - benign[rows]


@pytest.fixture(scope="module", params=[severe_progression, few_malignant])
def made(request):
    """Return the training half, the other half, the rows made by default, and as many unfiltered ones."""
    X, X_other, y, y_other = train_test_split(*request.param(), test_size=0.5, random_state=0)
    sampler = VAEOverSampler(random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    assert y_res.sum() == (y == 0).sum()
    chosen = X_res[len(X) :]
    every, _ = sampler.augmenter_.generate(np.ones(len(chosen), dtype=int), X, y, random_state=0)
    return (X, y), (X_other, y_other), chosen, every


def test_chosen_rows_lie_where_unseen_rows_of_the_class_do(made):
    _, other, chosen, every = made
    stranger = RandomForestClassifier(100, min_samples_leaf=3, random_state=0).fit(*other)
    rare, all_rare = (stranger.predict_proba(rows)[:, 1].mean() for rows in (chosen, every))
    # More often at home in the rare class, by the judgement of a forest of rows that neither has seen.
    assert rare > all_rare
    assert rare > 2 * other[1].mean()


def test_new_rows_are_no_copies(made):
    (X, y), _, chosen, _ = made
    smote = SMOTE(random_state=0).fit_resample(X, y)[0][len(X) :]
    ours, theirs = (np.median(distance_to_closest(rows, X[y == 1])) for rows in (chosen, smote))
    assert ours > 1.5 * theirs


def low_in_one_column(rows=300, columns=60, rare=12):
    """A rare class that only one of many columns tells from the other: its values are among the lowest."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, columns))
    y = np.zeros(rows, dtype=int)
    y[:rare] = 1
    X[:rare, 7] = rng.normal(-1.8, 0.25, rare)
    return X, y


def test_a_class_that_one_column_tells_keeps_that_column(tmp_path):
    X, y = low_in_one_column()
    augmenter = VAEAugmenter(random_state=0).fit(X, y)
    lows = {}
    for method in ("prior", "interpolate"):
        new, _ = augmenter.generate(np.ones(600, dtype=int), X, y, method=method, random_state=0)
        lows[method] = (new[:, 7] < -1.2).mean()
        # The other columns stay as they are: about standard normal.
        others = np.delete(new, 7, axis=1)
        assert abs(others.mean()) < 0.2
        assert 0.7 < others.std() < 1.3
    # All twelve real rows lie there, and one in nine of the others.
    assert min(lows.values()) > 0.6, lows
    rest, _ = augmenter.generate(np.zeros(600, dtype=int), X, y, method="prior", random_state=0)
    assert (rest[:, 7] < -1.2).mean() < 0.2
    augmenter.save(tmp_path / "model")
    again, _ = load(tmp_path / "model").sample(50, y=1, random_state=3)
    np.testing.assert_array_equal(again, augmenter.sample(50, y=1, random_state=3)[0])
