"""Perceptual loss: reconstructions compared with rows in the features of a network."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vaeaug.errors import InputError
from vaeaug.losses.critic_views import Spectator, make_views, view_rows
from vaeaug.losses.term import Adversary, Setting
from vaeaug.nn.vae import Pass
from vaeaug.utils.validation import check_number
from vaeaug.utils.versions import import_torchvision

__all__ = ["Perceptual"]

#: Mean and standard deviation of the three channels that torchvision's classifiers were trained on.
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_MOST_STAGES = 3
_PROBED = 2


class Perceptual(Adversary):
    """Distance between reconstruction and row in the features of a network.

    ``N · Σ_l ‖φ_l(x̂) − φ_l(x)‖² / ‖φ_l(x)‖²`` over stages l (Johnson et al. 2016, *Perceptual Losses*; in a
    VAE, Hou et al. 2017, *Deep Feature Consistent VAE*), with the batch's mean of ``‖φ_l(x)‖²``. So each
    stage counts the share of its features that is lost, whatever their scale, and N, the number
    of values in a row, sets that beside a log-likelihood, which is a sum over values too.

    By default the network is a small classifier that learns to tell the classes of the
    training rows apart, in turns with the model, so nothing is downloaded.

    Parameters
    ----------
    setting : Setting
    network : Module, callable or str, optional
        Compare its features instead; it is not trained. A module (a frozen copy of it is
        used) or another differentiable function gets images float32 ``(B, C, H, W)`` in [0, 1] (rows of
        tables as critics see them) and returns ``(B, ...)``, or a list of such stages. A
        name, such as ``"vgg16"``, is that of a torchvision classifier; it needs ``weights``,
        and gets images as it was trained on, grey ones as three equal channels.
    weights : path, optional
        File with the weights of a torchvision model: a state dict, as ``torch.save`` writes it.
    layers : sequence of str, optional
        Names of the submodules whose outputs are the stages. By default what a module
        returns; of torchvision models the first three grids.
    width : int
        Of the classifier, where there is no ``network``.

    Raises
    ------
    InputError
        Without a network and without labels of two classes; for a network that does not take
        these images, or whose output cannot be compared; for weights that do not fit.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        network: nn.Module | Callable[[Tensor], Any] | str | None = None,
        weights: str | os.PathLike[str] | None = None,
        layers: Sequence[str] = (),
        width: int = 32,
    ) -> None:
        super().__init__()
        check_number("width", width, low=1, integer=True)
        self.block, self.values = setting.class_block, setting.values
        self.classifier: Spectator | None = None
        if network is None:
            self.classifier = self._own(setting, width)
            return
        if isinstance(network, str):
            network, layers = _torchvision(network, weights, layers, setting.shape)
        elif weights is not None:
            raise InputError(
                "losses='perceptual': weights go with the name of a torchvision model; a network that you "
                "give needs to have them already."
            )
        self.judge = _Judge(network, layers, is_image=len(setting.shape) == 3)
        _probe(self.judge, setting.shape)

    def _own(self, setting: Setting, width: int) -> Spectator:
        classes = self.block[1] - self.block[0]
        if classes < 2:
            raise InputError(
                "losses='perceptual' compares features of a classifier, which needs labels of two classes or "
                "more; call fit(X, y) with class labels, or give a network of your own."
            )
        return Spectator(setting.shape, classes, width)

    def forward(self, passed: Pass) -> Tensor:
        """Return the distance of each reconstruction, shape ``(B,)``."""
        made, real = make_views(passed)
        stages = self.judge if self.classifier is None else self.classifier.features
        with torch.no_grad():
            wanted = stages(real)
        parts = [_relative(a, b) for a, b in zip(stages(made), wanted, strict=True)]
        return self.values * torch.stack(parts).sum(0)

    def critic_loss(self, passed: Pass) -> Tensor:
        """Return the classifier's cross-entropy on real rows, zero without a label, shape ``(B,)``."""
        if self.classifier is None:
            return passed.x.new_zeros(len(passed.x))
        wanted = passed.c[:, self.block[0] : self.block[1]]
        return -(wanted * torch.log_softmax(self.classifier(view_rows(passed)), 1)).sum(1)


def _relative(made: Tensor, real: Tensor) -> Tensor:
    """Return the squared distance of each row's features over the mean square of the real ones."""
    size = real.square().mean().clamp(min=1e-8)
    return (made - real).square().flatten(1).mean(1) / size


