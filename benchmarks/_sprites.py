"""Small pictures of one shape each, drawn from known factors: shape, size, angle, column and row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FACTORS", "SIDE", "Sprites", "draw_sprites"]

#: name -> number of values. A quarter turn of angles: a square looks the same after it.
FACTORS: dict[str, int] = {"shape": 3, "size": 4, "angle": 8, "column": 8, "row": 8}
SIDE = 32
#: Radius of the smallest and the largest sprite, and how far its centre moves, as shares of the side.
_RADII, _REACH = (0.13, 0.24), 0.19
#: Points a side that a pixel is the mean of.
_FINE = 6


@dataclass(frozen=True)
class Sprites:
    """Every combination of factors once: uint8 images, and which value of each factor, by their names."""

    images: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...]


def draw_sprites(side: int = SIDE, factors: dict[str, int] | None = None) -> Sprites:
    """Draw the whole grid of factors: squares, ellipses and hearts, white on black.

    ``factors`` are other numbers of values; the number of shapes stays at most 3.
    """
    counts = FACTORS if factors is None else factors
    grids = np.meshgrid(*(np.arange(count) for count in counts.values()), indexing="ij")
    values = np.stack([grid.ravel() for grid in grids], 1)
    shares = {name: values[:, k] / max(1, count - 1) for k, (name, count) in enumerate(counts.items())}
    radius = _RADII[0] + (_RADII[1] - _RADII[0]) * shares["size"]
    angle = 0.5 * np.pi * values[:, 2] / counts["angle"]
    centre = 0.5 + _REACH * (2 * np.stack([shares["column"], shares["row"]]) - 1)
    images = np.empty((len(values), side, side), np.uint8)
    for start in range(0, len(values), 256):
        part = slice(start, start + 256)
        images[part] = _draw_batch(side, values[part, 0], radius[part], angle[part], centre[:, part])
    return Sprites(images, values, tuple(counts))


def _draw_batch(
    side: int, shape: np.ndarray, radius: np.ndarray, angle: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Draw a batch: which of its points each pixel's shape covers."""
    line = ((np.arange(side * _FINE) + 0.5) / (side * _FINE)).astype(np.float32)
    x = (line[None, None, :] - centre[0][:, None, None]) / radius[:, None, None]
    y = (line[None, :, None] - centre[1][:, None, None]) / radius[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u, v = (cos * x + sin * y).astype(np.float32), (cos * y - sin * x).astype(np.float32)
    inside = np.empty(u.shape, bool)
    for number, covers in enumerate((_cover_square, _cover_ellipse, _cover_heart)):
        chosen = shape == number
        inside[chosen] = covers(u[chosen], v[chosen])
    cells = inside.reshape(len(shape), side, _FINE, side, _FINE).mean(axis=(2, 4))
    return np.rint(255 * cells).astype(np.uint8)


def _cover_square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) <= 0.8


def _cover_ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.square(u / 1.2) + np.square(v / 0.6) <= 1


def _cover_heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # The curve (u² + v² − 1)³ = u² v³, whose tip points along v.
    u, v = 1.15 * u, 0.1 - 1.15 * v
    return (u * u + v * v - 1) ** 3 <= u * u * v**3
