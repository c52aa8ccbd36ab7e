"""``vaeaug doctor``: what it runs on, and whether the same seed gives the same rows here."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.augmenter import VAEAugmenter
from vaeaug.errors import LibraryError
from vaeaug.nn.precision import has_bfloat16
from vaeaug.utils.random import numpy_generator
from vaeaug.utils.versions import find_versions, import_torchvision

__all__ = ["describe_machine", "examine", "find_fault", "repeat_draws"]

_LIBRARIES = (
    "vaeaug",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "safetensors",
    "albumentations",
    "pyarrow",
    "polars",
)
_DRAWS = 30
_INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "avx512_vnni", "amx_", "sve", "neon", "bf16")


def examine() -> int:
    """Print what a report should say of a machine; return 1 if something is wrong with it, else 0."""
    for name, value in describe_machine().items():
        print(f"{name + ':':18}{value}")
    fault = find_fault()
    print(f"{'torchvision:':18}{fault or 'goes with this torch'}")
    differs = False
    for name, draw in _small_models().items():
        equal = repeat_draws(draw)
        differs |= equal < _DRAWS
        print(f"{f'draws of {name}:':18}{equal} of {_DRAWS} with one seed agree", flush=True)
    if differs:
        print("The same seed does not give the same rows on this machine; please report the lines above.")
    return int(bool(fault) or differs)


def describe_machine() -> dict[str, str]:
    """Return versions, system, processor, threads, and the precision of products, as text by heading."""
    import torch

    versions = find_versions(_LIBRARIES, absent="absent")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = [f"torch {torch.get_num_threads()} of {os.cpu_count()}"]
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        threads += [f"{name}={os.environ[name]}"] if name in os.environ else []
    return {
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "system": f"Python {platform.python_version()}, {platform.platform()}",
        "processor": f"{_processor()}; torch uses {torch.backends.cpu.get_cpu_capability()}{_instructions()}",
        "threads": ", ".join(threads),
        "GPU": torch.cuda.get_device_name() if device.type == "cuda" else "none",
        "precision": f"bfloat16 in part, on {device}" if has_bfloat16(device) else f"float32, on {device}",
    }


def find_fault() -> str:
    """Return why torchvision cannot be imported and what to do, as a sentence; empty if it can be."""
    try:
        import_torchvision()
    except LibraryError as error:
        return str(error)
    return ""


def repeat_draws(draw: Callable[[], bytes], count: int = _DRAWS) -> int:
    """Return how many of so many draws equal the first.

    Memory is taken and given back between them, so that data lies elsewhere each time, as it does in a
    program that goes on to other work.

    Examples
    --------
    >>> from vaeaug.cli.doctor import repeat_draws
    >>> repeat_draws(lambda: b"always", 5)
    5
    """
    rng = numpy_generator(0)
    first, equal, held = draw(), 1, []
    for _ in range(count - 1):
        held.append(np.ones(int(rng.integers(1, 200_000)), dtype=np.int8))
        if rng.random() < 0.5:
            held.pop(int(rng.integers(len(held))))
        equal += draw() == first
    return equal


def _small_models() -> dict[str, Callable[[], bytes]]:
    """Return what draws rows with one seed from small fitted models, as bytes."""
    rng = numpy_generator(1)
    # So many rows and columns make layers so wide that processors take their quickest products for them.
    y = np.repeat([0, 1], [1_900, 100])
    numbers = rng.normal(size=(2_000, 6)) + y[:, None]
    frame = pd.DataFrame(numbers).round(2).add_prefix("number ")
    frame[["kind", "place"]] = rng.choice(list("abcdefgh"), (2_000, 2))
    pictures = (rng.random((200, 16, 16)) * 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are too few for good rows, and enough for this
        table = VAEAugmenter(max_iter=2, random_state=0).fit(frame, y)
        images = VAEAugmenter(max_iter=2, random_state=0).fit(pictures, np.arange(200) % 2)
    return {"a table": lambda: _draw(table, 50, 500), "images": lambda: _draw(images, 5, 50)}


def _draw(augmenter: Any, *counts: int) -> bytes:
    """Return rows of several numbers and by both ways through the decoder, as bytes."""
    options = [(count, "prior") for count in counts] + [(counts[0], "posterior")]
    drawn = [augmenter.sample(count, y=1, method=method, random_state=1)[0] for count, method in options]
    return b"".join(X.to_csv().encode() if isinstance(X, pd.DataFrame) else X.tobytes() for X in drawn)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _instructions() -> str:
    """Return the instructions for wide and for imprecise products that the processor has, as torch tells."""
    import torch

    tell = getattr(torch.cpu, "get_capabilities", None)  # not in older releases
    known = {} if tell is None else tell()
    found = sorted(name for name, has in known.items() if has is True and name.startswith(_INSTRUCTIONS))
    return f" ({', '.join(found)})" if found else ""
