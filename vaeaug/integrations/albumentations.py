"""`VAEVariation` as a transform of albumentations."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import numpy as np

from vaeaug.augmenter import load
from vaeaug.errors import InputError
from vaeaug.integrations.quiet import A
from vaeaug.integrations.variation import Varier, broadcast_labels
from vaeaug.utils.choices import Device
from vaeaug.utils.validation import check_number

__all__ = ["VAEVariation"]

_WHO = "VAEVariation"


class VAEVariation(A.ImageOnlyTransform):
    """Replace an image by a variation of itself, in an ``A.Compose``; masks, boxes and keypoints stay.

    All images of ``images`` are varied in one call. Random numbers come from albumentations'
    own generator, so ``A.Compose(..., seed=...)`` decides. That generator starts anew in every
    loader worker and epoch; to get others there, pass the loader a ``worker_init_fn`` that calls
    ``compose.set_random_seed(torch.utils.data.get_worker_info().seed % 2**32)``.

    Parameters
    ----------
    augmenter : path-like or VAEAugmenter
        A path of :meth:`VAEAugmenter.save` travels with ``A.to_dict``, ``A.save`` and to
        worker processes, and is loaded once per process; an augmenter itself cannot be written to a file.
    strength : float, default=1.0
        Scales the noise on the code; 0 gives the reconstruction. 1 hardly shows; try 5.
    label : str or None, default=None
        Name of the target that holds the label, for variations truer to their class:
        ``VAEVariation(path, label="label")`` and ``compose(image=..., label=3)``. A sample without
        it is refused. By default labels are unknown.
    device : str, default="cpu"
        Where a loaded augmenter runs; in worker processes a CPU is the place.
    p : float, default=0.5

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.integrations.quiet import A
    >>> from vaeaug.integrations.albumentations import VAEVariation
    >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> VAEAugmenter(max_iter=1, random_state=0).fit(images).save(path)
    >>> compose = A.Compose([VAEVariation(path, p=1.0), A.HorizontalFlip()], seed=0)
    >>> compose(image=images[0], mask=images[0])["image"].shape
    (8, 8)
    """

    class InitSchema(A.BasicTransform.InitSchema):
        """What albumentations checks arguments against."""

        augmenter: Any
        strength: Any
        label: str | None
        device: str

    def __init__(
        self,
        augmenter: Any,
        strength: float = 1.0,
        label: str | None = None,
        device: Device = "cpu",
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        # Plain values under their own names: albumentations reads them back to write a file.
        self.augmenter = os.fspath(augmenter) if isinstance(augmenter, str | os.PathLike) else augmenter
        self.strength = float(check_number(f"{_WHO}: strength", strength, low=0))
        self.label = label
        self.device = device
        self._own: Varier | None = None

    @property
    def targets_as_params(self) -> list[str]:
        """Names of the targets that parameters depend on."""
        return [] if self.label is None else [self.label]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw everything random once; take the label along, so that a replay needs nothing else."""
        seed = int(self.random_generator.integers(2**31 - 1))
        return {"seed": seed, "labels": None if self.label is None else data[self.label]}

    def apply(self, img: np.ndarray, seed: int = 0, labels: Any = None, **params: Any) -> np.ndarray:
        """Return a variation of one image (H, W) or (H, W, C)."""
        return self.apply_to_images(img[None], seed=seed, labels=labels)[0]

    def apply_to_images(
        self, images: np.ndarray, *args: Any, seed: int = 0, labels: Any = None, **params: Any
    ) -> np.ndarray:
        """Return variations of images (m, H, W) or (m, H, W, C), decoded in one call."""
        rows = np.asarray(images)
        y = broadcast_labels(labels, len(rows), _WHO)
        return self._varier()(rows, y, strength=self.strength, seed=seed)

    def _varier(self) -> Varier:
        if isinstance(self.augmenter, str):
            changed = os.stat(self.augmenter).st_mtime_ns if os.path.exists(self.augmenter) else -1
            return _load_varier(self.augmenter, self.device, changed)
        if self._own is None:
            self._own = Varier(self.augmenter, _WHO)
        return self._own

    def to_dict_private(self) -> dict[str, Any]:
        """Return what ``A.to_dict`` writes.

        Raises
        ------
        InputError
            If the transform holds an augmenter instead of a path.
        """
        if not isinstance(self.augmenter, str):
            raise InputError(
                f"{_WHO}: it holds an augmenter itself, which no file of albumentations can carry; write it "
                "with augmenter.save(path) and use VAEVariation(path)."
            )
        return super().to_dict_private()


@lru_cache(maxsize=4)
def _load_varier(path: str, device: str, changed: int) -> Varier:
    """Return what varies with the model in a file, read once per process and version of the file."""
    return Varier(load(path, device=device), _WHO)
