"""What a column may hold, in all rows or where another one meets a condition: bounds and set values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vaeaug.data.relations.functions import Arithmetic, Function, function_from_state
from vaeaug.data.relations.rounding import FINE, SAME, is_same, round_to, snap_to
from vaeaug.data.tables.serialization import Arrays

__all__ = ["Fill", "Limit", "When", "write_number"]


@dataclass(frozen=True)
class When:
    """Rows in which a column meets a condition.

    Parameters
    ----------
    source : int
        The column.
    operator : str
        ``"=="``, ``"!="``, ``"<"``, ``"<="``, ``">"``, ``">="``, ``"in"`` or ``"is missing"``.
    operands : tuple of float
        What the column is compared with.
    also : When or None
        A further condition that rows must meet.
    """

    source: int
    operator: str
    operands: tuple[float, ...] = ()
    also: When | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """Columns that are read."""
        return (self.source, *(() if self.also is None else self.also.sources))

    def join(self, other: When | None) -> When:
        """Return the condition that rows meet which meet both."""
        if other is None or other in (self, self.also):
            return self
        return replace(self, also=other if self.also is None else self.also.join(other))

    def applies(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the rows that meet the condition, bool of shape (n,)."""
        meets = self._applies_alone(columns)
        return meets if self.also is None else meets & self.also.applies(columns)

    def _applies_alone(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        found = columns[self.source]
        if self.operator == "is missing":
            return np.isnan(found)
        if self.operator == "in":
            return np.isin(found, self.operands)
        with np.errstate(invalid="ignore"):
            meets = _COMPARE[self.operator](found, self.operands[0])
        return np.asarray(meets & ~np.isnan(found))

    def state(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict."""
        operands = [write_number(operand) for operand in self.operands]
        also = None if self.also is None else self.also.state()
        return {"source": self.source, "operator": self.operator, "operands": operands, "also": also}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any]) -> When:
        """Rebuild from :meth:`state`."""
        operands = tuple(float(operand) for operand in meta["operands"])
        also = None if meta.get("also") is None else cls.from_state(meta["also"])
        return cls(meta["source"], meta["operator"], operands, also)


_COMPARE: dict[str, Callable[..., np.ndarray]] = {
    **{"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal},
    **{">": np.greater, ">=": np.greater_equal},
}


@dataclass(frozen=True)
class Limit:
    """A bound that new values are moved to where they exceed it.

    Parameters
    ----------
    function : Function
    is_lower : bool
    margin : float
        Distance to keep from the bound.
    has_exceptions : bool
        Whether rows of training are beyond it.
    is_fine : bool
        Whether the sources come back within float tolerance only: a bound that is off by so much is none.
    when : When or None
        Rows that are bounded; None for all.
    """

    function: Function
    is_lower: bool
    margin: float = 0.0
    has_exceptions: bool = False
    is_fine: bool = False
    when: When | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """Columns that must be known before."""
        return (*(() if self.when is None else self.when.sources), *self.function.sources)

    def says_same(self, other: Limit) -> bool:
        """Whether two bounds are one."""
        mine, its = ((bound.function.state()[0], bound.is_lower, bound.when) for bound in (self, other))
        return isinstance(self.function, Arithmetic) and mine == its

    def apply(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the values within the bound, which is rounded inwards to their decimals."""
        bound = self._find(columns, decimals)
        if decimals is not None:
            inwards = np.ceil if self.is_lower else np.floor
            nearest, beyond = round_to(bound, decimals), inwards(bound * 10.0**decimals) / 10.0**decimals
            bound = np.where(bound == nearest, nearest, round_to(beyond, decimals))
        choose = np.fmax if self.is_lower else np.fmin
        is_bounded = ~np.isnan(values)
        if self.when is not None:
            is_bounded &= self.when.applies(columns)
        return np.where(is_bounded, choose(values, bound), values)

    def is_broken(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return which values exceed the bound, bool of shape (n,)."""
        bound = self._find(columns, decimals)
        broken = np.asarray(values < bound if self.is_lower else values > bound)
        return broken if self.when is None else broken & self.when.applies(columns)

    def _find(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        bound = self.function.evaluate(columns)
        bound = bound + self.margin if self.is_lower else bound - self.margin
        return snap_to(bound, decimals, FINE if self.is_fine else SAME)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        function, arrays = self.function.state()
        meta = {"function": function, "when": None if self.when is None else self.when.state()}
        rest = {"is_lower": self.is_lower, "margin": self.margin, "has_exceptions": self.has_exceptions}
        return {**meta, **rest, "is_fine": self.is_fine}, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Limit:
        """Rebuild from :meth:`state`."""
        when = meta.get("when")
        return cls(
            function_from_state(meta["function"], arrays),
            meta["is_lower"],
            meta["margin"],
            meta["has_exceptions"],
            meta.get("is_fine", False),
            None if when is None else When.from_state(when),
        )


@dataclass(frozen=True)
class Fill:
    """What a column is wherever another meets a condition.

    Parameters
    ----------
    when : When
    value : float
        What the column is then; NaN for missing.
    function : Function or None
        Gives what the column is then, in place of ``value``.
    stand_in : float
        What the model sees then: a common value of the other rows, so that it never draws ``value`` elsewhere
        if only these rows have it. Beside a function it sees the column itself.
    has_exceptions : bool
        Whether rows of training meet the condition and have another value.
    own : When or None
        What the column itself must be to be set: no row of training is so where ``when`` is met.
    """

    when: When
    value: float = np.nan
    function: Function | None = None
    stand_in: float = np.nan
    has_exceptions: bool = False
    own: When | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """Columns that must be known before."""
        return (*self.when.sources, *(() if self.function is None else self.function.sources))

    @property
    def sets_missing(self) -> bool:
        """Whether the column is missing where the condition is met."""
        return self.function is None and np.isnan(self.value)

    def sets_same(self, other: Fill) -> bool:
        """Whether two fills set the same value."""
        if self.function is not None and other.function is not None:
            return bool(self.function.state()[0] == other.function.state()[0])
        is_equal = self.value == other.value or (np.isnan(self.value) and np.isnan(other.value))
        return self.function is None and other.function is None and is_equal

    def find(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        """Return what the column is where the condition is met, float64 of shape (n,) or ()."""
        if self.function is None:
            return np.array(self.value)
        return round_to(self.function.evaluate(columns), decimals)

    def is_broken(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the rows that meet the condition and have another value, bool of shape (n,).

        Where a function gives the value, a row that lacks one of its cells breaks nothing.
        """
        broken = self.when.applies(columns) & ~is_same(values, self.find(columns, decimals), decimals)
        if self.function is None:
            return broken
        return broken & ~np.isnan(values) & self.function.knows_sources(columns)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        function, arrays = (None, {}) if self.function is None else self.function.state()
        meta = {**self.when.state(), "function": function, "has_exceptions": self.has_exceptions}
        meta["own"] = None if self.own is None else self.own.state()
        return {**meta, "value": write_number(self.value), "stand_in": write_number(self.stand_in)}, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Fill:
        """Rebuild from :meth:`state`."""
        function = meta.get("function")
        return cls(
            When.from_state(meta),
            float(meta["value"]),
            None if function is None else function_from_state(function, arrays),
            float(meta["stand_in"]),
            bool(meta["has_exceptions"]),
            None if meta.get("own") is None else When.from_state(meta["own"]),
        )


def write_number(value: float) -> str:
    """Return a number as text that JSON holds exactly, infinite and missing ones too."""
    return repr(float(value))
