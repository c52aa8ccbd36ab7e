"""Parts are tested in a random stream of their own."""

import pytest

from vaeaug.utils.random import isolated_torch


@pytest.fixture(autouse=True)
def seeded():
    with isolated_torch(20):
        yield
