"""Directions in the space of codes along which one attribute changes and the others stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.errors import InputError, VaeaugWarning
from vaeaug.latent.arithmetic import average_nearby, pull_towards, regress
from vaeaug.utils.notes import warn_caller
from vaeaug.utils.validation import check_number

__all__ = ["Attribute", "Directions", "KnownCodes", "Probes"]

#: Of the ridge regression, relative to the variance of the codes.
_RIDGE = 1e-3
_MOST_LEVELS = 256
#: Codes that decide on a class, and codes that tell how much of an attribute a row has.
_VOTERS, _TELLERS = 8, 16
#: Codes that an edit is drawn to: the mean of two is blurred already, and blurred strokes are thicker.
_NEAR = 1


@dataclass(frozen=True)
class Attribute:
    """One attribute, as the columns that a linear probe reads from a code.

    Parameters
    ----------
    name : hashable
    levels : tuple or None
        Of a class, one column each; None for a number or a flag, which have one column.
    centre, scale : float
        A number is read as ``(value − centre) / scale``.
    start, stop : int
        First and one past the last column.
    """

    name: Any
    levels: tuple[Any, ...] | None
    centre: float
    scale: float
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.start, self.stop)

    def encode(self, values: pd.Series) -> np.ndarray:
        """Return values as columns, float64 (n, columns).

        Raises
        ------
        InputError
            For a level that is not known, and what is no number.
        """
        if self.levels is None:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
            if not np.isfinite(numbers).all():
                first = values[~np.isfinite(numbers)].iloc[0]
                raise InputError(
                    f"The attribute {self.name!r} is a number, and must be finite; got {first!r}."
                )
            return ((numbers - self.centre) / self.scale)[:, None]
        unknown = [value for value in values.unique() if value not in self.levels]
        if unknown:
            shown = ", ".join(map(repr, self.levels[:10]))
            raise InputError(
                f"The attribute {self.name!r} has no level {unknown[0]!r}; it has {shown}"
                f"{', ...' if len(self.levels) > 10 else ''}."
            )
        return np.stack([(values == level).to_numpy(dtype=np.float64) for level in self.levels], axis=1)


@dataclass(frozen=True)
class Probes:
    """Linear probes of attributes, and the moves that change one of them only.

    Parameters
    ----------
    weights : ndarray of shape (D, m)
        W.
    intercept : ndarray of shape (m,)
        b.
    moves : ndarray of shape (D, m)
        M.
    """

    weights: np.ndarray
    intercept: np.ndarray
    moves: np.ndarray


@dataclass(frozen=True)
class KnownCodes:
    """The rows that probes were learned from.

    Parameters
    ----------
    codes : ndarray of shape (n, D)
    targets : ndarray of shape (n, m)
        Their attributes, as columns.
    groups : ndarray of int, shape (n,)
        Their class numbers.
    """

    codes: np.ndarray
    targets: np.ndarray
    groups: np.ndarray


class Directions:
    """Linear probes that read attributes from codes, and the moves that change one attribute only.

    The probes are ridge regressions ``a ≈ z W + b``. The moves are ``M = Σ W (Wᵀ Σ W)⁺``, with Σ the
    covariance of the codes: of all moves that change one probe by one unit and no other (``Wᵀ M = I``), those
    that are most likely among the codes. The plain direction of a probe, or the difference of two means,
    would take along every attribute that goes with it (Shen et al. 2020, *Interpreting the Latent Space of
    GANs for Semantic Face Editing*, section 3.2, project one direction out of another; here all at once).
    A straight move ends where codes are rare, so it is then drawn towards codes of the rows
    it was learned from which have the attribute as wanted and the others as they were.

    Parameters
    ----------
    attributes : tuple of Attribute
    probes : Probes
    known : KnownCodes
    explained : Series
        For each attribute the share of its variance within a class that its probe explains (R²) on these
        rows. Below about 0.5 an edit does little of what its name says.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from vaeaug.latent.directions import Directions
    >>> codes = np.random.default_rng(0).normal(size=(200, 3))
    >>> attributes = pd.DataFrame({"size": codes[:, 0], "is_red": codes[:, 0] + codes[:, 1] > 0})
    >>> directions = Directions.learn(codes, attributes)
    >>> redder = directions.move(codes, "is_red", amount=1.0, pull=0)
    >>> bool(np.allclose(directions.read(redder)["size"], directions.read(codes)["size"], atol=1e-6))
    True
    """

    def __init__(
        self,
        attributes: tuple[Attribute, ...],
        probes: Probes,
        known: KnownCodes,
        explained: pd.Series,
    ) -> None:
        self.attributes = attributes
        self.weights, self.intercept, self.moves = probes.weights, probes.intercept, probes.moves
        self.codes, self.targets, self.groups = known.codes, known.targets, known.groups
        self.explained = explained

    @property
    def names(self) -> list[Any]:
        """Names of the attributes."""
        return [attribute.name for attribute in self.attributes]

    @classmethod
    def learn(
        cls, codes: np.ndarray, attributes: pd.DataFrame, groups: np.ndarray | None = None
    ) -> Directions:
        """Learn probes and moves from codes and the attributes of the same rows.

        Parameters
        ----------
        codes : ndarray of shape (n, D)
        attributes : DataFrame of n rows
            A column per attribute: numbers, flags (booleans) or classes. Rows that miss one are left out.
            Give everything that is to stay the same as well.
        groups : ndarray of int, shape (n,), optional
            Class numbers: what goes with the class is no direction.

        Raises
        ------
        InputError
            For other numbers of rows, no complete rows, or an attribute that is the same everywhere.
        """
        if len(attributes) != len(codes) or not attributes.shape[1] or not attributes.columns.is_unique:
            raise InputError(
                f"attributes must be a frame of {len(codes)} rows, one per row of X, with a column per "
                f"attribute, each named once; got shape {attributes.shape}."
            )
        complete = attributes.notna().all(axis=1).to_numpy()
        if complete.sum() < 2:
            raise InputError("attributes must be known for at least 2 rows; they have no 2 complete rows.")
        groups = np.zeros(len(codes), dtype=np.int64) if groups is None else groups
        codes, attributes, groups = codes[complete], attributes[complete], groups[complete]
        described = _describe(attributes)
        targets = np.concatenate([each.encode(attributes[each.name]) for each in described], axis=1)
        centred, wanted = _centre(codes, groups), _centre(targets, groups)
        covariance = centred.T @ centred / len(codes)
        ridge = _RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12) * np.eye(len(covariance))
        weights = np.linalg.solve(covariance + ridge, centred.T @ wanted / len(codes))
        carried = covariance @ weights
        # One-hot columns add up to one, so their Gram matrix is singular: hence the pseudo-inverse.
        moves = carried @ np.linalg.pinv(weights.T @ carried, rcond=1e-6, hermitian=True)
        residual, total = ((wanted - centred @ weights) ** 2).sum(0), (wanted**2).sum(0)
        explained = {
            each.name: 1 - residual[each.columns].sum() / max(total[each.columns].sum(), 1e-300)
            for each in described
        }
        intercept = targets.mean(0) - codes.mean(0) @ weights
        shares = pd.Series(explained, name="explained")
        probes = Probes(weights, intercept, moves)
        return cls(described, probes, KnownCodes(codes, targets, groups), shares)

    def read(self, codes: np.ndarray, groups: np.ndarray | None = None) -> pd.DataFrame:
        """Return what codes tell of the attributes: numbers by the probes, classes by the codes nearby.

        Parameters
        ----------
        codes : ndarray of shape (n, D)
        groups : ndarray of int, shape (n,), optional
            Class numbers; the probes then start from the mean of the class.
        """
        offset = self._offset(codes, groups)
        found = codes @ self.weights + offset
        columns: dict[Any, np.ndarray] = {}
        for each in self.attributes:
            if each.levels is None:
                columns[each.name] = found[:, each.start] * each.scale + each.centre
            else:
                votes = self._votes(codes, groups)[:, each.columns]
                columns[each.name] = np.asarray(each.levels, dtype=object)[votes.argmax(1)]
        return pd.DataFrame(columns)

    def move(
        self,
        codes: np.ndarray,
        name: Any,
        *,
        amount: Any = None,
        value: Any = None,
        held: pd.DataFrame | None = None,
        groups: np.ndarray | None = None,
        pull: float | None = 0.7,
    ) -> np.ndarray:
        """Return codes moved along one attribute.

        Parameters
        ----------
        codes : ndarray of shape (n, D)
        name : hashable
            Of the attribute.
        amount : float or array-like of shape (n,), optional
            How far: in standard deviations of a number, and for a flag 1 goes from False to True.
        value : scalar or array-like of shape (n,), optional
            Instead of an amount: where to, in the attribute's own units, or a level of a class.
        held : DataFrame of n rows, optional
            Attributes that the rows are known to have; the others are read from the codes, numbers from
            those nearby.
        groups : ndarray of int, shape (n,), optional
            Class numbers, which stay.
        pull : float or None, default=0.7
            How far codes are then drawn towards codes that have the attributes as wanted, from 0 to 1.

        Raises
        ------
        InputError
            For an attribute, amount or value that there is not.

        Warns
        -----
        VaeaugWarning
            For a number as value that no row of :meth:`learn` reaches: the codes end somewhere else.
        """
        check_number("pull", pull, low=0, high=1, also=[None])
        chosen = self._attribute(name)
        if (amount is None) == (value is None):
            raise InputError(
                f"An edit of {name!r} takes either amount or value; got amount={amount!r}, value={value!r}."
            )
        wanted = self._complete(codes, held, groups)
        own = chosen.columns
        now = wanted[:, own].copy()
        if value is not None:
            wanted[:, own] = chosen.encode(_to_series(value, len(codes), name, "value"))
            if chosen.levels is None:
                _warn_of_far_values(name, wanted[:, own], self.targets[:, own], chosen)
        elif chosen.levels is not None:
            raise InputError(
                f"The attribute {name!r} is a class, which has no amount; give value, one of its levels."
            )
        else:
            steps = _to_series(amount, len(codes), name, "amount").to_numpy()
            if steps.dtype.kind not in "biuf" or not np.isfinite(steps.astype(np.float64)).all():
                raise InputError(f"amount must be a finite number, or one per row; got {amount!r}.")
            wanted[:, own] += steps.astype(np.float64)[:, None]
        moved = codes + (wanted[:, own] - now) @ self.moves[:, own].T
        if not pull:
            return moved
        told = set() if held is None else set(held.columns)
        for each in self.attributes:
            if each.levels is None and each is not chosen and each.name not in told:
                wanted[:, each.columns] = self._estimate_nearby(codes, groups, each)
        kinds = np.concatenate(
            [np.repeat(each.levels is None, each.stop - each.start) for each in self.attributes]
        )
        # The edited attribute goes as far as codes go, the others are to stay exactly where they are.
        slopes = regress(_centre(self.codes, self.groups), _centre(self.targets, self.groups))
        slopes[own] = 0.0
        everyone = np.zeros(len(codes), dtype=np.int64) if groups is None else groups
        known = np.zeros_like(self.groups) if groups is None else self.groups
        return pull_towards(
            moved,
            self.codes,
            pull,
            groups=(self._levels(wanted, everyone), self._levels(self.targets, known)),
            tags=(wanted[:, kinds], self.targets[:, kinds]),
            slopes=slopes[kinds],
            k=_NEAR,
        )

    def _attribute(self, name: Any) -> Attribute:
        for each in self.attributes:
            if each.name == name:
                return each
        known = ", ".join(map(repr, self.names))
        raise InputError(f"attribute must be one of {known}, as given for the directions; got {name!r}.")

    def _complete(
        self, codes: np.ndarray, held: pd.DataFrame | None, groups: np.ndarray | None
    ) -> np.ndarray:
        """Return the attributes of rows as columns ``(n, m)``: those that are given, and else as read."""
        given = pd.DataFrame(index=range(len(codes))) if held is None else pd.DataFrame(held)
        for name in given.columns:
            self._attribute(name)
        if len(given) != len(codes) or given.isna().any(axis=None):
            raise InputError(
                f"attributes of the rows to edit must be a complete frame of {len(codes)} rows; got shape "
                f"{given.shape} with {int(given.isna().sum().sum())} missing."
            )
        read = self.read(codes, groups)
        return np.concatenate(
            [
                each.encode(given[each.name] if each.name in given else read[each.name])
                for each in self.attributes
            ],
            axis=1,
        )

    def _estimate_nearby(self, codes: np.ndarray, groups: np.ndarray | None, each: Attribute) -> np.ndarray:
        """Return an attribute as near codes of the class have it, along the line of its probe, (n, 1).

        The line of a probe is the same for all classes and all of a class; its height is not.
        """
        known = np.concatenate([self.targets[:, each.columns], self.codes], axis=1)
        same = {} if groups is None else {"groups": (groups[:, None], self.groups[:, None])}
        found = average_nearby(known, codes, self.codes, k=_TELLERS, **same)
        if np.isnan(found).any():
            found = np.where(np.isnan(found), average_nearby(known, codes, self.codes, k=_TELLERS), found)
        return found[:, :1] + (codes - found[:, 1:]) @ self.weights[:, each.columns]

    def _levels(self, columns: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Return class numbers, of the groups and of every attribute that is a class, int64 (n, g)."""
        found = [columns[:, each.columns].argmax(1) for each in self.attributes if each.levels is not None]
        return np.stack([groups, *found], axis=1)

    def _offset(self, codes: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Return the intercepts of the probes, within the class of each row where it is known."""
        offset = np.tile(self.intercept, (len(codes), 1))
        for group in np.unique(groups) if groups is not None else ():
            own = self.groups == group
            if own.any():
                mean = self.targets[own].mean(0) - self.codes[own].mean(0) @ self.weights
                offset[groups == group] = mean
        return offset

    def _votes(self, codes: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        """Return the mean attributes of the nearest known codes, of the same class if there are any."""
        votes = average_nearby(self.targets, codes, self.codes, k=_VOTERS)
        if groups is not None:
            same = (groups[:, None], self.groups[:, None])
            own = average_nearby(self.targets, codes, self.codes, groups=same, k=_VOTERS)
            votes = np.where(np.isnan(own), votes, own)
        return votes


def _centre(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return rows less the mean of their group."""
    return rows - pd.DataFrame(rows).groupby(groups).transform("mean").to_numpy()


def _describe(attributes: pd.DataFrame) -> tuple[Attribute, ...]:
    """Return what is known of each attribute, and which columns its probe has."""
    found: list[Attribute] = []
    for name in attributes.columns:
        values, start = attributes[name], found[-1].stop if found else 0
        kinds = pd.api.types
        if values.nunique() < 2:
            raise InputError(
                f"The attribute {name!r} is {values.iloc[0]} in every row, so no direction changes it; "
                "give rows that differ in it, or drop it."
            )
        if kinds.is_bool_dtype(values):
            found.append(Attribute(name, None, 0.0, 1.0, start, start + 1))
        elif kinds.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=np.float64)
            if not np.isfinite(numbers).all():
                raise InputError(f"The attribute {name!r} holds infinity; cut or drop these rows.")
            found.append(Attribute(name, None, float(numbers.mean()), float(numbers.std()), start, start + 1))
        else:
            levels = tuple(pd.unique(values))
            if len(levels) > _MOST_LEVELS:
                raise InputError(
                    f"The attribute {name!r} has {len(levels)} levels; at most {_MOST_LEVELS} can be probed."
                )
            found.append(Attribute(name, levels, 0.0, 1.0, start, start + len(levels)))
    return tuple(found)


def _warn_of_far_values(name: Any, wanted: np.ndarray, known: np.ndarray, attribute: Attribute) -> None:
    """Warn of values that no known row reaches."""
    outside = (wanted < known.min()) | (wanted > known.max())
    if outside.any():
        low, high, first = (
            each * attribute.scale + attribute.centre
            for each in (known.min(), known.max(), wanted[outside][0])
        )
        warn_caller(
            f"edit: the value {first:.4g} of {name!r} is beyond the rows that directions were found from, "
            f"which have {low:.4g} to {high:.4g}, and edited rows end elsewhere. Pass a value in that range.",
            VaeaugWarning,
        )


def _to_series(value: Any, n: int, name: Any, what: str) -> pd.Series:
    """Return one value, or one per row, as a series of n."""
    if np.ndim(value) == 0:
        return pd.Series([value] * n)
    series = pd.Series(np.asarray(value))
    if len(series) != n:
        raise InputError(
            f"{what} of {name!r} must be one value, or one for each of the {n} rows; got {len(series)}."
        )
    return series
