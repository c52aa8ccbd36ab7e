"""The only room that touches torch's global random stream, and the one way to make generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    import torch

__all__ = [
    "derive_seed",
    "isolated_torch",
    "keyed_seed",
    "numpy_generator",
    "restore_torch",
    "torch_generator",
    "torch_state",
]

_SEED_LIMIT = 2**31 - 1


def derive_seed(random_state: Any) -> int:
    """Draw one integer seed from anything scikit-learn accepts as ``random_state``.

    Parameters
    ----------
    random_state : None, int, numpy.random.RandomState, Generator or SeedSequence
        ``None`` takes fresh entropy from the operating system (never numpy's global
        stream); an int gives the same seed every time; a stream object is advanced by
        one draw; a ``SeedSequence`` gives the same seed every time, from so wide a range
        that the seeds of many sequences differ.

    Returns
    -------
    int
        In ``[0, 2**31 - 1)``, of a ``SeedSequence`` in ``[0, 2**64)``.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(_SEED_LIMIT))
    if isinstance(random_state, np.random.SeedSequence):
        return int(random_state.generate_state(1, np.uint64)[0])
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(_SEED_LIMIT))
    return int(check_random_state(random_state).randint(_SEED_LIMIT))


def numpy_generator(*key: int) -> np.random.Generator:
    """Return an independent numpy generator for a key such as ``(seed, purpose, chunk)``."""
    return np.random.default_rng(np.random.SeedSequence(list(key)))


def keyed_seed(*key: int) -> int:
    """Return one integer seed for a key such as ``(seed, epoch, block)``, in ``[0, 2**31 - 1)``.

    A pure function of the key: whoever asks, in whatever process and order, gets the same seed.

    Examples
    --------
    >>> keyed_seed(0, 1, 2) == keyed_seed(0, 1, 2), keyed_seed(0, 1, 2) == keyed_seed(0, 2, 1)
    (True, False)
    """
    return int(numpy_generator(*key).integers(_SEED_LIMIT))


def torch_generator(*key: int, device: Any = "cpu") -> torch.Generator:
    """Return an independent torch generator for a key such as ``(seed, purpose, chunk)``."""
    import torch

    state = np.random.SeedSequence(list(key)).generate_state(2, dtype=np.uint32)
    generator = torch.Generator(device=device)
    generator.manual_seed((int(state[0]) << 31) ^ int(state[1]))
    return generator


@contextmanager
def isolated_torch(*key: int, device: Any = "cpu") -> Iterator[None]:
    """Seed torch's global streams from ``key`` inside the block, and restore them after it.

    Network initialisation and ``torch.distributions`` accept no generator, so they must
    draw from the global stream; inside this block that stream belongs to us.
    """
    import torch

    state = np.random.SeedSequence(list(key)).generate_state(2, dtype=np.uint32)
    device = torch.device(device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed((int(state[0]) << 31) ^ int(state[1]))
        yield


def torch_state(device: Any = "cpu") -> dict[str, np.ndarray]:
    """Return where torch's global streams stand, of the CPU and of a GPU if that is the device."""
    import torch

    state = {"cpu": torch.random.get_rng_state().numpy().copy()}
    if torch.device(device).type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device).numpy().copy()
    return state


def restore_torch(state: Mapping[str, np.ndarray], device: Any = "cpu") -> None:
    """Let torch's global streams go on from where :func:`torch_state` found them.

    To be called inside :func:`isolated_torch`, so that the caller's streams come back after it.
    """
    import torch

    torch.random.set_rng_state(torch.from_numpy(state["cpu"]))
    if "cuda" in state and torch.device(device).type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(state["cuda"]), device)
