"""Parts are tested in a random stream of their own."""

import pytest

from vaeaug.utils.random import isolate_torch


@pytest.fixture(autouse=True)
def clone_with_seed():
    with isolate_torch(20):
        yield
