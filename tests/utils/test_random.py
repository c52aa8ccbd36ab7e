"""Seeds and streams: independent, repeatable, and the global ones put back."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from vaeaug.utils.random import derive_seed, isolate_torch, numpy_generator, torch_generator


def test_an_int_gives_the_same_seed_every_time():
    assert derive_seed(3) == derive_seed(3) != derive_seed(4)


def test_none_gives_new_seeds():
    assert len({derive_seed(None) for _ in range(20)}) == 20


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_stream_is_advanced(make):
    stream = make(0)
    assert derive_seed(stream) != derive_seed(stream)
    assert derive_seed(make(0)) == derive_seed(make(0))


def test_a_sequence_gives_the_same_seed_every_time_and_ten_thousand_give_as_many():
    assert len({derive_seed(np.random.SeedSequence([3, i])) for i in range(10_000)}) == 10_000
    sequence = np.random.SeedSequence([3, 1])
    assert derive_seed(sequence) == derive_seed(sequence) == derive_seed(np.random.SeedSequence([3, 1]))


def test_none_does_not_read_the_global_stream_of_numpy():
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    derive_seed(None)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002


def test_a_seed_fits_every_library():
    seeds = [derive_seed(i) for i in range(200)]
    assert all(type(seed) is int and 0 <= seed < 2**31 - 1 for seed in seeds)


def test_what_is_no_seed_is_refused():
    with pytest.raises(ValueError, match="'lucky' cannot be used to seed"):
        derive_seed("lucky")


def test_keys_give_independent_repeatable_streams():
    assert_array_equal(numpy_generator(1, 2).random(4), numpy_generator(1, 2).random(4))
    assert not np.array_equal(numpy_generator(1, 2).random(4), numpy_generator(2, 1).random(4))
    first, second = (torch.rand(4, generator=torch_generator(*key)) for key in ((1, 2), (1, 2)))
    assert_array_equal(first, second)
    assert not torch.equal(first, torch.rand(4, generator=torch_generator(2, 1)))


def test_a_block_has_a_stream_of_its_own():
    torch.manual_seed(1)
    with isolate_torch(5, 6):
        first = torch.rand(3)
    torch.manual_seed(2)
    with isolate_torch(5, 6):
        assert torch.equal(torch.rand(3), first)


def test_the_global_stream_is_put_back():
    before = torch.get_rng_state()
    with isolate_torch(5):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_stream_is_put_back_after_an_error():
    before = torch.get_rng_state()

    def fail():
        with isolate_torch(5):
            raise KeyError(torch.rand(3))

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_blocks_may_be_nested():
    with isolate_torch(1):
        expected = torch.rand(4)
    with isolate_torch(1):
        first = torch.rand(2)
        with isolate_torch(2):
            torch.rand(7)
        assert torch.equal(torch.cat([first, torch.rand(2)]), expected)
