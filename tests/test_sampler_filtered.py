"""VAEOverSampler with a filter: what is dropped is made anew, and what is still missing is told."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator

from vaeaug import VAEAugmenter, VAEOverSampler
from vaeaug.errors import InputError
from vaeaug.filtering import LabelFilter


class Half(BaseEstimator):
    """Makes rows of class 1 of which every other one, counted over the call, looks like class 0."""

    def __init__(self, wrong=True):
        self.wrong = wrong

    def fit(self, X, y):
        return self

    def generate(self, y_new, X, y, *, method="auto", random_state=None):
        shown = np.where(self.wrong & (np.arange(len(y_new)) % 2 == 0), 0, np.asarray(y_new))
        rows = np.random.default_rng(random_state).normal(size=(len(y_new), 3)) * 0.3 + 6 * shown[:, None]
        made = pd.DataFrame(rows, columns=X.columns) if isinstance(X, pd.DataFrame) else rows
        return made, np.arange(len(y_new))


def rows():
    y = np.repeat([0, 1], [60, 20])
    return np.random.default_rng(0).normal(size=(80, 3)) * 0.3 + 6 * y[:, None], y


@pytest.mark.parametrize(
    "wrap", [np.asarray, lambda X: pd.DataFrame(X, columns=list("abc")), np.ndarray.tolist]
)
def test_dropped_rows_are_made_anew(wrap):
    X, y = rows()
    sampler = VAEOverSampler(Half(), random_state=0, label_filter=LabelFilter(closeness=None))
    X_res, y_res = sampler.fit_resample(wrap(X), y)
    assert type(X_res) is type(wrap(X))
    # 40 rows wanted; a half, then a quarter, then an eighth is made in vain.
    assert sampler.sampling_strategy_ == {1: 35}
    assert len(X_res) == len(y_res) == len(sampler.is_synthetic_) == len(sampler.source_indices_) == 115
    assert (np.asarray(X_res)[80:] > 3).all()
    assert sampler.dropped_.loc[1].to_dict() == {"made": 70, "kept": 35, "label": 35, "duplicate": 0}


def test_where_all_pass_nothing_is_missing():
    X, y = rows()
    sampler = VAEOverSampler(Half(wrong=False), random_state=0, label_filter=LabelFilter(closeness=None))
    assert sampler.fit_resample(X, y)[1].sum() == 60
    assert sampler.sampling_strategy_ == {1: 40}


def test_without_a_filter_everything_is_kept():
    X, y = rows()
    sampler = VAEOverSampler(Half(), random_state=0, label_filter=None)
    X_res, _ = sampler.fit_resample(X, y)
    assert X_res.shape == (120, 3)
    assert (X_res[80:] > 3).all(axis=1).sum() == 20
    assert not hasattr(sampler, "dropped_")


@pytest.mark.parametrize("wrap", [np.asarray, lambda X: pd.DataFrame(X, columns=list("abc"))])
def test_by_default_typical_rows_are_chosen_among_more(wrap):
    X, y = rows()
    sampler = VAEOverSampler(Half(), random_state=0)
    X_res, y_res = sampler.fit_resample(wrap(X), y)
    assert sampler.sampling_strategy_ == {1: 40}
    assert len(X_res) == len(y_res) == len(sampler.is_synthetic_) == len(sampler.source_indices_) == 120
    assert (np.asarray(X_res)[80:] > 3).all()
    assert not hasattr(sampler, "dropped_")


def test_by_default_images_are_not_filtered(monkeypatch):
    monkeypatch.setattr("vaeaug.sampler.Committee", None)
    y = np.repeat([0, 1], [20, 8])
    images = np.random.default_rng(0).integers(0, 255, (28, 6, 6)).astype(np.uint8)
    flat = images.reshape(28, 36)
    assert len(VAEOverSampler(VAEAugmenter(max_iter=1), random_state=0).fit_resample(images, y)[0]) == 40
    wide = VAEAugmenter(max_iter=1, image_shape=(6, 6))
    assert len(VAEOverSampler(wide, random_state=0).fit_resample(flat, y)[0]) == 40


def test_an_unknown_filter_is_refused():
    with pytest.raises(InputError, match="label_filter"):
        VAEOverSampler(Half(), label_filter="strict").fit_resample(*rows())


def test_images_in_tensors():
    y = np.repeat([0, 1], [40, 12])
    images = np.random.default_rng(0).integers(0, 60, (52, 8, 8)) + 180 * y[:, None, None]
    X = torch.from_numpy(images.astype(np.uint8))
    sampler = VAEOverSampler(
        VAEAugmenter(max_iter=2), random_state=0, label_filter=LabelFilter(closeness=None, tolerance=0.0)
    )
    X_res, y_res = sampler.fit_resample(X, y)
    assert isinstance(X_res, torch.Tensor)
    assert X_res.dtype == torch.uint8
    assert len(X_res) == len(y_res) == 52 + sampler.dropped_["kept"].sum()
