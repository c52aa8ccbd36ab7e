"""A model that serves: numpy arrays in, numpy arrays out, seeded, in chunks, on any device."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from vaeaug.losses.objective import Objective
from vaeaug.model.builder import Blueprint, build, drop_critics
from vaeaug.nn.distributions import draw
from vaeaug.nn.precision import reduce_precision
from vaeaug.nn.vae import VAE
from vaeaug.training.runtime import Runtime
from vaeaug.utils.random import Purpose, isolate_torch, neutral_torch

__all__ = ["Model"]

#: Arrays, which come and go through the CPU, or tensors, which stay on the device of the model.
Rows = TypeVar("Rows", np.ndarray, Tensor)

#: Rows per pass without gradients: small enough that activations stay in the cache.
_CHUNK = 2048
#: Pixels per pass without gradients: a chunk of images holds fewer rows the larger they are.
_CHUNK_PIXELS = 1 << 18
#: Logits held at once when rows are scored, in double precision: wide tables take fewer rows.
_SCORED_CELLS = 1 << 23


class Model:
    """A VAE with the blueprint it was built from.

    Parameters
    ----------
    blueprint : Blueprint
    objective : Objective
        Holds the VAE.
    runtime : Runtime
    """

    def __init__(self, blueprint: Blueprint, objective: Objective, runtime: Runtime) -> None:
        self.blueprint = blueprint
        self.objective = objective.to(runtime.device).eval()
        self.runtime = runtime
        self._double: VAE | None = None

    @classmethod
    def create(cls, blueprint: Blueprint, runtime: Runtime, seed: int) -> Model:
        """Build a model with fresh weights."""
        with isolate_torch(seed, Purpose.INITIAL):
            return cls(blueprint, build(blueprint), runtime)

    @property
    def vae(self) -> VAE:
        """The networks."""
        return self.objective.vae

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take weights as :meth:`state` returns them."""
        self.forget_copies()
        self.vae.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in arrays.items()})

    def forget_copies(self) -> None:
        """Drop the copy in double precision; whoever changes the weights calls this first."""
        self._double = None

    def encode(self, x: Rows, c: Rows) -> tuple[Rows, Rows]:
        """Return posterior means and standard deviations, float64, each ``(n, D)``.

        Rows of tables are computed in double precision, so that a row's code does not
        depend on the rows beside it. Images are not: convolutions in double precision
        take many times as long, and no tie between images hangs on the last digit.
        """
        vae = self._precise()

        def run(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
            posterior = vae.encode(a.to(self._precision), b.to(self._precision))
            return posterior.mean.double(), posterior.scale.double()

        empty = ((self.blueprint.latent_dim,), np.float64)
        found = self._map(run, x, c, empty=empty, parts=2, device=self._precise_device)
        return found[0], found[1]

    def decode(self, z: Rows, c: Rows, *, temperature: float, seed: int, backoff: bool = False) -> Rows:
        """Return encoded rows ``(n, W)`` for codes ``(n, D)``; temperature 0 takes the likeliest values.

        With ``backoff``, rows of tiny classes borrow columns from the model of all rows.
        """

        def run(a: Tensor, b: Tensor) -> tuple[Tensor]:
            rows = self.new_rows(a, b) if backoff else self.vae.decode(a, b)
            return (draw(rows, temperature),)

        z = z.float() if isinstance(z, Tensor) else np.ascontiguousarray(z, dtype=np.float32)
        return self._map(run, z, c, seed=seed, empty=(self.blueprint.layout.shape, np.float32))[0]

    def sample_codes(self, c: Rows, *, temperature: float, seed: int) -> Rows:
        """Return a code from the prior for each context, shape ``(n, D)``."""
        tolerant = self.blueprint.layout.is_image and self.vae.latent.prior.tolerant

        def run(b: Tensor) -> tuple[Tensor]:
            with _reduce(b, tolerant):
                return (self.vae.latent.sample(b, temperature).to(b.dtype),)

        return self._map(run, c, seed=seed, empty=((self.blueprint.latent_dim,), np.float32))[0]

    def sample(self, c: Rows, *, temperature: float, seed: int) -> Rows:
        """Return one encoded row ``(W,)`` from the prior for each context, shape ``(n, W)``."""
        # New images are many, and end in 8 bits: speed counts more than the last digit.
        is_image = self.blueprint.layout.is_image
        tolerant = is_image and self.vae.latent.prior.tolerant

        def run(b: Tensor) -> tuple[Tensor]:
            with _reduce(b, tolerant):
                z = self.vae.latent.sample(b, temperature).to(b.dtype)
            with _reduce(b, is_image):
                rows = self.new_rows(z, b)
            return (draw(rows, temperature),)

        return self._map(run, c, seed=seed, empty=(self.blueprint.layout.shape, np.float32))[0]

    def new_rows(self, z: Tensor, c: Tensor) -> Distribution:
        """Return the likelihood of new rows given codes ``(B, D)``; tiny classes lean on all rows."""
        rows = self.vae.decode(z, c)
        start, stop = self.blueprint.class_block
        if not self.blueprint.backoff or not self.vae.likelihood.has_tokens:
            return rows
        share = c[:, start:stop] @ torch.as_tensor(self.blueprint.backoff, dtype=c.dtype, device=c.device)
        if not share.any():
            return rows
        hidden = c.clone()
        hidden[:, start:stop] = 0
        return rows.back_off(self.vae.decode(z, hidden), share)

    def log_likelihood(self, x: np.ndarray, c: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
        """Return the importance-weighted bound on ``log p(x | c)`` in nats, shape ``(n,)``.

        ``log (1/S) Σ_s p(x|z_s,c) p(z_s|c) / q(z_s|x,c)`` (Burda et al. 2016,
        *Importance Weighted Autoencoders*, eq. 8) with S = ``draws``. All rows share the
        noise of their S codes, and for tables double precision is used, so that a row's
        score does not depend on the rows beside it.
        """
        vae = self._precise()
        noise = np.random.default_rng(seed).standard_normal((draws, self.blueprint.latent_dim))
        shared = torch.from_numpy(noise).to(self._precise_device, self._precision)

        def run(a: Tensor, b: Tensor) -> tuple[Tensor]:
            a, b = a.to(self._precision), b.to(self._precision)
            posterior, prior, terms = vae.encode(a, b), vae.latent.prior(b), []
            for row in shared:
                z, density = posterior.transport(row.expand(len(a), -1))
                terms.append(vae.decode(z, b).log_prob(a) + prior.log_prob(z) - density)
            return (torch.logsumexp(torch.stack(terms).double(), 0) - math.log(draws),)

        most = _SCORED_CELLS // max(1, self.blueprint.layout.parameters)
        return self._map(run, x, c, empty=((), np.float64), device=self._precise_device, most=most)[0]

    @property
    def _precision(self) -> torch.dtype:
        return torch.float32 if self.blueprint.layout.is_image else torch.float64

    @property
    def _precise_device(self) -> torch.device:
        # Apple's mps has no double precision.
        lacks_it = self.runtime.device.type == "mps" and self._precision == torch.float64
        return torch.device("cpu") if lacks_it else self.runtime.device

    def _precise(self) -> VAE:
        """Return the networks for codes and scores; for tables a copy in double precision."""
        if self._precision == torch.float32:
            return self.vae
        if self._double is None:
            self._double = copy.deepcopy(self.vae).to(self._precise_device).double()
        return self._double

    def state(self) -> dict[str, np.ndarray]:
        """Return all weights as arrays on the CPU."""
        return {name: value.detach().cpu().numpy() for name, value in self.vae.state_dict().items()}

    @classmethod
    def from_state(cls, blueprint: Blueprint, arrays: Mapping[str, np.ndarray], runtime: Runtime) -> Model:
        """Rebuild a model from :meth:`state`."""
        model = cls.create(drop_critics(blueprint), runtime, seed=0)
        model.blueprint = blueprint
        with neutral_torch():
            model.load(arrays)
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Pickle weights as CPU arrays, so that a model trained on a GPU loads anywhere."""
        device = "cpu" if self.runtime.is_cpu else "auto"
        return {"blueprint": self.blueprint, "arrays": self.state(), "device": device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        runtime = Runtime(state["device"])
        self.__dict__.update(self.from_state(state["blueprint"], state["arrays"], runtime).__dict__)

    def chunks(
        self, *arrays: Any, device: torch.device | None = None, most: int | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield the rows of arrays on the device, as many at a time as a pass without gradients takes."""
        for part in self._cut(len(arrays[0]), most):
            yield self._take(arrays, part, device)

    def _cut(self, n: int, most: int | None) -> list[slice]:
        """Return the rows of each chunk."""
        layout = self.blueprint.layout
        size = max(1, _CHUNK_PIXELS // math.prod(layout.shape[1:])) if layout.is_image else _CHUNK
        size = size if self.runtime.is_cpu else 16 * size
        size = size if most is None else max(1, min(size, most))
        return [slice(start, start + size) for start in range(0, n, size)]

    def _take(self, arrays: tuple[Any, ...], rows: slice, device: torch.device | None) -> tuple[Tensor, ...]:
        """Return rows of arrays on the device."""
        device, parts = device or self.runtime.device, (a[rows] for a in arrays)
        return tuple((a if isinstance(a, Tensor) else torch.from_numpy(a)).to(device) for a in parts)

    def _map(
        self,
        run: Callable[..., tuple[Tensor, ...]],
        *arrays: Any,
        empty: tuple[tuple[int, ...], Any],
        seed: int = 0,
        parts: int = 1,
        device: torch.device | None = None,
        most: int | None = None,
    ) -> tuple[Any, ...]:
        """Apply ``run`` to chunks of the arrays without gradients; each chunk has a stream of its own."""
        stay = isinstance(arrays[0], Tensor)
        chunks = self._cut(len(arrays[0]), most)

        def compute(i: int) -> tuple[Any, ...]:
            with isolate_torch(seed, i):
                made = run(*self._take(arrays, chunks[i], device))
            return tuple(part if stay else part.cpu().numpy() for part in made)

        found = self.runtime.map(compute, len(chunks), small=not self.blueprint.layout.is_image)
        join: Any = torch.cat if stay else np.concatenate
        if found:
            return tuple(join(part) for part in zip(*found, strict=True))
        shape, dtype = empty
        none: Any = np.empty((0, *shape), dtype)
        return tuple(torch.from_numpy(none) if stay else none for _ in range(parts))


def _reduce(like: Tensor, wanted: bool) -> contextlib.AbstractContextManager[object]:
    return reduce_precision(like.device) if wanted else contextlib.nullcontext()
