"""Libraries that do not go together are named, with the command that mends it."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from vaeaug import AugmentedDataset, VAEAugmenter
from vaeaug.errors import LibraryError


@pytest.mark.usefixtures("broken_torchvision")
def test_a_torchvision_of_another_build_is_named_with_the_remedy():
    with pytest.raises(LibraryError) as found:
        from vaeaug.integrations.torchvision import VAEVariation  # noqa: F401
    said = str(found.value)
    assert said.startswith(f"torch {torch.__version__} and torchvision 0.99.0+cu999 are of different builds")
    assert "operator torchvision::nms does not exist" in said
    assert said.endswith("from one index: pip install --force-reinstall torch torchvision")
    assert isinstance(found.value, ImportError)
    assert isinstance(found.value.__cause__, RuntimeError)


@pytest.mark.usefixtures("broken_torchvision")
def test_tables_in_a_dataset_need_no_torchvision():
    rows, labels = torch.randn(40, 3), torch.tensor([0] * 30 + [1] * 10)
    augmenter = VAEAugmenter(max_iter=1, latent_dim=2, random_state=0).fit(rows, labels)
    even = AugmentedDataset(TensorDataset(rows, labels), augmenter, p=0, balance=True, random_state=0)
    even.set_epoch(0)
    assert np.bincount([int(label) for _, label in even]).tolist() == [30, 30]
