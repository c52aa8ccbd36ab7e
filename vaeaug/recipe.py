"""A part with its options, sizes still unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Recipe", "parameter_from_json", "parameter_to_json"]


class Recipe:
    """Name a registered part and the options it should be built with.

    Sizes (widths, latent dimension, context width) are unknown until ``fit``; a recipe
    remembers everything else, so that a part can be an estimator parameter: cloned,
    printed, compared, pickled and written as JSON.

    Parameters
    ----------
    name : str
        Registered name of the part, for example ``"flow"`` for a prior.
    **options
        Keyword options of that part.

    Examples
    --------
    >>> from vaeaug import Recipe
    >>> recipe = Recipe("mixture", components=32)
    >>> recipe
    Recipe('mixture', components=32)
    >>> recipe.replace(components=8)
    Recipe('mixture', components=8)
    """

    __slots__ = ("_name", "_options")

    def __init__(self, name: str, **options: Any) -> None:
        self._name = name
        self._options = dict(options)

    @property
    def name(self) -> str:
        """Registered name of the part."""
        return self._name

    @property
    def options(self) -> dict[str, Any]:
        """A copy of the options."""
        return dict(self._options)

    def replace(self, **options: Any) -> Recipe:
        """Return a copy with some options replaced."""
        return Recipe(self._name, **{**self._options, **options})

    @classmethod
    def of(cls, value: str | Recipe) -> Recipe:
        """Return ``value`` as a recipe; a plain name has no options."""
        return value if isinstance(value, Recipe) else cls(value)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"recipe": self._name, "options": parameter_to_json(self._options)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from :meth:`to_json`."""
        return cls(data["recipe"], **{k: parameter_from_json(v) for k, v in data["options"].items()})

    def __repr__(self) -> str:
        inside = "".join(f", {key}={value!r}" for key, value in self._options.items())
        return f"Recipe({self._name!r}{inside})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recipe):
            return NotImplemented
        return (self.name, self.options) == (other.name, other.options)

    def __hash__(self) -> int:
        return hash((self._name, repr(sorted(self._options.items()))))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._name, self._options)


def _rebuild(name: str, options: dict[str, Any]) -> Recipe:
    return Recipe(name, **options)


def parameter_to_json(value: Any) -> Any:
    """Return an estimator parameter as JSON can hold it; random streams and unknown objects become None."""
    if isinstance(value, Recipe):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(name): parameter_to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [parameter_to_json(item) for item in value]
    if hasattr(value, "tolist"):
        return parameter_to_json(value.tolist())
    return value if value is None or isinstance(value, (bool, int, float, str)) else None


def parameter_from_json(value: Any) -> Any:
    """Rebuild a parameter from :func:`parameter_to_json`."""
    if isinstance(value, Mapping) and set(value) == {"recipe", "options"}:
        return Recipe.from_json(value)
    if isinstance(value, Mapping):
        return {name: parameter_from_json(item) for name, item in value.items()}
    return value
