"""Random streams, and blocks in which the caller's settings of torch do not matter.

Torch keeps its random stream, default dtype and default device for the whole process, and gradients,
inference mode and autocast for a thread. Inside :func:`neutral_torch` none of them matters, and inside
:func:`isolate_torch` all random numbers come from generators of that block. Both hold for the calling thread
alone and leave torch's own settings and streams as they are, so that other threads notice nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import IntEnum
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state

if TYPE_CHECKING:
    import torch

__all__ = [
    "Purpose",
    "derive_seed",
    "isolate_torch",
    "hash_seed",
    "neutral_torch",
    "numpy_generator",
    "restore_torch",
    "skip_modes",
    "torch_generator",
    "torch_state",
]

_SEED_LIMIT = 2**31 - 1
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Purpose(IntEnum):
    """What a random stream of a fit or of a call is for; another value would give other rows."""

    INITIAL = 0
    NETWORK = 1
    PRIOR_DRAW = 2
    PRIOR_FIT = 3
    CALIBRATION = 4
    CLASS_CALIBRATION = 5
    SPLIT = 10
    LABELS = 11
    CHOICE = 12
    NOISE = 13
    STEPS = 14
    DRAWS = 15
    METHOD = 16
    CONDITIONS = 17
    CELLS = 18


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


def hash_seed(*key: int) -> int:
    """Return one integer seed for a key such as ``(seed, epoch, block)``, in ``[0, 2**31 - 1)``.

    A pure function of the key: the same in every process and order.

    Examples
    --------
    >>> hash_seed(0, 1, 2) == hash_seed(0, 1, 2), hash_seed(0, 1, 2) == hash_seed(0, 2, 1)
    (True, False)
    """
    return int(numpy_generator(*key).integers(_SEED_LIMIT))


def torch_generator(*key: int, device: Any = "cpu") -> torch.Generator:
    """Return an independent torch generator for a key such as ``(seed, purpose, chunk)``."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(_torch_seed(key))
    return generator


def _torch_seed(key: tuple[int, ...]) -> int:
    state = np.random.SeedSequence(list(key)).generate_state(2, dtype=np.uint32)
    return (int(state[0]) << 31) ^ int(state[1])


class _Streams:
    """The random streams of one block, one for each device, made when they are first drawn from."""

    def __init__(self, key: tuple[int, ...]) -> None:
        self.seed = _torch_seed(key)
        self.generators: dict[str, torch.Generator] = {}

    def on(self, device: Any) -> torch.Generator:
        """Return the generator of a device."""
        import torch

        kind = str(torch.device(device))
        if kind not in self.generators:
            self.generators[kind] = torch.Generator(device=device)
            self.generators[kind].manual_seed(self.seed)
        return self.generators[kind]


class _Here(threading.local):
    """What holds for the calling thread."""

    neutral = False
    streams: _Streams | None = None


_HERE = _Here()
#: Held while a function of torch draws that can only draw from the stream of the process.
_GLOBAL_STREAM = threading.RLock()


@contextmanager
def neutral_torch() -> Iterator[None]:
    """Set the caller's settings of torch aside inside the block, for this thread; may be nested.

    Gradients are recorded, inference mode and autocast are off, and tensors that are made without a dtype or
    a device are in single precision and on the CPU, whatever the caller's defaults are.
    """
    if _HERE.neutral:
        yield
        return
    import torch

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(_mode()())
        stack.callback(setattr, _HERE, "neutral", False)
        _HERE.neutral = True
        yield


@contextmanager
def isolate_torch(*key: int) -> Iterator[None]:
    """Let torch draw from streams that are seeded by ``key`` inside the block, for this thread.

    Initialisation of networks and ``torch.distributions`` accept no generator; inside this block they are
    handed one. The streams of the process are neither read nor changed. Implies :func:`neutral_torch`.

    Examples
    --------
    >>> import torch
    >>> before = torch.get_rng_state()
    >>> with isolate_torch(0, 1):
    ...     first = torch.randn(3)
    >>> with isolate_torch(0, 1):
    ...     again = torch.empty(3).normal_()
    >>> bool((first == again).all()), bool((torch.get_rng_state() == before).all())
    (True, True)
    """
    with neutral_torch():
        before, _HERE.streams = _HERE.streams, _Streams(key)
        try:
            yield
        finally:
            _HERE.streams = before


def skip_modes(function: _Function) -> _Function:
    """Let torch compute inside a function without asking the blocks above, which takes time.

    For functions that draw nothing at random and make no tensor without a dtype and a device.
    """

    @wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        import torch

        with torch._C.DisableTorchFunction():
            return function(*arguments, **options)

    return run  # type: ignore[return-value]


def torch_state() -> dict[str, np.ndarray]:
    """Return where the streams of the present :func:`isolate_torch` stand, by device."""
    streams = _HERE.streams
    if streams is None:
        return {}
    return {kind: generator.get_state().numpy().copy() for kind, generator in streams.generators.items()}


