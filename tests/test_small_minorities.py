"""The defaults for small classes, on real tables that scikit-learn ships."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from vaeaug import VAEOverSampler
from vaeaug.evaluation.privacy import distance_to_closest


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
    assert rare > 1.1 * all_rare
    assert rare > 2 * other[1].mean()


def test_new_rows_are_no_copies(made):
    (X, y), _, chosen, _ = made
    smote = SMOTE(random_state=0).fit_resample(X, y)[0][len(X) :]
    ours, theirs = (np.median(distance_to_closest(rows, X[y == 1])) for rows in (chosen, smote))
    assert ours > 1.5 * theirs
