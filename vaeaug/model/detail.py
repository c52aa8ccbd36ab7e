"""Detail of images drawn from the prior: what the decoder leaves out, from training images like them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from vaeaug.data.labels.class_weights import class_numbers
from vaeaug.model.fitted import FittedState
from vaeaug.nn.likelihoods.pixels import IndependentPixels
from vaeaug.nn.tensor_rows import take_rows
from vaeaug.utils.random import Purpose, neutral_torch, numpy_generator

__all__ = ["ImageDetail"]

#: Training images nearest to a new one, of which one gives its detail. With the nearest three, more new
#: images are near copies, and a classifier learns no more from them.
_NEIGHBOURS = 20
#: New images that get their detail at once, so that memory grows with the images alone.
_BLOCK = 4096
#: Distances that are held at once.
_MOST_DISTANCES = 1 << 24


class ImageDetail:
    """Training images that give new ones the detail which the decoder leaves out.

    ``x' = D(z, c) + s (x_i − D(z_i, c_i))``: what the decoded copy of a training image i lacks is added to
    the decoded new image. i is one of the 20 images of the same class whose codes are nearest to z, in
    standard deviations of the codes, drawn at random. The share s is 1 or, where that is less, the change
    ``‖D(z, c) − D(z_i, c_i)‖`` in units of what is lacking. Otherwise a decoder that draws all images alike
    would give back the image i.

    Parameters
    ----------
    fitted : FittedState
        Of images, some of which are kept.
    """

    @neutral_torch()
    def __init__(self, fitted: FittedState) -> None:
        anchors, device = fitted.anchors, fitted.model.runtime.device
        assert anchors.rows is not None
        # Not the state itself, which would keep alive what is cached for it.
        self.model, self.codec = fitted.model, fitted.codec
        self.spread = torch.from_numpy(anchors.mean.std(0).clip(1e-6)).to(device)
        # Apple's mps has no double precision. In single precision, who is nearer may hang on the last digit.
        self.precision = torch.float32 if device.type == "mps" else torch.float64
        self.codes, self.contexts, self.images = (
            torch.from_numpy(each).to(device) for each in (anchors.mean, anchors.context, anchors.rows)
        )
        self.groups = torch.from_numpy(self._number_classes(anchors.context)).to(device)

    @classmethod
    def find(cls, fitted: FittedState, sharp: bool | str = "auto") -> ImageDetail | None:
        """Return where new images get their detail; None if they are to have none, or there is none.

        ``"auto"`` leaves images alone that are drawn with a texture.
        """
        kept = fitted.anchors.rows
        if not sharp or kept is None or not len(kept):
            return None
        if sharp == "auto" and not isinstance(fitted.model.vae.likelihood, IndependentPixels):
            return None
        if fitted not in _DETAILS:
            _DETAILS[fitted] = cls(fitted)
        return _DETAILS[fitted]

    @neutral_torch()
    def sample(self, c: Any, *, temperature: float, seed: int) -> Any:
        """Return images (n, C, H, W) in [−1, 1] for contexts (n, K), arrays or tensors as these are."""
        z = self.model.sample_codes(c, temperature=temperature, seed=seed)
        made = self.model.decode(z, c, temperature=0.0, seed=seed, backoff=True)
        groups = self._number_classes(c.cpu().numpy() if isinstance(c, Tensor) else c)
        ranks = numpy_generator(seed, Purpose.CHOICE).integers(_NEIGHBOURS, size=len(groups))
        with torch.no_grad():
            # as_tensor would follow a default device of the caller.
            tensors = (each if isinstance(each, Tensor) else torch.from_numpy(each) for each in (z, made))
            codes, planes = (each.to(self.codes.device) for each in tensors)
            sources = self._choose_sources(codes, groups, ranks)
            for part, chosen in zip(planes.split(_BLOCK), sources.split(_BLOCK), strict=True):
                self._add_lacking(part, chosen, seed)
        return planes.to(made.device) if isinstance(made, Tensor) else planes.cpu().numpy()

    def _add_lacking(self, planes: Tensor, sources: Tensor, seed: int) -> None:
        """Add to decoded images (n, C, H, W), in place, what the copies of their sources lack."""
        copies = self.model.decode(self.codes[sources], self.contexts[sources], temperature=0.0, seed=seed)
        copies = copies.to(planes.device)
        lacking = self._unpack(take_rows(self.images, sources)) - copies
        changed, most = (each.flatten(1).norm(dim=1) for each in (planes - copies, lacking))
        share = (changed / most.clamp(min=1e-6)).clamp(max=1)[:, None, None, None]
        planes.add_(share * lacking).clamp_(-1, 1)

    def _scale(self, codes: Tensor) -> Tensor:
        return (codes / self.spread).to(self.precision)

    def _unpack(self, images: Tensor) -> Tensor:
        """Do as :meth:`ImageCodec.unpack`, on the device of the images."""
        return images if images.is_floating_point() else images.float() * (2 / self.codec.levels_) - 1

    def _number_classes(self, c: np.ndarray) -> np.ndarray:
        return class_numbers(c, self.model.blueprint.class_block)

    def _choose_sources(self, z: Tensor, groups: np.ndarray, ranks: np.ndarray) -> Tensor:
        """Return which images give detail to codes (n, D); of a class without images, any do."""
        sources = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        for group in np.unique(groups).tolist():
            members = (self.groups == group).nonzero()[:, 0]
            members = members if len(members) else torch.arange(len(self.groups), device=z.device)
            known, k = self._scale(self.codes[members]), min(_NEIGHBOURS, len(members))
            own = torch.from_numpy(np.flatnonzero(groups == group))
            for part in own.split(max(1, _MOST_DISTANCES // len(members))):
                rank = torch.from_numpy(ranks[part.numpy()] % k).to(z.device)
                part = part.to(z.device)
                nearest = torch.cdist(self._scale(z[part]), known).topk(k, largest=False).indices
                sources[part] = members[nearest.gather(1, rank[:, None])[:, 0]]
        return sources


#: Made once for a fitted state, as batches ask for it again and again.
_DETAILS: WeakKeyDictionary[FittedState, ImageDetail] = WeakKeyDictionary()
