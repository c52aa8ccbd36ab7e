"""A model in use: numpy arrays in, numpy arrays out, seeded, in chunks, on any device."""

from __future__ import annotations

import contextlib
import copy
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from vaeaug.data.labels.class_weights import class_numbers
from vaeaug.errors import VaeaugWarning
from vaeaug.losses.objective import Objective
from vaeaug.model.builder import Blueprint, build, without_critics
from vaeaug.nn.distributions import CodeDistribution, draw
from vaeaug.nn.likelihoods.tilting import Classes
from vaeaug.nn.precision import reduced_precision
from vaeaug.nn.priors.base import Turns
from vaeaug.nn.vae import VAE
from vaeaug.training.callbacks import Callback
from vaeaug.training.distributed import Team
from vaeaug.training.loop import train
from vaeaug.training.options import TrainingResult
from vaeaug.training.rows import Block, StreamedRows
from vaeaug.training.runtime import Runtime
from vaeaug.utils.random import isolated_torch, neutral_torch

__all__ = ["Model"]

#: Arrays, which come and go through the CPU, or tensors, which stay on the device of the model.
Rows = TypeVar("Rows", np.ndarray, Tensor)

#: Rows per pass without gradients: small enough that activations stay in the cache.
_CHUNK = 2048
#: Pixels per pass without gradients: a chunk of images holds fewer rows the larger they are.
_CHUNK_PIXELS = 1 << 18
#: Logits held at once when rows are scored, in double precision: wide tables take fewer rows.
_SCORED_CELLS = 1 << 23
#: Codes that a prior is fitted to, at most: more cost time and add little.
_PRIOR_CODES = 65_536
_LEAST_CODES = 8_192
#: Rows drawn in each round of calibration, at most.
_CALIBRATION_ROWS = 49_152
#: Rows drawn for each small class in such a round, at least.
_FEWEST_DRAWN = 256
_INITIAL, _NETWORK, _PRIOR_DRAW, _PRIOR_FIT, _CALIBRATION = 0, 1, 2, 3, 4
_CLASS_CALIBRATION = 5


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
        with isolated_torch(seed, _INITIAL):
            return cls(blueprint, build(blueprint), runtime)

    @property
    def vae(self) -> VAE:
        """The networks."""
        return self.objective.vae

    def train(
        self,
        x: np.ndarray,
        c: np.ndarray,
        held_out: np.ndarray,
        *,
        weights: np.ndarray | None,
        seed: int,
        callbacks: Sequence[Callback] = (),
        stream: tuple[Callable[..., Iterator[Block]], int] | None = None,
        **options: Any,
    ) -> TrainingResult:
        """Train the networks on encoded rows ``(n, W)`` and contexts ``(n, K)``.

        Parameters
        ----------
        held_out : ndarray of bool, shape (n,)
            Rows for validation; may be none.
        stream : (callable, int), optional
            How to read the rows to train on, as :class:`vaeaug.training.rows.StreamedRows` asks for, and how
            many there are; x and c are then a sample of them.
        """
        kept = ~held_out
        self._double = None
        device = self.runtime.device
        with self.runtime.session(), isolated_torch(seed, _INITIAL), torch.no_grad():
            self.vae.initialise(torch.from_numpy(x[kept]).to(device), torch.from_numpy(c[kept]).to(device))

        def pick(mask: np.ndarray) -> tuple[Tensor, Tensor]:
            return torch.from_numpy(x[mask]), torch.from_numpy(c[mask])

        def weigh(mask: np.ndarray) -> Tensor | None:
            return None if weights is None else torch.from_numpy(weights[mask])

        some = bool(held_out.any())
        return train(
            self.objective,
            pick(kept) if stream is None else StreamedRows(*stream, device),
            validation=pick(held_out) if some else None,
            weights=weigh(kept),
            validation_weights=weigh(held_out) if some else None,
            seed=_derived(seed, _NETWORK),
            runtime=self.runtime,
            callbacks=callbacks,
            **options,
        )

    def fit_prior(
        self,
        x: np.ndarray,
        c: np.ndarray,
        *,
        weights: np.ndarray | None = None,
        seed: int,
        callbacks: Sequence[Callback] = (),
        turns: Turns = range,
        reading: Turns | None = None,
        **options: Any,
    ) -> TrainingResult | None:
        """Fit the prior to codes of all rows, drawn from the posterior; return its training if any.

        Parameters
        ----------
        turns : callable
            Gives the numbers of the rounds to go, from the number wanted: for fits in rounds.
        reading : callable, optional
            The same for blocks of rows whose codes are computed; where there is no time for all, those
            of a random part are. By default of all rows.
        **options
            Of the training, for priors that are trained.

        Warns
        -----
        VaeaugWarning
            If a keyboard interrupt stopped the fit in closed form; the prior is then as built.
        """
        self._double = None
        try:
            objective, codes = self._estimate_prior(x, c, weights, seed, turns, reading)
        except KeyboardInterrupt:
            warnings.warn(
                'Fitting the prior was interrupted: method="prior" draws codes from N(0, I). Fit again for '
                'better rows, or use method="posterior" or "interpolate".',
                VaeaugWarning,
                stacklevel=2,
            )
            return None
        if objective is None:
            return None
        if "max_iter" in options:
            options["max_iter"] = max(1, round(self.vae.latent.prior.epochs_share * options["max_iter"]))
        return train(
            objective,
            codes,
            seed=_derived(seed, _PRIOR_FIT),
            runtime=self.runtime,
            callbacks=callbacks,
            **options,
        )

    def calibrate(
        self,
        x: np.ndarray,
        c: np.ndarray,
        *,
        weights: np.ndarray | None,
        seed: int,
        turns: Turns = range,
    ) -> None:
        """Make drawn rows hold every token as often as rows ``(n, W)`` do, where there are tokens.

        Parameters
        ----------
        weights : ndarray (n,) or None
            Importance of the rows. Contexts are drawn from the rows with these weights.
        turns : callable
            Gives the numbers of the rounds to go, from the number wanted.
        """
        adjust: Any = getattr(self.vae.likelihood, "calibrate", None)
        if adjust is None:
            return
        self._double = None
        rng = np.random.default_rng(_derived(seed, _CALIBRATION))
        share = None if weights is None else weights.astype(np.float64) / weights.sum(dtype=np.float64)
        drawn = int(np.clip(4 * len(x), _LEAST_CODES, _CALIBRATION_ROWS)) // _CHUNK * _CHUNK

        def batches() -> Iterator[Any]:
            return self._likelihoods(c[rng.choice(len(x), drawn, p=share)])

        with (
            self.runtime.session(),
            isolated_torch(seed, _CALIBRATION),
            torch.no_grad(),
        ):
            rows = torch.from_numpy(x).to(self.runtime.device)
            each = None if weights is None else torch.from_numpy(weights).to(self.runtime.device)
            # Each round leaves a model in good order, so an interrupt keeps what was done.
            with contextlib.suppress(KeyboardInterrupt):
                adjust(rows, each, batches, turns)
                self._calibrate_classes(rows, each, c, seed, turns)

    def _calibrate_classes(
        self, x: Tensor, weights: Tensor | None, c: np.ndarray, seed: int, turns: Turns
    ) -> None:
        """Make rows drawn for small classes lie, column by column, where the rows of the class do."""
        likelihood: Any = self.vae.likelihood
        block = self.blueprint.class_block
        numbers = class_numbers(c, block)
        small = Classes(numbers, block, c.shape[1]).small()
        if not len(small):
            return
        kept = np.flatnonzero(np.isin(numbers, small))
        c, classes = c[kept], Classes(numbers[kept], block, c.shape[1])
        kept_rows = torch.from_numpy(kept).to(x.device)
        rng = np.random.default_rng(_derived(seed, _CLASS_CALIBRATION))
        drawn = int(np.clip(_CALIBRATION_ROWS // len(small), _FEWEST_DRAWN, 2 * _CHUNK))

        def batches(group: int) -> Iterator[Any]:
            return self._likelihoods(c[rng.choice(np.flatnonzero(classes.numbers == group), drawn)])

        each = None if weights is None else weights[kept_rows]
        likelihood.calibrate_classes(x[kept_rows], each, classes, batches, turns)

    def _likelihoods(self, c: np.ndarray) -> Iterator[Any]:
        """Yield the likelihoods of rows, a chunk each, for codes drawn from the prior given contexts."""
        for (contexts,) in self._chunks(c):
            yield self.vae.decode(self.vae.latent.sample(contexts), contexts)

    def _estimate_prior(
        self,
        x: np.ndarray,
        c: np.ndarray,
        weights: np.ndarray | None,
        seed: int,
        turns: Turns,
        reading: Turns | None,
    ) -> tuple[nn.Module | None, tuple[Tensor, Tensor]]:
        """Fit the prior in closed form; return what is left to train, and the codes to train it on."""
        prior = self.vae.latent.prior
        rng = np.random.default_rng(_derived(seed, _PRIOR_DRAW))
        rows = _spread(weights, len(x), rng)
        if reading is not None:
            rng.shuffle(rows)
        blocks = np.array_split(rows, math.ceil(len(rows) / _CHUNK))
        with (
            self.runtime.session(),
            isolated_torch(seed, _PRIOR_DRAW),
            torch.no_grad(),
        ):
            parts = []
            for turn in (range if reading is None else reading)(len(blocks)):
                parts += self._posteriors(x[blocks[turn]], c[blocks[turn]])
            if not parts:
                parts = self._posteriors(x[blocks[0]], c[blocks[0]])
            draws = max(1, math.ceil(_LEAST_CODES / sum(len(b) for _, b in parts)))
            z = torch.cat([q.rsample(torch.Size([draws])).flatten(0, 1) for q, _ in parts])
            contexts = torch.cat([b.repeat(draws, 1) for _, b in parts])
            self.vae.latent.settle(z)
            prior.estimate(z, contexts, draws, turns)
            return prior.objective(z, contexts, draws), (z, contexts)

    def _posteriors(self, x: np.ndarray, c: np.ndarray) -> list[tuple[CodeDistribution, Tensor]]:
        """Return the posteriors of rows, a chunk each, with their contexts."""
        return [(self.vae.encode(a, b), b) for a, b in self._chunks(x, c)]

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
            rows = self._new_rows(a, b) if backoff else self.vae.decode(a, b)
            return (draw(rows, temperature),)

        z = z.float() if isinstance(z, Tensor) else np.ascontiguousarray(z, dtype=np.float32)
        return self._map(run, z, c, seed=seed, empty=(self.blueprint.layout.shape, np.float32))[0]

    def sample(self, c: Rows, *, temperature: float, seed: int) -> Rows:
        """Return one encoded row ``(W,)`` from the prior for each context, shape ``(n, W)``."""
        # New images are many, and end in 8 bits: speed counts more than the last digit.
        is_image = self.blueprint.layout.is_image
        tolerant = is_image and self.vae.latent.prior.tolerant

        def run(b: Tensor) -> tuple[Tensor]:
            with _reduced(b, tolerant):
                z = self.vae.latent.sample(b, temperature).to(b.dtype)
            with _reduced(b, is_image):
                rows = self._new_rows(z, b)
            return (draw(rows, temperature),)

        return self._map(run, c, seed=seed, empty=(self.blueprint.layout.shape, np.float32))[0]

    def _new_rows(self, z: Tensor, c: Tensor) -> Distribution:
        """Return the likelihood of new rows given codes ``(B, D)``; tiny classes lean on all rows."""
        rows = self.vae.decode(z, c)
        start, stop = self.blueprint.class_block
        if not self.blueprint.backoff or not hasattr(rows, "backed_off"):
            return rows
        share = c[:, start:stop] @ torch.as_tensor(self.blueprint.backoff, dtype=c.dtype, device=c.device)
        if not share.any():
            return rows
        hidden = c.clone()
        hidden[:, start:stop] = 0
        return rows.backed_off(self.vae.decode(z, hidden), share)

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

    def agree(self, team: Team) -> None:
        """Take the weights that the first of several processes has."""
        if team.size > 1:
            self._double = None
            arrays = team.first(self.state())
            self.vae.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})

    def state(self) -> dict[str, np.ndarray]:
        """Return all weights as arrays on the CPU."""
        return {name: value.detach().cpu().numpy() for name, value in self.vae.state_dict().items()}

    @classmethod
    def from_state(cls, blueprint: Blueprint, arrays: Mapping[str, np.ndarray], runtime: Runtime) -> Model:
        """Rebuild a model from :meth:`state`."""
        model = cls.create(without_critics(blueprint), runtime, seed=0)
        model.blueprint = blueprint
        with neutral_torch():
            model.vae.load_state_dict(
                {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
            )
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Pickle weights as CPU arrays, so that a model trained on a GPU loads anywhere."""
        device = "cpu" if self.runtime.is_cpu else "auto"
        return {"blueprint": self.blueprint, "arrays": self.state(), "device": device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        runtime = Runtime(state["device"])
        self.__dict__.update(self.from_state(state["blueprint"], state["arrays"], runtime).__dict__)

    def _chunks(
        self, *arrays: Any, device: torch.device | None = None, most: int | None = None
    ) -> Iterator[tuple[Tensor, ...]]:
        device = device or self.runtime.device
        layout = self.blueprint.layout
        size = max(1, _CHUNK_PIXELS // math.prod(layout.shape[1:])) if layout.is_image else _CHUNK
        size = size if self.runtime.is_cpu else 16 * size
        size = size if most is None else max(1, min(size, most))
        for start in range(0, len(arrays[0]), size):
            parts = (a[start : start + size] for a in arrays)
            yield tuple((a if isinstance(a, Tensor) else torch.from_numpy(a)).to(device) for a in parts)

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
        found: list[tuple[Any, ...]] = []
        stay = isinstance(arrays[0], Tensor)
        with self.runtime.session(), torch.no_grad():
            for i, chunk in enumerate(self._chunks(*arrays, device=device, most=most)):
                with isolated_torch(seed, i):
                    found.append(tuple(part if stay else part.cpu().numpy() for part in run(*chunk)))
        join: Any = torch.cat if stay else np.concatenate
        if found:
            return tuple(join(part) for part in zip(*found, strict=True))
        shape, dtype = empty
        none: Any = np.empty((0, *shape), dtype)
        return tuple(torch.from_numpy(none) if stay else none for _ in range(parts))


def _reduced(like: Tensor, wanted: bool) -> contextlib.AbstractContextManager[object]:
    return reduced_precision(like.device) if wanted else contextlib.nullcontext()


def _spread(weights: np.ndarray | None, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose the rows a prior is fitted to, each as often as its weight asks for; sorted, int64.

    Systematic resampling: equal steps through the cumulative weights.
    """
    if weights is None:
        return np.arange(n) if n <= _PRIOR_CODES else np.sort(rng.choice(n, _PRIOR_CODES, replace=False))
    size = min(n, _PRIOR_CODES)
    ends = np.cumsum(weights, dtype=np.float64)
    steps = (np.arange(size) + rng.random()) * (ends[-1] / size)
    return np.minimum(np.searchsorted(ends, steps, side="right"), n - 1)


def _derived(seed: int, purpose: int) -> int:
    """Return the seed of one purpose within a run."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])
