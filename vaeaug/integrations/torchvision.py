"""`VAEVariation` as a transform of torchvision (v2)."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image as PILImage
from torch.utils.data import get_worker_info

from vaeaug.errors import InputError
from vaeaug.integrations.conversion import Kind
from vaeaug.integrations.variation import Varier, broadcast_labels
from vaeaug.nn.tensor_rows import replace_rows, take_rows
from vaeaug.utils.choices import RandomState
from vaeaug.utils.random import derive_seed, hash_seed, numpy_generator
from vaeaug.utils.validation import check_number
from vaeaug.utils.versions import import_torchvision

if TYPE_CHECKING:
    from torchvision import tv_tensors
    from torchvision.transforms import v2
else:
    tv_tensors, v2 = import_torchvision("tv_tensors"), import_torchvision("transforms.v2")

__all__ = ["VAEVariation"]

_WHO = "VAEVariation"
_CHOICE, _MAKE = 51, 52


class VAEVariation(v2.Transform):
    """Replace an image by a variation of itself, in a ``v2.Compose``.

    Takes what transforms of torchvision take: images alone or inside any structure of tuples,
    lists and dicts, PIL or tensor, one or a batch ``(..., C, H, W)``, and videos ``(..., T, C, H, W)``,
    whose frames are varied alike. Masks, boxes and whatever else is in the sample pass through. Tensors
    stay on their device. Put it before geometric transforms and normalisation: the augmenter knows images
    as they were in ``fit``.

    One image at a time a model is slow; where speed counts use :class:`vaeaug.AugmentedDataset`
    or :class:`vaeaug.BatchAugment`.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted on images of that size; on the CPU, if the transform is to run in worker processes.
    p : float, default=0.5
        Probability of an image to be varied; each image of a batch, and each video, has its own chance.
    strength : float, default=1.0
        Scales the noise on the code; 0 gives the reconstruction. 1 hardly shows; try 5.
    labels_getter : callable, optional
        Takes the sample and returns the label of its image (or labels of the batch), which
        makes variations truer to their class, e.g. ``lambda sample: sample[1]``. By default labels
        are unknown.
    random_state : None, int, RandomState or Generator
        With an int a run can be repeated: variation number k of a process depends on
        ``(random_state, k)``, and in a loader's worker on the worker's seed too, so that neither
        workers nor epochs repeat each other. Other than the transforms of torchvision this
        one leaves torch's global stream alone: ``torch.manual_seed`` does not seed it.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from torchvision import tv_tensors
    >>> from torchvision.transforms import v2
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations.torchvision import VAEVariation
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    >>> augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(images)
    >>> transform = v2.Compose([VAEVariation(augmenter, p=1.0, random_state=0), v2.RandomHorizontalFlip()])
    >>> image = torch.from_numpy(images[:1])
    >>> sample = {"image": tv_tensors.Image(image), "mask": tv_tensors.Mask(image)}
    >>> {name: type(part).__name__ for name, part in transform(sample).items()}
    {'image': 'Image', 'mask': 'Mask'}
    """

    def __init__(
        self,
        augmenter: Any,
        *,
        p: float = 0.5,
        strength: float = 1.0,
        labels_getter: Callable[[Any], Any] | None = None,
        random_state: RandomState = None,
    ) -> None:
        super().__init__()
        self.p = float(check_number(f"{_WHO}: p", p, low=0, high=1))
        self.strength = float(check_number(f"{_WHO}: strength", strength, low=0))
        self.labels_getter = labels_getter
        self._varier = Varier(augmenter, _WHO)
        self._seed: int | None = None
        if random_state is not None:
            self._seed = (
                int(random_state) if isinstance(random_state, Integral) else derive_seed(random_state)
            )
        self._calls = 0

    def forward(self, *inputs: Any) -> Any:
        """Return the sample with its images varied."""
        labels = None
        if self.labels_getter is not None:
            labels = self.labels_getter(inputs if len(inputs) > 1 else inputs[0])
        return _Once(self, labels)(*inputs)

    def vary(self, images: Any, y: np.ndarray | None, seed: int) -> Any:
        """Return a variation of each image of a batch (m, ...), given their labels."""
        return self._varier(images, y, strength=self.strength, seed=seed)

    def next_key(self) -> tuple[int, ...]:
        """Return the key of the next call's randomness."""
        if self._seed is None:
            return (derive_seed(None),)  # the system's entropy: no two processes draw the same
        worker = get_worker_info()
        self._calls += 1
        return (self._seed, 0 if worker is None else worker.seed, self._calls)


class _Once(v2.Transform):
    """One call of the transform, with the labels of its sample at hand."""

    def __init__(self, owner: VAEVariation, labels: Any) -> None:
        super().__init__()
        self.owner = [owner]  # in a list, so that it does not become a submodule
        self.labels = labels

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw everything random once, so that all images of a sample agree."""
        owner = self.owner[0]
        key = owner.next_key()
        rows = max((_count(item) for item in flat_inputs if _is_image(item)), default=0)
        chosen = numpy_generator(*key, _CHOICE).random(rows) < owner.p
        return {"chosen": chosen, "seed": hash_seed(*key, _MAKE)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Return one part of the sample, varied if it is an image."""
        if not _is_image(inpt):
            return inpt
        count = _count(inpt)
        rows = np.flatnonzero(params["chosen"][:count])
        if not len(rows):
            return inpt
        labels = broadcast_labels(self.labels, count, _WHO)
        y = None if labels is None else labels[rows]
        vary, seed = self.owner[0].vary, params["seed"]
        if isinstance(inpt, PILImage.Image):
            kind = Kind.of(inpt, _WHO)
            return kind.items(torch.from_numpy(vary(kind.stack([inpt], _WHO), y, seed)))[0]
        flat = _plain(inpt, count)
        places = torch.from_numpy(rows).to(flat.device)
        taken = take_rows(flat, places)
        if isinstance(inpt, tv_tensors.Video):
            # One frame a call, with one seed: all of them change in the same way.
            made = torch.stack([vary(frame, y, seed) for frame in taken.unbind(1)], 1)
        else:
            made = vary(taken, y, seed)
        varied = replace_rows(flat, places, made).reshape(inpt.shape)
        return tv_tensors.wrap(varied, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else varied


def _is_image(item: Any) -> bool:
    if isinstance(item, tv_tensors.TVTensor):
        return isinstance(item, tv_tensors.Image | tv_tensors.Video)
    return isinstance(item, torch.Tensor | PILImage.Image)


def _axes(image: torch.Tensor) -> int:
    """Return the number of axes of one image, or of one video."""
    return 4 if isinstance(image, tv_tensors.Video) else 3


def _count(image: Any) -> int:
    """Return how many images, or videos, there are in one."""
    if isinstance(image, PILImage.Image):
        return 1
    axes = _axes(image)
    if image.ndim < axes:
        raise InputError(f"{_WHO}: tensors of images must be (..., C, H, W); got shape {tuple(image.shape)}.")
    return int(np.prod(image.shape[:-axes]))


def _plain(image: torch.Tensor, count: int) -> torch.Tensor:
    """Return a batch (count, [T,] C, H, W) that is no tv_tensor."""
    return image.as_subclass(torch.Tensor).reshape(count, *image.shape[-_axes(image) :])