def restore_torch(state: Mapping[str, np.ndarray]) -> None:
    """Let the streams of the present :func:`isolate_torch` go on from a :func:`torch_state`."""
    import torch

    for kind, array in state.items():
        if _HERE.streams is not None:
            _HERE.streams.on(kind).set_state(torch.from_numpy(array))


@cache
def _mode() -> Any:
    """Return the class of modes that stand between our code and torch; torch is imported here."""
    import torch
    from torch.nn import functional, init
    from torch.overrides import TorchFunctionMode

    by_default = [torch.empty, torch.zeros, torch.ones, torch.eye, torch.linspace, torch.logspace]
    by_value = [torch.tensor, torch.as_tensor, torch.full, torch.arange, torch.scalar_tensor]
    drawn = [torch.rand, torch.randn]
    counted = [torch.randint, torch.randperm]
    like = {
        torch.rand_like: torch.rand,
        torch.randn_like: torch.randn,
    }
    fill = ("normal", "uniform", "exponential", "cauchy", "log_normal", "geometric", "random", "bernoulli")
    with_generator = [
        *(getattr(torch.Tensor, f"{name}_") for name in fill),
        *(getattr(torch.Tensor, name) for name in ("bernoulli", "multinomial")),
        *(getattr(torch, name) for name in ("normal", "bernoulli", "multinomial", "poisson", "binomial")),
        *(getattr(torch, name) for name in ("_standard_gamma", "_sample_dirichlet")),
        *(init.uniform_, init.normal_, init.trunc_normal_, init.orthogonal_, init.sparse_),
        *(init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_),
    ]
    without_generator = [
        *(torch.randint_like, torch.dropout, torch.dropout_, torch.rrelu, torch.feature_dropout),
        *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
        *(functional.alpha_dropout, functional.feature_alpha_dropout),
        *(functional.rrelu, functional.gumbel_softmax, functional.multi_head_attention_forward),
        functional.scaled_dot_product_attention,
    ]

    def place(kwargs: dict[str, Any]) -> Any:
        if kwargs.get("device") is None:
            kwargs["device"] = "cpu"
        return kwargs["device"]

    def generate(kwargs: dict[str, Any], device: Any) -> None:
        if _HERE.streams is not None and kwargs.get("generator") is None:
            kwargs["generator"] = _HERE.streams.on(device)

    def make(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        place(kwargs)
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = torch.float32
        return func(*args, **kwargs)

    def convert(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        if find_tensor(args, kwargs) is not None:
            return func(*args, **kwargs)
        place(kwargs)
        if any(isinstance(value, (np.ndarray, np.generic)) for value in (*args, *kwargs.values())):
            return func(*args, **kwargs)
        made = func(*args, **kwargs)
        if kwargs.get("dtype") is None and made.is_floating_point() and made.dtype != torch.float32:
            made = func(*args, **{**kwargs, "dtype": torch.float32})
        return made

    def draw(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        generate(kwargs, place(kwargs))
        return make(func, args, kwargs)

    def count(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        generate(kwargs, place(kwargs))
        return func(*args, **kwargs)

    def draw_like(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        tensor = args[0]
        kwargs = {"dtype": tensor.dtype, "device": tensor.device, **kwargs}
        return draw(like[func], (tensor.shape,), kwargs)

    def find_tensor(args: Any, kwargs: dict[str, Any]) -> Any:
        return next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)

    def draw_into(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        tensor = find_tensor(args, kwargs)
        if tensor is None:
            return draw(func, args, kwargs)
        generate(kwargs, tensor.device)
        return func(*args, **kwargs)

    def draw_globally(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        if _HERE.streams is None:
            return func(*args, **kwargs)
        tensor = find_tensor(args, kwargs)
        seed = torch.randint(2**62, (), generator=_HERE.streams.on("cpu"), device="cpu")
        with _GLOBAL_STREAM, torch.random.fork_rng([tensor.device] if tensor.is_cuda else []):
            torch.manual_seed(int(seed))
            return func(*args, **kwargs)

    ways: dict[Any, Callable[..., Any]] = {
        **dict.fromkeys(by_default, make),
        **dict.fromkeys(by_value, convert),
        **dict.fromkeys(drawn, draw),
        **dict.fromkeys(counted, count),
        **dict.fromkeys(like, draw_like),
        **dict.fromkeys(with_generator, draw_into),
        **dict.fromkeys(without_generator, draw_globally),
    }

    class Neutral(TorchFunctionMode):
        """Hands generators, dtype and device to functions of torch that would ask the process for them."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
        ) -> Any:
            way = ways.get(func)
            if way is not None:
                return way(func, args, dict(kwargs or {}))
            return func(*args, **kwargs) if kwargs else func(*args)

    return Neutral
