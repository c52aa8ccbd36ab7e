"""The only builder: from settings and a layout to the objective that training minimises."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from torch import nn

from vaeaug.errors import InputError
from vaeaug.layout import Layout
from vaeaug.losses.critic_views import count_values, view_shape
from vaeaug.losses.objective import Objective
from vaeaug.losses.term import Adversary
from vaeaug.losses.terms import SCHEDULES, TERMS, Setting, Term
from vaeaug.nn.convolutions import ImageDecoder, ImageEncoder
from vaeaug.nn.latents.registry import LATENTS
from vaeaug.nn.likelihoods.pixels import PIXELS
from vaeaug.nn.likelihoods.rows import RowLikelihood
from vaeaug.nn.networks import CodeDecoder, RowEncoder
from vaeaug.nn.posteriors.registry import POSTERIORS
from vaeaug.nn.priors.base import Sizes
from vaeaug.nn.priors.registry import PRIORS
from vaeaug.nn.vae import VAE
from vaeaug.recipe import Recipe, parameter_from_json, parameter_to_json
from vaeaug.utils.validation import check_number, check_option

__all__ = [
    "NETWORKS",
    "Blueprint",
    "build",
    "choose_recipe",
    "complete_recipe",
    "weigh_losses",
    "drop_critics",
]


@dataclass(frozen=True)
class Blueprint:
    """Everything that decides the shape of a model, as plain values that fit in a file.

    Parameters
    ----------
    layout : Layout
        Of an encoded row.
    context_width : int
        K.
    blocks : tuple of (int, int)
        Where each control variable lies in the context.
    class_block : (int, int)
        Context columns of the one-hot class label; equal if there is none.
    latent_dim : int
        D.
    network, prior, posterior, latent : Recipe
        Which parts, with their options.
    losses : dict of str to float or Recipe
        Weight of each term, or its recipe with a weight among the options.
    warmup : float
        Share of training over which the weight of the KL rises.
    label_dropout : float
        Share of rows whose labels are hidden in training.
    backoff : tuple of float
        For each class, how often a column of a new row is drawn as if the class were unknown; none if
        empty.
    """

    layout: Layout
    context_width: int
    blocks: tuple[tuple[int, int], ...]
    class_block: tuple[int, int]
    latent_dim: int
    network: Recipe
    prior: Recipe
    posterior: Recipe
    latent: Recipe
    losses: dict[str, float | Recipe] = field(default_factory=dict)
    warmup: float = 0.2
    label_dropout: float = 0.1
    backoff: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        data = asdict(self)
        data["layout"] = self.layout.to_json()
        for name in ("network", "prior", "posterior", "latent"):
            data[name] = getattr(self, name).to_json()
        data["losses"] = parameter_to_json(self.losses)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Blueprint:
        """Rebuild a blueprint from :meth:`to_json`."""
        # A file of an earlier version lacks the fields that came later, which have defaults.
        values = {name.name: data[name.name] for name in fields(cls) if name.name in data}
        values["backoff"] = tuple(data.get("backoff", ()))
        values["layout"] = Layout.from_json(data["layout"])
        values["class_block"] = tuple(data["class_block"])
        values["blocks"] = tuple((int(a), int(b)) for a, b in data["blocks"])
        for name in ("network", "prior", "posterior", "latent"):
            values[name] = Recipe.from_json(data[name])
        values["network"] = _fill_options(values["network"])
        values["losses"] = {name: parameter_from_json(value) for name, value in data["losses"].items()}
        return cls(**values)


def _residual(
    blueprint: Blueprint,
    *,
    width: int = 128,
    depth: int = 2,
    dependence: int | str = "auto",
    own: int = 0,
    peaks: int = 0,
) -> tuple[nn.Module, nn.Module, nn.Module, int]:
    """Residual perceptrons for table rows; ``dependence`` is the width of the autoregressive part.

    ``own`` units of each column come on top, and ``peaks`` of each ordered column.
    """
    check_number("width", width, low=1, integer=True)
    check_number("depth", depth, low=0, integer=True)
    check_number("dependence", dependence, low=0, integer=True, also=["auto"])
    check_number("own", own, low=0, integer=True)
    check_number("peaks", peaks, low=0, integer=True)
    layout, context = blueprint.layout, blueprint.context_width
    # Without dependence the units still lie between decoder and tokens, but read no column.
    hidden = "auto" if dependence == 0 else dependence
    likelihood = RowLikelihood(layout, hidden, autoregressive=dependence != 0, own=own, peaks=peaks)
    encoder = RowEncoder(layout, context, width, depth)
    decoder = CodeDecoder(blueprint.latent_dim, context, likelihood.parameters_width, width, depth)
    return encoder, decoder, likelihood, width


def _convolutional(
    blueprint: Blueprint, *, width: int = 32, depth: int = 1, features: int = 256, likelihood: str = "auto"
) -> tuple[nn.Module, nn.Module, nn.Module, int]:
    """Residual convolutions for images; ``likelihood`` names that of the pixels, "auto" is "gaussian"."""
    check_number("width", width, low=1, integer=True)
    check_number("depth", depth, low=0, integer=True)
    check_number("features", features, low=1, integer=True)
    check_option("likelihood", likelihood, ["auto", *PIXELS])
    layout, context = blueprint.layout, blueprint.context_width
    pixels = PIXELS[_USUAL_PIXELS if likelihood == "auto" else likelihood](layout)
    encoder = ImageEncoder(layout, context, width, depth, features)
    wanted = int(pixels.parameters_per_pixel)  # type: ignore[arg-type]
    decoder = ImageDecoder(blueprint.latent_dim, context, layout, wanted, width, depth)
    return encoder, decoder, pixels, features


#: What "auto" means for the pixels of a new model.
_USUAL_PIXELS = "gaussian"
#: What it meant, and the options that a network had, when files did not say so yet.
_UNWRITTEN = {
    "residual": {"width": 128, "depth": 2, "dependence": "auto", "own": 0, "peaks": 0},
    "convolutional": {"width": 32, "depth": 1, "features": 256, "likelihood": "gaussian"},
}

#: name -> function of (blueprint, **options) that returns encoder, decoder, likelihood and
#: the width of the encoder's output.
NETWORKS = {"residual": _residual, "convolutional": _convolutional}
#: Which of them are for images; the others are for rows of tables.
_FOR_IMAGES = ("convolutional",)


#: Terms that tie codes to rows; one of them must be weighed.
_FITTING = ("reconstruction", "iwae")


def choose_recipe(value: str | Recipe, registry: Mapping[str, Any], parameter: str) -> Recipe:
    """Return the recipe of a registered part.

    Raises
    ------
    InputError
        If no part of that name is registered.
    """
    if not isinstance(value, (str, Recipe)):
        raise InputError(f"{parameter} must be a name or a Recipe, got {value!r}.")
    recipe = Recipe.of(value)
    if recipe.name not in registry:
        allowed = ", ".join(repr(name) for name in registry)
        raise InputError(
            f"{parameter} must be one of {allowed} or a Recipe of one of them, got {recipe.name!r}."
        )
    return recipe


def complete_recipe(network: Recipe) -> Recipe:
    """Return the recipe of a network with all its options, so that it means the same under other defaults."""
    network_type: Any = NETWORKS[network.name]
    taken = inspect.signature(network_type).parameters.values()
    options = {option.name: option.default for option in taken if option.kind is option.KEYWORD_ONLY}
    options |= network.options
    if options.get("likelihood") == "auto":
        options["likelihood"] = _USUAL_PIXELS
    return Recipe(network.name, **options)


def _fill_options(network: Recipe) -> Recipe:
    """Return the recipe in a file with what it meant when files did not hold all options."""
    told = {name: value for name, value in network.options.items() if (name, value) != ("likelihood", "auto")}
    return Recipe(network.name, **(_UNWRITTEN.get(network.name, {}) | told))


def build(blueprint: Blueprint) -> Objective:
    """Build the objective and the VAE in it.

    Initial weights come from torch's global stream, so call it inside
    :func:`isolate_torch`.

    Raises
    ------
    InputError
        If a part refuses its options.
    """
    network = choose_recipe(blueprint.network, NETWORKS, "network")
    if (network.name in _FOR_IMAGES) != blueprint.layout.is_image:
        data = "images" if blueprint.layout.is_image else "tables"
        fitting = [name for name in NETWORKS if (name in _FOR_IMAGES) == blueprint.layout.is_image]
        raise InputError(
            f'network={network!r} does not take {data}; use {", ".join(map(repr, fitting))} or "auto".'
        )
    encoder, decoder, likelihood, features = _make_part("network", network, NETWORKS[network.name], blueprint)
    posterior = choose_recipe(blueprint.posterior, POSTERIORS, "posterior")
    prior = choose_recipe(blueprint.prior, PRIORS, "prior")
    latent = choose_recipe(blueprint.latent, LATENTS, "latent")
    sizes = Sizes(blueprint.latent_dim, blueprint.context_width, blueprint.class_block)
    vae = VAE(
        encoder,
        _make_part(
            "latent",
            latent,
            LATENTS[latent.name],
            _make_part("posterior", posterior, POSTERIORS[posterior.name], features, blueprint.latent_dim),
            _make_part("prior", prior, PRIORS[prior.name], sizes),
            blueprint.latent_dim,
        ),
        decoder,
        likelihood,
    )
    layout = blueprint.layout
    shown = (view_shape(layout), count_values(layout))
    setting = Setting(vae, blueprint.latent_dim, blueprint.class_block, *shown)
    terms = {
        name: _make_term(name, value, setting, blueprint.warmup) for name, value in blueprint.losses.items()
    }
    return Objective(vae, terms, blocks=blueprint.blocks, label_dropout=blueprint.label_dropout)


def weigh_losses(
    losses: Mapping[str, float | Recipe] | None, beta: float, posterior: Recipe
) -> dict[str, float | Recipe]:
    """Return the loss terms of a model: those asked for, or else the evidence lower bound with its beta.

    Parameters
    ----------
    losses : mapping of str to float or Recipe, or None
        A number is the weight of the term of that name. A recipe of a term may also hold
        ``weight`` and ``schedule``; a KL without a weight takes ``beta``.
    beta : float
    posterior : Recipe
        A posterior without a distribution has no KL.

    Raises
    ------
    InputError
        For an unknown term, or a weight that is none.
    """
    if losses is None:
        if POSTERIORS[posterior.name].deterministic:
            return {"reconstruction": 1.0}
        return {"reconstruction": 1.0, "kl": beta}
    found: dict[str, float | Recipe] = {}
    for name, value in losses.items():
        recipe = choose_recipe(value if isinstance(value, Recipe) else name, TERMS, f"losses[{name!r}]")
        weight = value if not isinstance(value, Recipe) else recipe.options.get("weight")
        if weight is None:
            weight = beta if recipe.name == "kl" else 1.0
        weight = float(check_number(f"losses[{name!r}]", weight, low=0))
        found[str(name)] = recipe.replace(weight=weight) if isinstance(value, Recipe) else weight
    names = {value.name if isinstance(value, Recipe) else name for name, value in found.items()}
    if not names & set(_FITTING):
        raise InputError(
            f"losses must weigh {' or '.join(map(repr, _FITTING))}, or nothing ties codes to rows; "
            f"got {losses!r}."
        )
    return found


def drop_critics(blueprint: Blueprint) -> Blueprint:
    """Return what a trained model is rebuilt from: critics, and networks that a user gave, are not saved."""
    kept = {
        name: value
        for name, value in blueprint.losses.items()
        if not _is_adversary(value.name if isinstance(value, Recipe) else name)
    }
    return replace(blueprint, losses=kept)


def _is_adversary(name: str) -> bool:
    term = TERMS[name]
    return isinstance(term, type) and issubclass(term, Adversary)


def _make_term(name: str, value: float | Recipe, setting: Setting, warmup: float) -> tuple[Any, Term]:
    """Return the schedule of a term's weight, and the term."""
    recipe = value if isinstance(value, Recipe) else Recipe(name, weight=value)
    options = recipe.options
    weight = float(options.pop("weight", 1.0))
    rises = Recipe("linear", warmup=warmup) if recipe.name == "kl" else "constant"
    parameter = f"losses[{name!r}]"
    schedule = choose_recipe(options.pop("schedule", rises), SCHEDULES, f"schedule of {parameter}")
    if schedule == Recipe("linear"):
        schedule = schedule.replace(warmup=warmup)
    schedules = {key: item for key, item in schedule.options.items() if key != "value"}
    try:
        ramp = SCHEDULES[schedule.name](weight, **schedules)
    except (InputError, TypeError) as error:
        raise InputError(f"schedule of {parameter}, {schedule!r}: {error}") from error
    return ramp, _make_part(parameter, Recipe(recipe.name, **options), TERMS[recipe.name], setting)


def _make_part(parameter: str, recipe: Recipe, part: Any, *sizes: Any) -> Any:
    taken = inspect.signature(part).parameters.values()
    allowed = [option.name for option in taken if option.kind is option.KEYWORD_ONLY]
    unknown = [name for name in recipe.options if name not in allowed]
    if unknown:
        known = f"allowed are {', '.join(map(repr, allowed))}" if allowed else "it takes none"
        raise InputError(f"{parameter}={recipe!r}: {recipe.name!r} has no option {unknown[0]!r}; {known}.")
    try:
        return part(*sizes, **recipe.options)
    except InputError as error:
        raise InputError(f"{parameter}={recipe!r}: {error}") from error
