"""`AugmentedDataset`, synthetic items in a torch Dataset; `BatchAugment`, the same after the loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import get_spawning_popen
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from PIL import Image as PILImage
from torch.utils.data import Dataset

from vaeaug.data.labels.sampling_strategy import targets
from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.integrations.batch_augment import BatchAugment
from vaeaug.integrations.conversion import Kind, as_array
from vaeaug.integrations.exchange import Exchange, check_augmenter, has_labels
from vaeaug.integrations.indexing import collate, items_one_by_one, positions
from vaeaug.integrations.labels import (
    check_dataset,
    fetch_items,
    find_labels,
    goes_past_items,
    pair,
    refuse_shifted,
)
from vaeaug.integrations.pool import Contents, Pool
from vaeaug.integrations.schedule import Schedule
from vaeaug.integrations.shared_memory import is_worker, share_zeros
from vaeaug.utils.choices import ItemMethod, RandomState, Strategy
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.random import derive_seed
from vaeaug.utils.validation import check_number, check_option
from vaeaug.utils.wording import list_names

if TYPE_CHECKING:
    from vaeaug.filtering.label_filter import LabelFilter

__all__ = ["AugmentedDataset", "BatchAugment", "Provenance"]

_WHO = "AugmentedDataset"
#: Items shown, as a multiple of their number, from which on a second epoch is under way.
_SECOND_EPOCH = 1.5
_ADVICE = "Scale or normalise after augmentation (transform=), or fit the augmenter on such images."


@dataclass(frozen=True)
class Provenance:
    """Where an item of an epoch comes from.

    Parameters
    ----------
    synthetic : bool
    label : object
    source : int
        The item of the wrapped dataset that is shown or varied; −1 for a draw from the prior.
    seed : int
        ``random_state`` of the call of the augmenter that made it; −1 for a real item.
    position : int
        Row of the item in what that call returned; −1 for a real item.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import TensorDataset
    >>> from vaeaug import AugmentedDataset, VAEAugmenter
    >>> X, y = torch.randn(60, 4), torch.tensor([0] * 45 + [1] * 15)
    >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X.numpy(), y.numpy())
    >>> data = AugmentedDataset(TensorDataset(X, y), augmenter, p=0.5, random_state=0)
    >>> found = [data.provenance(i) for i in range(len(data))]
    >>> sum(each.synthetic for each in found)
    30
    """

    synthetic: bool
    label: Any
    source: int
    seed: int
    position: int


class AugmentedDataset(Dataset[tuple[Any, Any]]):
    """Wrap a torch Dataset of (image, label) so that some of its items are synthetic, new ones each epoch.

    The synthetic items of an epoch are decoded in whole batches by the process that calls
    :meth:`set_epoch` and kept in shared memory; loader workers only copy them, and never
    touch the model. Item i of epoch e is a pure function of ``(random_state, e, i)``: the same
    for any number of workers, batch size and order, and after a resume.

    Parameters
    ----------
    dataset : Dataset
        Map-style, of pairs (image, label): PIL images, tensors, ``tv_tensors.Image`` or
        arrays, of one size. Also rows of a table (``TensorDataset``). Leave random transforms
        and normalisation to ``transform``, so that synthetic items get them too.
    augmenter : VAEAugmenter
        Fitted on such items with such labels.
    p : float, default=0.5
        Share of the real items of each class that are replaced, other ones each epoch.
    balance : bool, str, float or dict, default=False
        True adds synthetic items until all classes are as large as the largest, so that
        the dataset grows. Also a ``sampling_strategy`` of imbalanced-learn.
    random_state : None, int, RandomState or Generator
        An int to repeat a run or to resume it. Every process of a distributed run must
        be given the same.
    labels : array-like (n,), optional
        Labels of all items, as they carry them. By default those in ``targets`` or ``labels`` of the
        dataset if some items, one of each class among them, carry the same; else all items are read.
    transform : callable, optional
        Applied to every image.
    method : {"prior", "posterior"}, default="prior"
        ``"prior"``: new items of the class. ``"posterior"``: variations of real items of the
        class, which stay close to them; the dataset's items are read again to be varied.
    temperature : float, default=1.0
        Below 1 items are more typical (``"prior"``) or closer to their source (``"posterior"``).
    label_filter : LabelFilter, optional
        Drops items that look like another class or copy a real one; it is fitted on the
        dataset unless it is fitted. A dropped item is made anew, and after three attempts a
        real item takes its place. What was dropped is counted in ``dropped_``.
    pool_size : int, optional
        Synthetic items to keep at most; by default as many as an epoch shows. With fewer,
        some are shown more than once in an epoch.
    refresh_every : int, default=1
        Epochs after which the pool is made anew; more than 1 saves time, and items
        come back within these epochs.
    epoch : int, default=0
        The epoch to start with, whose pool is made at once.

    Attributes
    ----------
    classes : ndarray (K,)
    targets : ndarray (N,)
        Label of each item, of the added ones too; the same in every epoch.
    seed : int
        What ``random_state`` came to; pass it as ``random_state`` to repeat the run.
    epoch : int
    dropped_ : DataFrame
        Per class, candidates made for the present pool, kept and dropped for each reason.

    Raises
    ------
    InputError
        For items that are no pairs or not alike, labels that cannot be used, an augmenter that makes
        something else than the items are, and images that cannot be of the scale on which it was fitted.
        Items are checked again as they pass.

    Warns
    -----
    VaeaugWarning
        When numbers of a table lie far outside of those of fit, in most of the rows looked at; when the first
        16 images or more are darker, brighter or flatter than all those of fit.

    Notes
    -----
    Call ``set_epoch(e)`` before each epoch, with persistent workers too; else all epochs are
    alike, and a warning says so once. Another processor or number of threads may round a pixel differently.

    Examples
    --------
    >>> import torch
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from vaeaug import AugmentedDataset, VAEAugmenter
    >>> X, y = torch.randn(60, 4), torch.tensor([0] * 45 + [1] * 15)
    >>> augmenter = VAEAugmenter(max_iter=2, random_state=0).fit(X.numpy(), y.numpy())
    >>> data = AugmentedDataset(TensorDataset(X, y), augmenter, p=0.2, balance=True, random_state=0)
    >>> loader = DataLoader(data, batch_size=30, shuffle=True)
    >>> for epoch in range(2):
    ...     data.set_epoch(epoch)
    ...     counts = sum(torch.bincount(labels) for rows, labels in loader)
    >>> counts.tolist()
    [45, 45]
    """

    def __init__(
        self,
        dataset: Any,
        augmenter: Any,
        *,
        p: float = 0.5,
        balance: bool | Strategy = False,
        random_state: RandomState = None,
        labels: Any = None,
        transform: Callable[[Any], Any] | None = None,
        method: ItemMethod = "prior",
        temperature: float = 1.0,
        label_filter: LabelFilter | None = None,
        pool_size: int | None = None,
        refresh_every: int = 1,
        epoch: int = 0,
    ) -> None:
        check_number(f"{_WHO}: p", p, low=0, high=1)
        check_option(f"{_WHO}: method", method, ("prior", "posterior"))
        check_number(f"{_WHO}: temperature", temperature, low=0)
        check_number(f"{_WHO}: pool_size", pool_size, low=1, integer=True, also=(None,))
        check_number(f"{_WHO}: refresh_every", refresh_every, low=1, integer=True)
        check_dataset(dataset, _WHO)
        check_augmenter(augmenter, _WHO)
        if not has_labels(augmenter):
            raise InputError(
                f"{_WHO}: the augmenter was fitted without labels, and new items are of the classes of the "
                "dataset. Fit it with y, on a Dataset of (image, label) pairs for example."
            )
        self.dataset, self.transform, self._method = dataset, transform, method
        self.seed = _seed(random_state)
        self._labels, images = find_labels(dataset, labels, _WHO)
        self.classes = self._labels.classes
        refuse_shifted(self.classes, augmenter, _WHO)
        self._kind = Kind.of(images[0], _WHO)
        examples = self._kind.stack(images, _WHO)
        self._exchange = Exchange(augmenter, self._kind, _WHO, _ADVICE)
        self._exchange.check(examples, lambda i: f"one of the {len(images)} images looked at")
        self._schedule = Schedule(
            self._labels.groups,
            self._count_added(balance, augmenter),
            p=float(p),
            pool_size=pool_size,
            refresh_every=int(refresh_every),
            seed=self.seed,
        )
        stored = self._exchange.compact(examples)
        if label_filter is not None and not hasattr(label_filter, "classes_"):
            label_filter = label_filter.fit(self._read(np.arange(len(dataset))), self._labels.values)
        self._pool: Pool | None = Pool(
            augmenter,
            self._exchange,
            stored,
            self._schedule,
            self._labels,
            self._read,
            method=method,
            temperature=float(temperature),
            label_filter=label_filter,
        )
        self._share(stored)
        self._begin(epoch)

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a DataLoader ask a subclass for its own items, which it would go past for whole batches."""
        super().__init_subclass__(**options)
        if goes_past_items(cls):
            cls.__getitems__ = items_one_by_one  # type: ignore[method-assign, assignment]

    def _count_added(self, balance: Any, augmenter: Any) -> np.ndarray:
        """Return how many items each class is to get on top."""
        added = np.zeros(len(self.classes), dtype=np.int64)
        if balance is False or balance is None:
            return added
        known, present = getattr(augmenter, "classes_", None), set(self.classes.tolist())
        absent = [] if known is None else [each for each in np.asarray(known).tolist() if each not in present]
        if absent:
            warn_caller(
                f"{_WHO}: the dataset has no items of the class {list_names(absent)}, which the augmenter "
                "knows. It stays without: balance adds to classes that are there. augmenter.sample(50, y=…) "
                "makes items to add to the dataset.",
                VaeaugWarning,
            )
        wanted = targets("auto" if balance is True else balance, self._labels.values)
        for label, count in wanted.items():
            added[self.classes == label] = count
        return added

    def _share(self, stored: np.dtype) -> None:
        """Lay out what the worker processes see."""
        dtype = torch.from_numpy(np.zeros(0, dtype=stored)).dtype
        items = len(self._schedule.item_groups)
        self._slots = share_zeros((items,), torch.int64, _WHO)
        self._stand_ins = share_zeros((items,), torch.int64, _WHO)
        self._images = share_zeros((len(self._schedule.slot_groups), *self._kind.shape), dtype, _WHO)
        self._epoch = share_zeros((1,), torch.int64, _WHO)
        # Items shown in all processes, and whether set_epoch was called or its absence said.
        self._shown = share_zeros((2,), torch.int64, _WHO)
        self._generation = -1
        self._contents: Contents | None = None

    @property
    def targets(self) -> np.ndarray:
        """The label of each item."""
        labels: np.ndarray = self.classes[self._schedule.item_groups]
        return labels

    def __repr__(self) -> str:
        real = len(self._schedule.groups)
        labels, counts = np.unique(self.targets[real:], return_counts=True)
        added = dict(zip(labels.tolist(), counts.tolist(), strict=True))
        settings = f"p={self._schedule.p:g}, method={self._method!r}, epoch={self.epoch}"
        return f"{type(self).__name__}(real={real}, added={added}, {settings})"

    # -- epochs ---------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return int(self._epoch.item())

    @property
    def dropped_(self) -> pd.DataFrame:
        """Counts of what the filter dropped from the present pool, one row per class."""
        return pd.DataFrame() if self._contents is None else self._contents.dropped

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: make its synthetic items and decide which items show them.

        Call it before iterating over the loader; workers that are already running see
        the new epoch. Jumping to any epoch, forth or back, gives the items of that epoch.

        Parameters
        ----------
        epoch : int
            From 0 to 2⁶³ - 1, as many as an int64 holds.

        Raises
        ------
        InputError
            If called in a worker process.
        """
        self._begin(epoch)
        self._shown.numpy()[1] = 1

    def _begin(self, epoch: int) -> None:
        """Do the work of :meth:`set_epoch`."""
        check_number(f"{_WHO}: epoch", epoch, low=0, high=(1 << 63) - 1, integer=True)
        if is_worker() or self._pool is None:
            raise InputError(
                f"{_WHO}: set_epoch must be called in the process that made the dataset, before iterating "
                "over the loader; worker processes have no model, and see the new epoch by themselves."
            )
        generation = self._schedule.generation(int(epoch))
        if generation != self._generation:
            self._generation = -1  # until the pool is whole
            self._contents = self._pool.make(generation, self._images.numpy())
            self._generation = generation
        slots = self._assign(int(epoch), self._contents)
        self._slots.numpy()[:] = slots
        self._stand_ins.numpy()[:] = self._schedule.stand_ins(int(epoch))
        self._epoch.fill_(int(epoch))

    def _assign(self, epoch: int, contents: Contents | None) -> np.ndarray:
        slots = self._schedule.assign(epoch)
        if contents is not None and len(contents.accepted):
            slots = np.where((slots >= 0) & contents.accepted[slots], slots, -1)
        return slots

    # -- items ----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._schedule.item_groups)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        """Return (image, label) of one item, or a batch of several as a DataLoader puts it together.

        Parameters
        ----------
        index : int, slice, or sequence of int or of bool
            Also a tensor or array, such as the batches of a ``BatchSampler`` with ``batch_size=None``.
        """
        rows = positions(index, len(self), _WHO)
        if not rows.ndim:
            return self._items(rows[None])[0]
        images, labels = zip(*self._items(rows), strict=True) if len(rows) else ((), ())
        return collate(images), collate(labels)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return several items at once, as DataLoader asks for a batch."""
        self._count_shown(len(indices))
        return self._items(np.atleast_1d(positions(indices, len(self), _WHO)))

    def _items(self, rows: np.ndarray) -> list[tuple[Any, Any]]:
        """Return items (m,) by number, 0 to N − 1."""
        slots = self._slots.numpy()[rows]
        found: list[Any] = [None] * len(rows)
        real = np.flatnonzero(slots < 0)
        if len(real):
            stand_ins = self._stand_ins.numpy()[rows[real]].tolist()
            for place, item in zip(real.tolist(), self._real(stand_ins), strict=True):
                found[place] = item
        new = np.flatnonzero(slots >= 0)
        if len(new):
            copies = torch.from_numpy(self._images.numpy()[slots[new]])
            groups = self._schedule.item_groups[rows[new]].tolist()
            for place, image, group in zip(new.tolist(), self._kind.items(copies), groups, strict=True):
                found[place] = (image, self._labels.of(group))
        if self.transform is None:
            return found
        return [(self.transform(image), label) for image, label in found]

    def _count_shown(self, count: int) -> None:
        """Warn once, in whatever process, if a second epoch shows the items of the first."""
        shown = self._shown.numpy()
        shown[0] += count
        if not shown[1] and shown[0] > _SECOND_EPOCH * len(self):
            shown[1] = 1
            warn_caller(
                f"{_WHO}: the same synthetic items are shown again, as set_epoch() was never called. Call "
                "set_epoch(epoch) on this dataset before each epoch, in the process that made it.",
                VaeaugWarning,
            )

    def _real(self, rows: list[int]) -> list[tuple[Any, Any]]:
        """Return items of the wrapped dataset as they are, if they are what they were taken for."""
        pairs = [pair(item, _WHO) for item in fetch_items(self.dataset, rows, _WHO)]
        for row, (_, label) in zip(rows, pairs, strict=True):
            self._labels.check(row, label, _WHO)
        self._check_images([image for image, _ in pairs], rows)
        return pairs

    def _check_images(self, images: list[Any], rows: list[int]) -> None:
        """Refuse images that cannot be of the scale that the augmenter was fitted on."""
        if not self._exchange.is_image:
            return
        arrays, numbers = [], []
        for row, image in zip(rows, images, strict=True):
            if isinstance(image, PILImage.Image) and image.mode != self._kind.mode:
                continue  # a mode tells its scale, and transform may make one of several
            dtype = str(getattr(image, "dtype", self._kind.dtype)).removeprefix("torch.")
            if dtype != self._kind.dtype:
                raise InputError(
                    f"{_WHO}: all items must be alike; the first is {self._kind}, item {row} is of dtype "
                    f"{dtype}. Give the wrapped dataset a transform that brings them to one type."
                )
            arrays.append(as_array(image, _WHO))
            numbers.append(row)
        if arrays:
            self._exchange.check(arrays, lambda i: f"item {numbers[i]}")

    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Return images of the wrapped dataset as one array (m, ...)."""
        return self._kind.stack([image for image, _ in self._real(rows.tolist())], _WHO)

    # -- provenance -----------------------------------------------------------------

    def provenance(self, index: int, *, epoch: int | None = None) -> Provenance:
        """Tell whether an item is synthetic, what it stems from, and the seed it was made with.

        Parameters
        ----------
        index : int
        epoch : int, optional
            The present one by default. For another one with a ``label_filter`` its pool is made
            once more, which takes as long as ``set_epoch``.

        Returns
        -------
        Provenance
        """
        table = self.provenance_table(epoch)
        if not -len(table) <= index < len(table):
            raise IndexError(f"{_WHO} has {len(table)} items; got index {index}.")
        synthetic, group, source, seed, position = (column.iloc[index] for _, column in table.items())
        return Provenance(bool(synthetic), group, int(source), int(seed), int(position))

    def provenance_table(self, epoch: int | None = None) -> pd.DataFrame:
        """Return the provenance of all items of an epoch, one row per item.

        Columns as the fields of :class:`Provenance`.
        """
        epoch = self.epoch if epoch is None else check_number(f"{_WHO}: epoch", epoch, low=0, integer=True)
        contents = self._contents_of(int(epoch))
        slots = self._assign(int(epoch), contents)
        new = slots >= 0
        sources = self._schedule.stand_ins(int(epoch))
        sources[new] = contents.sources[slots[new]]
        seeds, positions = np.full((2, len(slots)), -1, dtype=np.int64)
        seeds[new], positions[new] = contents.seeds[slots[new]], contents.positions[slots[new]]
        return pd.DataFrame(
            {
                "synthetic": new,
                "label": self.classes[self._schedule.item_groups],
                "source": sources,
                "seed": seeds,
                "position": positions,
            }
        )

    def _contents_of(self, epoch: int) -> Contents:
        if self._pool is None or is_worker():
            raise InputError(f"{_WHO}: worker processes know no provenance; ask in the process that made it.")
        generation = self._schedule.generation(epoch)
        if generation == self._generation and self._contents is not None:
            return self._contents
        if self._pool.label_filter is None:
            return self._pool.plan(generation)
        return self._pool.make(generation, np.empty(self._images.shape, self._images.numpy().dtype))

    # -- processes ------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model behind when a worker process is spawned, which only needs the shared pool."""
        state = self.__dict__.copy()
        if get_spawning_popen() is not None:
            state["_pool"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._pool is not None:
            self._pool.read = self._read
            for name in ("_slots", "_stand_ins", "_images", "_epoch", "_shown"):
                getattr(self, name).share_memory_()  # unpickled from a file, they are private


def _seed(random_state: Any) -> int:
    """Return an integer as it is, so that the seed of a run can be passed again, else one drawn from it."""
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(check_number(f"{_WHO}: random_state", random_state, low=0, integer=True))
    return derive_seed(random_state)
