"""What new rows are to be: how many, of which labels, in which columns and types."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vaeaug.data.labels.sampling_strategy import targets_of_counts
from vaeaug.errors import InputError
from vaeaug.io.parquet import schema_of
from vaeaug.model.fitted import FittedState, get_fitted
from vaeaug.model.generate import METHODS, check_balanceable, check_sources
from vaeaug.sharding.worker import examples
from vaeaug.utils.validation import check_number, check_option
from vaeaug.utils.versions import check_pyarrow
from vaeaug.utils.wording import list_names

__all__ = [
    "Labels",
    "LabelsInTurn",
    "ListedLabels",
    "OneLabel",
    "Plan",
    "ShardOptions",
    "check_columns",
    "plan_balance",
    "plan_rows",
]

#: Cells of a shard when its size is "auto".
_CELLS = 4_000_000
_LEAST_ROWS, _MOST_ROWS = 1_000, 1_000_000


@dataclass(frozen=True)
class ShardOptions:
    """How shards are written; see :meth:`vaeaug.VAEAugmenter.sample_to_parquet`.

    Parameters
    ----------
    shard_size : int or "auto"
    method : str
    temperature : float
    n_jobs : int or None
    shown : bool
        Whether there is a progress bar.
    seed : callable
        Draws the seed of the call, once its arguments are checked.
    has_seed : bool
        Whether the call names a seed; if not, a folder that has one keeps it.
    """

    shard_size: int | str
    method: str
    temperature: float
    n_jobs: int | None
    shown: bool
    seed: Callable[[], int]
    has_seed: bool

    def size(self, columns: int) -> int:
        """Return the rows of a shard with so many columns."""
        if self.shard_size != "auto":
            return int(self.shard_size)
        return int(np.clip(_CELLS // columns, _LEAST_ROWS, _MOST_ROWS))


@dataclass(frozen=True)
class OneLabel:
    """All rows have one label, or draw theirs.

    Parameters
    ----------
    label : Series or DataFrame of one row, or None
    """

    label: Any

    def __call__(self, start: int, rows: int) -> Any:
        """Return the labels of some rows, as ``write_shard`` takes them."""
        return self.label


@dataclass(frozen=True)
class ListedLabels:
    """Each row has a label of its own.

    Parameters
    ----------
    labels : Series or DataFrame
    """

    labels: Any

    def __call__(self, start: int, rows: int) -> Any:
        """Return the labels of some rows."""
        return self.labels.iloc[start : start + rows].reset_index(drop=True)


@dataclass(frozen=True)
class LabelsInTurn:
    """Rows are sorted by label; nothing grows with them.

    Parameters
    ----------
    wanted : mapping of label to int
        How many rows of each label, in order.
    """

    wanted: Mapping[Any, int]

    def __call__(self, start: int, rows: int) -> pd.Series:
        """Return the labels of some rows."""
        listed = pd.Series(list(self.wanted))
        ends = np.cumsum(list(self.wanted.values()), dtype=np.int64)
        numbers = np.searchsorted(ends, np.arange(start, start + rows), side="right")
        return listed.iloc[numbers].reset_index(drop=True)


Labels = OneLabel | ListedLabels | LabelsInTurn


@dataclass(frozen=True)
class Plan:
    """New rows that are to be made.

    Parameters
    ----------
    rows : int
    schema : pyarrow.Schema
        Their columns and types.
    labels : Labels
        From the number of a first row and a number of rows to the labels of these rows.
    described : dict
        What a manifest says of them, JSON-able.
    target : str or None
        Name of the label column, if it is not to be that of fit.
    """

    rows: int
    schema: Any
    labels: Labels
    described: dict[str, Any]
    target: str | None = None


def plan_rows(augmenter: Any, n_samples: int, y: Any, options: ShardOptions, who: str) -> Plan:
    """Plan new rows of chosen labels.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted.
    n_samples, y : as of sample_to_parquet
    options : ShardOptions
    who : str
        The function that messages name.

    Raises
    ------
    InputError
        For arguments that cannot be used.
    """
    fitted = get_fitted(augmenter)
    _check(fitted, options, who)
    check_number("n_samples", n_samples, low=1, integer=True)
    labels, described = _plan_labels(fitted, y, int(n_samples), options.method)
    return Plan(int(n_samples), schema_of(examples(fitted)), labels, {"y": described})


def plan_balance(
    augmenter: Any,
    counts: Callable[[], Mapping[Any, int]],
    target: str,
    sampling_strategy: Any,
    options: ShardOptions,
    who: str,
) -> Plan:
    """Plan the rows that balance classes, in the columns and types of the model.

    Parameters
    ----------
    augmenter : VAEAugmenter
        Fitted.
    counts : callable
        Returns the rows of each label, sorted; called once the other arguments are checked.
    target : str
        Column of labels.
    sampling_strategy : str, float or mapping
    options : ShardOptions
    who : str
        The function that messages name.

    Raises
    ------
    InputError
        For arguments that cannot be used.
    """
    fitted = get_fitted(augmenter)
    _check(fitted, options, who)
    check_balanceable(fitted, ())
    if callable(sampling_strategy):
        raise InputError(
            f"{who} takes a string, a float or a dict as sampling_strategy; a callable would "
            "need all labels in memory. Pass the dict that it returns."
        )
    if target in getattr(augmenter, "feature_names_in_", []):
        raise InputError(
            f"{target!r} is one of the columns that the model makes; name the column of labels as target."
        )
    wanted = {label: n for label, n in targets_of_counts(sampling_strategy, counts()).items() if n}
    for label in wanted:
        _plan_labels(fitted, label, 1, options.method)
    described = {"target": target, "rows": [[repr(label), n] for label, n in wanted.items()]}
    schema = schema_of(examples(fitted, target))
    return Plan(sum(wanted.values()), schema, LabelsInTurn(wanted), described, target)


def check_columns(names: Iterable[str], made: Iterable[str], where: str) -> None:
    """Refuse to join new rows to data with other columns.

    Parameters
    ----------
    names : iterable of str
        Columns of the data.
    made : iterable of str
        Columns that the model makes.
    where : str
        What messages call the data.

    Raises
    ------
    InputError
    """
    names, made = list(names), list(made)
    lacking = [name for name in made if name not in names]
    unknown = [name for name in names if name not in made]
    if lacking or unknown:
        what = f"lacks the column {lacking[0]!r}" if lacking else f"has the column {unknown[0]!r} more"
        raise InputError(
            f"{where} {what}, compared with what the model makes: {list_names(made)}. Fit it "
            "on rows with the same columns, or name another target."
        )


def _check(fitted: FittedState, options: ShardOptions, who: str) -> None:
    """Check what all functions are given."""
    check_pyarrow(who)
    check_option("method", options.method, METHODS)
    check_number("temperature", options.temperature, low=0)
    check_number("shard_size", options.shard_size, low=1, integer=True, also=["auto"])
    if fitted.is_image:
        raise InputError(f"{who} writes tables, and this model makes images; call sample in a loop instead.")


def _plan_labels(fitted: FittedState, y: Any, n: int, method: str) -> tuple[Labels, Any]:
    """Return the labels of any stretch of rows, and what the manifest says of them."""
    if y is None:
        return OneLabel(None), None
    one = fitted.is_one_label(y) or len(y) == 1
    labels = fitted.context.as_labels(y, 1 if one else n)
    check_sources(fitted, method, fitted.context.encode(labels, len(labels)), fitted.anchors.context)
    plain = labels if isinstance(labels, (pd.Series, pd.DataFrame)) else pd.Series(labels)
    if one:
        values = plain.to_dict("records")[0] if isinstance(plain, pd.DataFrame) else plain.iloc[0]
        return OneLabel(plain), repr(values.item() if hasattr(values, "item") else values)
    hashed = pd.util.hash_pandas_object(plain, index=False).to_numpy(np.uint64)
    digest = hashlib.blake2b(hashed.tobytes(), digest_size=8).hexdigest()
    return ListedLabels(plain), f"{n} labels {digest}"
