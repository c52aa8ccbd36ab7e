"""How the relations of one column are kept: what the model sees in its place, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from vaeaug.data.relations.functions import Function, function_from_state
from vaeaug.data.tables.serialization import add_prefix, take_prefix

if TYPE_CHECKING:
    from vaeaug.data.tables.serialization import Arrays

__all__ = ["Fill", "Keep", "Limit", "Plan", "Step", "is_same", "round_to", "snap_to"]

_SAME = 1e-9  # relative difference up to which numbers without shared decimals are the same
_FINE = 1e-6  # relative difference by which numbers without shared decimals may come back


class Keep(StrEnum):
    """What the model sees in the place of a column that follows from others."""

    COMPUTED = "computed"  # nothing
    MARKED = "marked"  # a mark where the function holds, the value elsewhere
    DIFFERENCE = "difference"  # value minus function
    RATIO = "ratio"  # logarithm of value over function


@dataclass(frozen=True)
class Step:
    """A function, and how what it leaves open is kept.

    Parameters
    ----------
    function : Function
    keep : Keep
    sign : float
        −1 for a difference that is counted downwards from the function.
    default : float
        Stands for the function where it has no value.
    mark : float
        Number that says "as the function has it".
    low, high : float
        Range of the column in training.
    unmarked : float
        Value whose rows are never marked (NaN for none).
    is_fine : bool
        Whether the sources come back within float tolerance only: then the function is not rounded before a
        difference is taken, for it may lie between two roundings.
    """

    function: Function
    keep: Keep
    sign: float = 1.0
    default: float = 0.0
    mark: float = np.nan
    low: float = -np.inf
    high: float = np.inf
    unmarked: float = np.nan
    is_fine: bool = False

    def forward(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return what the model sees, float64 of shape (n,); of a computed column, nothing but NaN."""
        found = self.function.evaluate(columns)
        if self.keep == Keep.COMPUTED:
            return np.full(values.shape, np.nan)
        if self.keep == Keep.MARKED:
            holds = is_same(values, round_to(found, decimals), decimals) & ~(values == self.unmarked)
            return np.where(holds, self.mark, values)
        found = np.where(np.isnan(found), self.default, found)
        if self.keep == Keep.RATIO:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.log(values / np.where(found > 0, found, self.default))
            return np.where(np.isfinite(ratio), ratio, np.nan)
        if self.is_fine:
            return self.sign * (values - found)
        return self.sign * round_to(values - round_to(found, decimals), decimals)

    def backward(
        self, seen: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return values from what the model drew, float64 of shape (n,)."""
        found = self.function.evaluate(columns)
        if self.keep == Keep.COMPUTED:
            return round_to(found, decimals)
        if self.keep == Keep.MARKED:
            return np.where(seen == self.mark, round_to(found, decimals), seen)
        found = np.where(np.isnan(found), self.default, found)
        if self.keep == Keep.RATIO:
            made = np.exp(seen) * np.where(found > 0, found, self.default)
        else:
            made = self.sign * seen + (found if self.is_fine else round_to(found, decimals))
        return round_to(np.clip(made, self.low, self.high), decimals)


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
    """

    function: Function
    is_lower: bool
    margin: float = 0.0
    has_exceptions: bool = False
    is_fine: bool = False

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
        return np.where(np.isnan(values), np.nan, choose(values, bound))

    def is_broken(
        self, values: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return which values exceed the bound, bool of shape (n,)."""
        bound = self._find(columns, decimals)
        return np.asarray(values < bound if self.is_lower else values > bound)

    def _find(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        bound = self.function.evaluate(columns)
        bound = bound + self.margin if self.is_lower else bound - self.margin
        return snap_to(bound, decimals, _FINE if self.is_fine else _SAME)


@dataclass(frozen=True)
class Fill:
    """What a column is wherever another meets a condition.

    Parameters
    ----------
    source : int
        The other column.
    operator : str
        ``"=="``, ``"!="``, ``"<"``, ``"<="``, ``">"``, ``">="``, ``"in"`` or ``"is missing"``.
    operands : tuple of float
        What the other column is compared with.
    value : float
        What the column is then; NaN for missing.
    stand_in : float
        What the model sees then: a common value of the other rows, so that it never draws ``value`` elsewhere
        if only these rows have it.
    has_exceptions : bool
        Whether rows of training meet the condition and have another value.
    """

    source: int
    operator: str
    operands: tuple[float, ...]
    value: float
    stand_in: float = np.nan
    has_exceptions: bool = False

    def applies(self, columns: Mapping[int, np.ndarray]) -> np.ndarray:
        """Return the rows in which the other column meets the condition, bool of shape (n,)."""
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
        rest = _numbers({"value": self.value, "stand_in": self.stand_in})
        operands = [repr(float(operand)) for operand in self.operands]
        rest |= {"source": self.source, "operator": self.operator, "operands": operands}
        return {**rest, "has_exceptions": self.has_exceptions}

    @classmethod
    def from_state(cls, meta: Mapping[str, Any]) -> Fill:
        """Rebuild from :meth:`state`."""
        operands = tuple(float(operand) for operand in meta["operands"])
        numbers = float(meta["value"]), float(meta["stand_in"])
        return cls(meta["source"], meta["operator"], operands, *numbers, bool(meta["has_exceptions"]))


_COMPARE: dict[str, Callable[..., np.ndarray]] = {
    **{"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal},
    **{">": np.greater, ">=": np.greater_equal},
}


@dataclass(frozen=True)
class Plan:
    """All that is kept about one column.

    Parameters
    ----------
    target : int
    step : Step or None
    limits : tuple of Limit
    fills : tuple of Fill
    shift : float
        Rows that break a limit or a fill are shown this much lower, below all others; 0 where there are none.
    floor : float
        What the model draws below this is such a row.
    """

    target: int
    step: Step | None = None
    limits: tuple[Limit, ...] = ()
    fills: tuple[Fill, ...] = ()
    shift: float = 0.0
    floor: float = -np.inf

    @property
    def sources(self) -> set[int]:
        """Columns that must be known before this one."""
        functions = [limit.function for limit in self.limits] + ([self.step.function] if self.step else [])
        return {j for function in functions for j in function.sources} | {fill.source for fill in self.fills}

    @property
    def is_computed(self) -> bool:
        """Whether the model does not see the column."""
        return self.step is not None and self.step.keep == Keep.COMPUTED

    @property
    def is_changed(self) -> bool:
        """Whether the model sees something else than the column."""
        return self.step is not None or bool(self.fills) or self.shift > 0

    @property
    def is_whole(self) -> bool:
        """Whether the model sees whole numbers where the column holds such."""
        return self.step is None or not (self.step.is_fine or self.step.keep == Keep.RATIO)

    def forward(self, columns: Mapping[int, np.ndarray], decimals: int | None) -> np.ndarray:
        """Return what the model sees in the place of the column, float64 of shape (n,)."""
        values = columns[self.target]
        own = values if self.step is None else self.step.forward(values, columns, decimals)
        seen = own
        for limit in self.limits:
            if limit.has_exceptions:
                seen = np.where(limit.is_broken(values, columns, decimals), own - self.shift, seen)
        for fill in self.fills:
            applies = fill.applies(columns)
            shown = (
                np.where(_is(values, fill.value), fill.stand_in, own - self.shift)
                if fill.has_exceptions
                else fill.stand_in
            )
            seen = np.where(applies, shown, seen)
        return seen

    def backward(
        self, seen: np.ndarray, columns: Mapping[int, np.ndarray], decimals: int | None
    ) -> np.ndarray:
        """Return the column from what the model drew, and from the columns that come before it."""
        is_exception = np.zeros(seen.shape, dtype=bool)
        if self.shift:
            is_low = seen < self.floor
            is_exception = is_low | np.isnan(seen)
            seen = np.where(is_low, seen + self.shift, seen)
        values = seen if self.step is None else self.step.backward(seen, columns, decimals)
        for limit in self.limits:
            is_spared = is_exception & limit.has_exceptions
            values = np.where(is_spared, values, limit.apply(values, columns, decimals))
        for fill in self.fills:
            is_spared = is_exception & fill.has_exceptions
            values = np.where(fill.applies(columns) & ~is_spared, fill.value, values)
        return values

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return everything as a JSON-able dict and plain arrays."""
        meta: dict[str, Any] = {"target": self.target, "fills": [fill.state() for fill in self.fills]}
        meta |= _numbers({"shift": self.shift, "floor": self.floor})
        arrays: Arrays = {}
        if self.step is not None:
            function, own = self.step.function.state()
            rest = {name: value for name, value in vars(self.step).items() if name != "function"}
            meta["step"] = {"function": function, **_numbers(rest)}
            arrays |= add_prefix("step", own)
        meta["limits"] = []
        for i, limit in enumerate(self.limits):
            function, own = limit.function.state()
            rest = {name: value for name, value in vars(limit).items() if name != "function"}
            meta["limits"].append({"function": function, **rest})
            arrays |= add_prefix(f"limit{i}", own)
        return meta, arrays

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Plan:
        """Rebuild from :meth:`state`."""
        step = None
        if "step" in meta:
            rest = dict(meta["step"])
            function = function_from_state(rest.pop("function"), take_prefix("step", arrays))
            keep, is_fine = Keep(rest.pop("keep")), bool(float(rest.pop("is_fine", 0)))
            step = Step(function, keep, is_fine=is_fine, **{name: float(v) for name, v in rest.items()})
        limits = [
            Limit(
                function_from_state(limit["function"], take_prefix(f"limit{i}", arrays)),
                limit["is_lower"],
                limit["margin"],
                limit["has_exceptions"],
                limit.get("is_fine", False),
            )
            for i, limit in enumerate(meta["limits"])
        ]
        fills = [Fill.from_state(fill) for fill in meta["fills"]]
        return cls(
            meta["target"], step, tuple(limits), tuple(fills), float(meta["shift"]), float(meta["floor"])
        )


def _is(values: np.ndarray, value: float) -> np.ndarray:
    """Return where a column has a value; NaN stands for missing."""
    return np.isnan(values) if np.isnan(value) else values == value


def is_same(values: np.ndarray, others: np.ndarray, decimals: int | None) -> np.ndarray:
    """Return where two columns are equal, or both missing, bool of shape (n,)."""
    if decimals is None:
        with np.errstate(invalid="ignore"):
            close = np.abs(values - others) <= _SAME * np.maximum(np.abs(values), np.abs(others))
    else:
        close = values == others
    return close | (np.isnan(values) & np.isnan(others))


def round_to(values: np.ndarray, decimals: int | None) -> np.ndarray:
    """Return numbers with so many decimals; as they are for None."""
    return values if decimals is None else np.round(values, decimals) + 0.0


def snap_to(values: np.ndarray, decimals: int | None, tolerance: float = _SAME) -> np.ndarray:
    """Return numbers without the noise of arithmetic: those near one with so many decimals become it."""
    if decimals is None:
        return values
    nearest = round_to(values, decimals)
    slack = tolerance * np.maximum(np.abs(values), 10.0**-decimals)
    return np.where(np.abs(values - nearest) <= slack, nearest, values)


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as text that JSON holds exactly, infinite and missing ones too."""
    return {name: value if isinstance(value, str) else repr(float(value)) for name, value in values.items()}
