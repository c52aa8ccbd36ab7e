"""A small blueprint of everything a model needs."""

from vaeaug.layout import Layout, Span
from vaeaug.model.builder import Blueprint
from vaeaug.recipe import Recipe

__all__ = ["LAYOUT", "blueprint"]

LAYOUT = Layout.row([Span("categorical", 3), Span("position", 1), Span("hint", 1), Span("categorical", 2)])


def blueprint(**changes):
    values = {
        "layout": LAYOUT,
        "context_width": 4,
        "blocks": ((0, 2), (2, 4)),
        "class_block": (0, 2),
        "latent_dim": 3,
        "network": Recipe("residual", width=8, depth=1),
        "prior": Recipe("mixture"),
        "posterior": Recipe("gaussian"),
        "latent": Recipe("flat"),
        "losses": {"reconstruction": 1.0, "kl": 0.5},
    }
    return Blueprint(**{**values, **changes})
