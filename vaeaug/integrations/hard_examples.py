"""Of several synthetic images, the hardest one for a network that still shows its class."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vaeaug.errors import InputError
from vaeaug.utils.wording import first_line

__all__ = ["HardChoice"]

#: Of the teacher's weights, what is kept at each call where it follows the network.
_DECAY = 0.99
#: A teacher reads an image as its class from this probability on.
_READ = 0.5


class HardChoice:
    """Choose the candidate of the highest loss among those that a teacher reads as the class.

    Stutz, Hein and Schiele (2019), *Disentangling Adversarial Robustness and Generalization*, train on
    images that are hard for the network and stay on the manifold of their class; Suzuki (2022),
    *TeachAugment*, lets a running mean of the network say what is still recognisable.

    Parameters
    ----------
    model : Module
        Maps a batch to class scores (m, classes). It is called in evaluation mode, without gradients.
    teacher : callable or None
        Maps a batch to class scores. None: an exponential moving average of the weights of ``model``.
    who : str
        For error messages.
    """

    def __init__(self, model: nn.Module, teacher: Callable[[Tensor], Tensor] | None, who: str) -> None:
        self.model, self.who = model, who
        self.follows = teacher is None
        self.teacher: Callable[[Tensor], Tensor] | None = teacher

    @torch.no_grad()
    def __call__(self, candidates: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return which candidates to take, and for which images there is one.

        Parameters
        ----------
        candidates : Tensor (m · count, ...)
            Those of an image lie together.
        y : Tensor of int (m,)
            Columns of the scores.
        count : int

        Returns
        -------
        chosen : Tensor of int64 (m,)
            On the device of the candidates.
        found : Tensor of bool (m,)
            False where the teacher reads none as the class.

        Raises
        ------
        InputError
        """
        y = y.repeat_interleave(count)
        scores = self._score(self.model, candidates, y, "model")
        shares = self._score(self._follow(), candidates, y, "teacher").softmax(1)
        y = y.to(scores.device)
        loss = F.cross_entropy(scores, y, reduction="none")
        read = shares.gather(1, y.to(shares.device)[:, None])[:, 0].to(scores.device) >= _READ
        # A network that has gone astray finds nothing hard.
        loss = torch.where(read & loss.isfinite(), loss, -torch.inf).reshape(-1, count)
        best = loss.argmax(1)
        chosen = best + count * torch.arange(len(best), device=best.device)
        found = loss.amax(1) > -torch.inf
        return chosen.to(candidates.device), found.to(candidates.device)

    def _follow(self) -> Callable[[Tensor], Tensor]:
        """Return the teacher; move its weights towards those of the network, and to their device."""
        if self.teacher is None:
            self.teacher = copy.deepcopy(self.model).requires_grad_(False)
        elif self.follows and isinstance(self.teacher, nn.Module):
            place = next(self.model.parameters(), torch.empty(0)).device
            if next(self.teacher.parameters(), torch.empty(0)).device != place:
                self.teacher.to(place)
            for own, now in zip(self.teacher.parameters(), self.model.parameters(), strict=True):
                own.lerp_(now.detach().to(own.dtype), 1 - _DECAY)
            for kept, new in zip(self.teacher.buffers(), self.model.buffers(), strict=True):
                kept.copy_(new)
        return self.teacher

    def _score(self, network: Callable[[Tensor], Tensor], images: Tensor, y: Tensor, name: str) -> Tensor:
        """Return the scores of a network as float32 (n, classes), after a look at their shape."""
        weights = next(network.parameters(), None) if isinstance(network, nn.Module) else None
        with _evaluate(network):
            try:
                scores = network(images if weights is None else images.to(weights.device))
            except (RuntimeError, TypeError, ValueError) as error:
                batch = f"{str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}"
                raise InputError(
                    f"{self.who}: {name} does not take the images of the batch, {batch}: "
                    f"{first_line(error)} Convert the batch for the network before {self.who} (fit on images "
                    "of the same scale), or wrap the network in a module that converts."
                ) from error
        if not isinstance(scores, Tensor) or scores.ndim != 2 or len(scores) != len(images):
            got = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
            raise InputError(
                f"{self.who}: {name} must map {len(images)} images to class scores ({len(images)}, classes); "
                f"got {got}. Wrap it in a module that returns the scores."
            )
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= scores.shape[1]:
            raise InputError(
                f'{self.who}: with select="hard" labels are columns of the scores of {name}, 0 to '
                f"{scores.shape[1] - 1}; got {low if low < 0 else high}. Number the classes from 0 on."
            )
        return scores.float()


@contextmanager
def _evaluate(network: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Put a network in evaluation mode, and each of its modules back in its own afterwards."""
    modules = list(network.modules()) if isinstance(network, nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