class _Judge(nn.Module):
    """A frozen network, and which of its outputs are compared.

    Parameters
    ----------
    network : Module or callable
    layers : sequence of str
    is_image : bool
        Views are then turned from [−1, 1] to [0, 1].
    """

    def __init__(
        self, network: nn.Module | Callable[[Tensor], Any], layers: Sequence[str], *, is_image: bool
    ) -> None:
        super().__init__()
        self.layers, self.is_image = tuple(layers), is_image
        if isinstance(network, nn.Module):
            network = copy.deepcopy(network).eval().requires_grad_(False)
            known = dict(network.named_modules())
            for name in self.layers:
                if name not in known:
                    some = ", ".join(repr(each) for each in list(known)[1:7])
                    raise InputError(
                        f"losses='perceptual': the network has no layer {name!r}; it has {some}, …."
                    )
        elif not callable(network) or self.layers:
            raise InputError(
                "losses='perceptual': network must be a torch module, the name of a torchvision model, or a "
                f"function (then without layers), got {network!r}."
            )
        self.network = network

    def train(self, mode: bool = True) -> _Judge:
        """Stay in evaluation mode: what is compared must not depend on the batch."""
        return super().train(False)

    def forward(self, view: Tensor) -> list[Tensor]:
        """Return the stages of views ``(B, ...)``."""
        x = 0.5 * (view + 1) if self.is_image else view
        if not self.layers:
            found = self.network(x)
            return list(found) if isinstance(found, list | tuple) else [found]
        kept: list[Tensor] = []
        hooks = [
            self.get_submodule(f"network.{name}".rstrip(".")).register_forward_hook(
                lambda module, given, made: kept.append(made)
            )
            for name in self.layers
        ]
        try:
            self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
        return kept


def _probe(judge: _Judge, shape: Sequence[int]) -> None:
    """Try a network on two rows; refuse it in one sentence if its output cannot be compared."""
    view = torch.zeros(_PROBED, *shape, requires_grad=True)
    told = f"{'images' if len(shape) == 3 else 'rows'} of shape {tuple(shape)}"
    try:
        with torch.enable_grad():
            stages = judge(view)
    except Exception as error:  # whatever somebody else's network raises
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"losses='perceptual': the network does not take {told} ({reason[0][:90]}); use one made for "
            "this size, or put a layer that resizes before it."
        ) from error
    fitting = [isinstance(part, Tensor) and part.shape[:1] == (_PROBED,) and part.numel() for part in stages]
    if not stages or not all(fitting):
        raise InputError(
            f"losses='perceptual': of {_PROBED} {told} the network must return a tensor of {_PROBED} "
            "rows, or a list of them; it needs features that can be compared row by row."
        )
    if not all(part.requires_grad for part in stages):
        raise InputError(
            "losses='perceptual': no gradient comes back through the network; use torch operations on the "
            "tensor it is given, without no_grad() or detach()."
        )


def _torchvision(
    name: str, weights: str | os.PathLike[str] | None, layers: Sequence[str], shape: Sequence[int]
) -> tuple[nn.Module, Sequence[str]]:
    """Return a torchvision classifier with the user's weights, and the layers to compare."""
    if len(shape) != 3:
        raise InputError(
            f"losses='perceptual': network={name!r} is a torchvision model, which needs images; leave it "
            "out for tables."
        )
    if weights is None:
        raise InputError(
            f"losses='perceptual': network={name!r} needs weights=<path of a file with its weights>; nothing "
            "is downloaded."
        )
    models = import_torchvision("models")
    try:
        model = models.get_model(name, weights=None)
    except ValueError as error:
        raise InputError(
            f"losses='perceptual': torchvision has no model {name!r}; use one that "
            "torchvision.models.list_models() names."
        ) from error
    state = _state(weights)
    try:
        model.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"losses='perceptual': the weights in {os.fspath(weights)} are not those of torchvision's "
            f"{name!r}; use a file of its state_dict()."
        ) from error
    model, wanted = (model, list(layers)) if layers else _first_stages(model)
    return nn.Sequential(_Coloured(shape[0]), model), [f"1.{each}" for each in wanted]


def _state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged, missing, or no state dict
        raise InputError(
            f"losses='perceptual': weights cannot be read from {os.fspath(path)}; it needs a state dict "
            "saved by torch.save."
        ) from error


def _first_stages(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """Return what must run, and the layers that end the first grids: before poolings, or residual stages."""
    features = getattr(model, "features", None)
    if isinstance(features, nn.Sequential):
        ends = [i - 1 for i, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d) and i]
        # Cut after the last one needed: deeper grids of small images would be empty.
        ends = ends[:_MOST_STAGES] or [len(features) - 1]
        return features[: ends[-1] + 1], [str(i) for i in ends]
    stages = [f"layer{i}" for i in range(1, _MOST_STAGES + 1)]
    return model, stages if all(hasattr(model, stage) for stage in stages) else [""]


class _Coloured(nn.Module):
    """Images in [0, 1] as torchvision's classifiers were shown them: three channels, standardised."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        for name, numbers in zip(("mean", "deviation"), _IMAGENET, strict=True):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if self.channels == 1 else x[:, :3]
        return (x - self.mean) / self.deviation
