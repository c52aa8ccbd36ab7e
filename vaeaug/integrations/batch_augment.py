"""`BatchAugment`: synthetic rows in a batch that has left the loader, on its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import get_worker_info

from vaeaug.augmenter import VAEAugmenter
from vaeaug.data.labels.targets import stack_labels
from vaeaug.errors import InputError
from vaeaug.integrations.conversion import Kind, as_array
from vaeaug.integrations.exchange import Exchange, check_augmenter, has_labels
from vaeaug.integrations.hard_examples import HardChoice
from vaeaug.integrations.labels import explain_unknown_labels
from vaeaug.integrations.shared_memory import explain_forked_cuda
from vaeaug.integrations.tensors import TensorImages, works_on_tensors
from vaeaug.model.fitted import get_fitted
from vaeaug.nn.tensor_rows import replace_rows, take_rows
from vaeaug.utils.choices import ItemMethod, RandomState
from vaeaug.utils.random import derive_seed, hash_seed, neutral_torch, numpy_generator
from vaeaug.utils.validation import check_number, check_option

__all__ = ["BatchAugment"]

Labels = TypeVar("Labels")

_WHO = "BatchAugment"
_CHOICE, _MAKE = 31, 32
_STATE = "_extra_state"
_ADVICE = (
    "Pass the mean= and std= that the images were normalised with, normalise them after augmentation, or fit "
    "the augmenter on such images."
)
# Traced, the choice of images would be one more number to compile for in every batch.
_REASON = "BatchAugment runs as it is; compile the network after it, or leave out fullgraph=True"
_eager: Any = torch.compiler.disable
if "reason" in signature(torch.compiler.disable).parameters:  # since torch 2.7
    _eager = torch.compiler.disable(reason=_REASON)


class BatchAugment(nn.Module):
    """Replace images of a batch by synthetic ones of their class, between loader and network.

    Called as ``images, labels = augment(images, labels)``, where MixUp goes, and before it:
    labels stay class numbers. All images of a batch are made in one call, on the device
    of the augmenter; what comes back is on the device of ``images``, of their dtype and memory format.
    In evaluation mode (``augment.eval()``) batches pass through unchanged.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted on such images with such labels.
    p : float, default=0.5
        Probability of each image to be replaced.
    method : {"prior", "posterior"}, default="prior"
        ``"prior"``: a new image of the class. ``"posterior"``: a variation of the image
        itself.
    temperature : float, default=1.0
        Below 1 images are more typical (``"prior"``) or closer to their source (``"posterior"``).
    mean, std : float or sequence of float, optional
        Per channel, if the images were normalised, ``(image − mean) / std``: synthetic
        images then are too.
    select : {"random", "hard"}, default="random"
        ``"hard"``: of ``candidates`` synthetic images take the one with the highest loss under ``model``
        among those that ``teacher`` reads as the class with a probability of at least one half. An
        image without such a candidate stays as it is.
    model : Module, optional
        For ``select="hard"``: the network in training. It maps a batch as it comes out of here to class
        scores (B, classes), whose columns are the labels. It is called in evaluation mode and without
        gradients, on its own device; it is no submodule of this one, and not part of ``state_dict``.
    candidates : int, default=4
        Synthetic images for each image to be replaced.
    teacher : callable, optional
        Maps a batch to class scores (B, classes). By default an exponential moving average of
        ``model``, which starts from its weights at the first batch, after a resume too.
    random_state : None, int, RandomState or Generator
        Batch number k is a pure function of ``(random_state, k)`` and of the rank in a
        distributed run, under ``torch.compile`` too; with ``select="hard"`` also of the networks. k is
        part of ``state_dict``, so that a resumed run goes on where it was. A ``state_dict`` without it is
        loaded, and k stays.

    Raises
    ------
    InputError
        When called with images that are not what the augmenter makes, or cannot be of the scale of those
        that it was fitted on.

    Warns
    -----
    VaeaugWarning
        When numbers of a table lie far outside of those of fit, in most rows of the first batch of ten or
        more; when the first 16 images or more are darker, brighter or flatter than all those of fit.

    Examples
    --------
    >>> import torch
    >>> from vaeaug import BatchAugment, VAEAugmenter
    >>> rows, labels = torch.randn(40, 3), torch.tensor([0, 1] * 20)
    >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(rows.numpy(), labels.numpy())
    >>> augment = BatchAugment(augmenter, p=0.5, random_state=0)
    >>> new_rows, new_labels = augment(rows, labels)
    >>> new_rows.shape, 0 < int((new_rows != rows).any(1).sum()) < 40
    (torch.Size([40, 3]), True)
    """

    def __init__(
        self,
        augmenter: Any,
        *,
        p: float = 0.5,
        method: ItemMethod = "prior",
        temperature: float = 1.0,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        select: Literal["random", "hard"] = "random",
        model: nn.Module | None = None,
        candidates: int = 4,
        teacher: Callable[[Tensor], Tensor] | None = None,
        random_state: RandomState = None,
    ) -> None:
        super().__init__()
        check_number(f"{_WHO}: p", p, low=0, high=1)
        check_option(f"{_WHO}: select", select, ("random", "hard"))
        self.select, self.candidates = (
            select,
            int(check_number(f"{_WHO}: candidates", candidates, low=1, integer=True)),
        )
        self._choice = _make_choice(select, model, teacher)
        check_option(f"{_WHO}: method", method, ("prior", "posterior"))
        check_number(f"{_WHO}: temperature", temperature, low=0)
        if (mean is None) != (std is None):
            raise InputError(f"{_WHO}: mean and std belong together; got mean={mean!r}, std={std!r}.")
        self.augmenter = check_augmenter(augmenter, _WHO)
        if not has_labels(augmenter):
            raise InputError(
                f"{_WHO}: the augmenter was fitted without labels, and new images are of the classes of a "
                "batch. Fit it with y, on a Dataset of (image, label) pairs for example, or use VAEVariation."
            )
        self.p, self.method, self.temperature = float(p), method, float(temperature)
        self.mean, self.std = _numbers("mean", mean), _numbers("std", std, positive=True)
        if len({len(self.mean or ()), len(self.std or ())} - {1}) > 1:
            raise InputError(f"{_WHO}: mean and std must be of one length; got {self.mean} and {self.std}.")
        self.seed, self.calls = derive_seed(random_state), 0
        self._exchanges: dict[Kind, Exchange] = {}
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

    if TYPE_CHECKING:

        def __call__(self, images: Tensor, labels: Labels) -> tuple[Tensor, Labels]: ...  # noqa: D102

    @_eager
    def forward(self, images: Tensor, labels: Any) -> tuple[Tensor, Any]:
        """Return the batch with some images replaced; the input is not changed.

        Parameters
        ----------
        images : Tensor (B, ...)
        labels : Tensor, array or list (B,)
            Class labels as in ``fit`` of the augmenter; also (B, 1). Returned as they are.
        """
        if not self.training:
            return images, labels
        if not isinstance(images, Tensor) or not images.ndim:
            got = "a single number" if isinstance(images, Tensor) else type(images).__name__
            raise InputError(f"{_WHO}: images must be a tensor (B, ...); got {got}.")
        y = _check_labels(labels, images)
        key = (self.seed, _rank(), self.calls, *_worker())
        chosen = np.flatnonzero(numpy_generator(*key, _CHOICE).random(len(images)) < self.p)
        if not len(chosen):
            self.calls += 1
            return images, labels
        with neutral_torch(), torch.no_grad():
            raw = self._raw(images.detach().as_subclass(Tensor))
            exchange = self._exchange(raw)
            exchange.check(raw, lambda i: f"images[{i}]", self._mistakes(exchange))
            rows = torch.from_numpy(chosen).to(images.device)
            count = 1 if self._choice is None else self.candidates
            each = rows.repeat_interleave(count)
            with explain_forked_cuda(_WHO), explain_unknown_labels(_WHO):
                new = self._normalise(self._make(raw, exchange, each, y, hash_seed(*key, _MAKE)))
            new = new.to(images.device, images.dtype)
        if self._choice is not None:
            # The network reads candidates as it reads batches: under the caller's autocast.
            plain = images.detach().as_subclass(Tensor)
            taken, found = self._choice(_lay_out_like(new, plain), _number_classes(y, rows), count)
            rows, new = rows[found], take_rows(new, taken[found])
        self.calls += 1  # a batch that is refused is none
        return replace_rows(images, rows, new), labels

    def _make(self, raw: Tensor, exchange: Exchange, rows: Tensor, y: Any, seed: int) -> Tensor:
        """Return new images for some rows of a batch, as they were before normalisation."""
        prior, augmenter = self.method == "prior", self.augmenter
        if works_on_tensors(augmenter) and augmenter.classes_ is not None:
            images = TensorImages(augmenter, exchange)
            contexts = self._contexts(images, y, raw.device)[rows]
            if prior:
                return images.sample(contexts, temperature=self.temperature, seed=seed)
            return images.vary(take_rows(raw, rows), contexts, strength=self.temperature, seed=seed)
        labels = as_array(y, _WHO) if isinstance(y, Tensor) else y
        if isinstance(augmenter, VAEAugmenter):
            get_fitted(augmenter).encode_labels(labels, len(labels))  # raises for a label of any row
        labels = labels[rows.cpu().numpy()]
        taken = None if prior else as_array(take_rows(raw, rows), _WHO)
        made = exchange.draw(augmenter, labels, taken, spread=self.temperature, seed=seed)
        return made.to(raw.device)

    def _contexts(self, images: TensorImages, y: Any, device: torch.device) -> Tensor:
        """Return the contexts of labels (B,) on a device; labels there are not brought to the CPU."""
        classes = np.asarray(self.augmenter.classes_)
        if not isinstance(y, Tensor) or classes.dtype.kind not in "biu":
            return images.contexts(as_array(y, _WHO) if isinstance(y, Tensor) else y, len(y)).to(device)
        if device not in self._tables:
            known = torch.from_numpy(classes.astype(np.int64))
            table = images.contexts(classes, len(classes))
            self._tables[device] = (known.to(device), table.to(device))
        known, table = self._tables[device]
        y = y.to(device)
        found = torch.searchsorted(known, y.to(torch.int64)).clamp_(max=len(known) - 1)
        if not bool((known[found] == y).all()):
            return images.contexts(as_array(y, _WHO), len(y))  # raises, and names the label
        return table[found]

    def _exchange(self, raw: Tensor) -> Exchange:
        """Return the translation for batches like this one, worked out once."""
        kind = Kind.of_rows(raw, _WHO)
        if kind not in self._exchanges:
            self._exchanges[kind] = Exchange(self.augmenter, kind, _WHO, _ADVICE)
        return self._exchanges[kind]

    # -- normalisation --------------------------------------------------------------

    def _raw(self, images: Tensor) -> Tensor:
        """Return images as they were before normalisation."""
        if self.mean is None:
            return images
        if not images.is_floating_point():
            raise InputError(
                f"{_WHO}: mean and std are those of normalised images, which are floats; got {images.dtype}. "
                "Leave them out, or normalise the images."
            )
        mean, std = self._statistics(images)
        wide = images if images.dtype == torch.float64 else images.float()
        return wide * std + mean

    def _normalise(self, images: Tensor) -> Tensor:
        if self.mean is None:
            return images
        mean, std = self._statistics(images)
        return (images - mean) / std

    def _statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1, *(1,) * (images.ndim - 2))
        channels = images.shape[1] if images.ndim > 1 else 0
        both = []
        for name, values in (("mean", self.mean or []), ("std", self.std or [])):
            if len(values) not in (1, channels):
                raise InputError(
                    f"{_WHO}: {name} has {len(values)} numbers, and images of shape {tuple(images.shape)} "
                    f"have {channels} channels on axis 1; give one number for each channel, or one for all."
                )
            both.append(torch.tensor(values, dtype=torch.float32).to(images.device).reshape(shape))
        return both[0], both[1]

    def _mistakes(self, exchange: Exchange) -> tuple[tuple[float, float], ...]:
        """Return the range that images have here if they were not normalised at all."""
        if self.mean is None or self.std is None or exchange.ranges is None:
            return ()
        mean, std = float(np.mean(self.mean)), float(np.mean(self.std))
        scale = exchange.ranges.scale
        return ((scale.low * std + mean, scale.high * std + mean),)

    # -- state ----------------------------------------------------------------------

    def get_extra_state(self) -> Tensor:
        """Return what decides the next batches, for ``state_dict``: seed and number of calls, int64 (2,)."""
        seed = self.seed - (1 << 64) if self.seed >= 1 << 63 else self.seed
        return torch.tensor([seed, self.calls], dtype=torch.int64, device="cpu")

    def set_extra_state(self, state: Any) -> None:
        """Go on where a saved state was: that of :meth:`get_extra_state`, or a dict, as 0.1 saved it.

        Raises
        ------
        InputError
        """
        try:
            values = [state["seed"], state["calls"]] if isinstance(state, Mapping) else state.tolist()
            seed, calls = (int(value) for value in values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{_WHO}: its state must be a tensor of seed and number of calls, as state_dict gives it; "
                f"got {state!r:.80}."
            ) from error
        self.seed, self.calls = seed % (1 << 64), calls

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # What was saved before this module was there is no less complete.
        state_dict.setdefault(prefix + _STATE, self.get_extra_state())
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """Return the settings, without the networks."""
        chosen = "" if self._choice is None else f", select={self.select!r}, candidates={self.candidates}"
        return f"p={self.p}, method={self.method!r}, temperature={self.temperature}{chosen}"


def _make_choice(
    select: str, model: nn.Module | None, teacher: Callable[[Tensor], Tensor] | None
) -> HardChoice | None:
    """Return what chooses among candidates; None where they are taken as they come.

    Raises
    ------
    InputError
    """
    if select == "random":
        if model is not None or teacher is not None:
            raise InputError(
                f'{_WHO}: model and teacher go with select="hard"; got select="random". Leave them out, or '
                'pass select="hard".'
            )
        return None
    if not isinstance(model, nn.Module):
        raise InputError(
            f'{_WHO}: select="hard" needs model, the network in training, a torch.nn.Module; got '
            f"{type(model).__name__}."
        )
    if teacher is not None and not callable(teacher):
        raise InputError(
            f"{_WHO}: teacher must map a batch to class scores, as a network does; got "
            f"{type(teacher).__name__}. Leave it out for a moving average of the model."
        )
    return HardChoice(model, teacher, _WHO)


def _lay_out_like(new: Tensor, images: Tensor) -> Tensor:
    """Return images in the memory format of others."""
    last = images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last)
    return new.contiguous(memory_format=torch.channels_last) if last else new


def _number_classes(y: Any, rows: Tensor) -> Tensor:
    """Return the labels of some rows as int64.

    Raises
    ------
    InputError
        Unless labels are whole numbers.
    """
    kind = y.dtype if isinstance(y, Tensor) else np.asarray(y).dtype
    if str(kind).removeprefix("torch.")[:3] not in ("int", "uin", "boo"):
        raise InputError(
            f'{_WHO}: with select="hard" labels are class numbers, columns of the scores of model; got dtype '
            f"{kind}. Number the classes from 0 on."
        )
    numbers = y if isinstance(y, Tensor) else torch.from_numpy(np.asarray(y).astype(np.int64))
    return numbers.to(rows.device, torch.int64)[rows]


def _check_labels(labels: Any, images: Tensor) -> Any:
    """Return labels as a tensor or array (B,).

    Raises
    ------
    InputError
        Unless there is one class for each image.
    """
    if isinstance(labels, Tensor):
        found: Any = labels.detach()
    elif hasattr(labels, "dtype"):
        found = np.asarray(labels)
    elif isinstance(labels, list | tuple):
        found = stack_labels(labels, "batch")
    else:
        raise InputError(
            f"{_WHO}: labels must be a tensor, an array or a list; got {type(labels).__name__}. Without "
            "labels use VAEVariation."
        )
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != images.shape[:1]:
        raise InputError(
            f"{_WHO}: labels must be one class number per image, before MixUp or CutMix turn them into "
            f"shares; got shape {tuple(found.shape)}, dtype {found.dtype}, for {len(images)} images. Of "
            "one-hot labels pass labels.argmax(1). The images come first, then their labels."
        )
    return found


def _numbers(name: str, values: Any, positive: bool = False) -> list[float] | None:
    """Return a number or a sequence of them as a list."""
    if values is None:
        return None
    listed = values.tolist() if isinstance(values, Tensor | np.ndarray) else values
    listed = list(listed) if isinstance(listed, list | tuple) else [listed]
    if not listed:
        raise InputError(f"{_WHO}: {name} must hold one number per channel; got none.")
    return [
        float(check_number(f"{_WHO}: {name}", each, low=0 if positive else None, open_low=positive))
        for each in listed
    ]


def _worker() -> tuple[int, ...]:
    """Return the seed of the worker of a DataLoader: its copy counts calls anew in every epoch."""
    worker = get_worker_info()
    return () if worker is None else (worker.seed % (1 << 64),)


def _rank() -> int:
    """Return the rank in a distributed run, so that ranks do not make the same images."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return 0
