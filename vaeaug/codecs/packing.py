"""Write labels, dtypes and distinct values as JSON plus plain arrays and read them back; never a pickle."""

from __future__ import annotations

import base64
import datetime
import math
import zoneinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vaeaug.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Arrays",
    "dtype_from_json",
    "dtype_to_json",
    "index_from_json",
    "index_to_json",
    "nested",
    "pack_values",
    "prefixed",
    "scalar_from_json",
    "scalar_to_json",
    "unpack_values",
]

Arrays = dict[str, np.ndarray]


def prefixed(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Return ``arrays`` with ``prefix/`` put before each name."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def nested(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Undo :func:`prefixed`: the arrays below ``prefix/``, with the prefix taken off."""
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def scalar_to_json(value: Any) -> Any:
    """Describe one label or category so that type and value survive JSON.

    Strings, booleans, ``None``, ints and finite floats stay as they are; everything else becomes
    a one-key dict that names its type.

    Raises
    ------
    ArchiveError
        For a type that has no safe text form.
    """
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        return {"numpy": [value.dtype.str, scalar_to_json(value.item())]}
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": value.hex()}
    if value is pd.NaT or value is pd.NA:
        return {"missing": "NaT" if value is pd.NaT else "NA"}
    if isinstance(value, tuple):
        return {"tuple": [scalar_to_json(item) for item in value]}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        name = "timestamp" if isinstance(value, pd.Timestamp) else "timedelta"
        zone = str(value.tz) if isinstance(value, pd.Timestamp) and value.tz is not None else None
        return {name: [int(value.asm8.astype(np.int64)), value.unit, zone]}
    if isinstance(value, pd.Interval):
        return {"interval": [scalar_to_json(value.left), scalar_to_json(value.right), value.closed]}
    if isinstance(value, datetime.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    raise ArchiveError(
        f"Cannot write the label {value!r} of type {type(value).__name__} to a file; allowed are text, "
        "numbers, booleans, dates, intervals and tuples of them. Convert it to text before fit."
    )


def scalar_from_json(data: Any) -> Any:
    """Rebuild a label from :func:`scalar_to_json`."""
    if not isinstance(data, dict):
        return data
    ((kind, body),) = data.items()
    if kind == "float":
        return float.fromhex(body)
    if kind == "numpy":
        return np.dtype(body[0]).type(scalar_from_json(body[1]))
    if kind == "missing":
        return pd.NaT if body == "NaT" else pd.NA
    if kind == "tuple":
        return tuple(scalar_from_json(item) for item in body)
    if kind == "bytes":
        return base64.b64decode(body)
    if kind == "timestamp":
        stamp = pd.Timestamp(np.datetime64(body[0], body[1]))
        return stamp if body[2] is None else stamp.tz_localize("UTC").tz_convert(body[2])
    if kind == "timedelta":
        return pd.Timedelta(np.timedelta64(body[0], body[1]))
    if kind == "interval":
        return pd.Interval(scalar_from_json(body[0]), scalar_from_json(body[1]), body[2])
    if kind == "datetime":
        return datetime.datetime.fromisoformat(body)
    if kind == "date":
        return datetime.date.fromisoformat(body)
    raise ArchiveError(f"The file holds a label of the unknown kind {kind!r}; it may be of a newer version.")


def dtype_to_json(dtype: Any) -> Any:
    """Describe a numpy or pandas dtype; categories are not part of it.

    Raises
    ------
    ArchiveError
        When the dtype has no name from which it can be rebuilt.
    """
    if isinstance(dtype, pd.StringDtype):
        missing = getattr(dtype, "na_value", pd.NA)
        return {"string": [dtype.storage, "NA" if missing is pd.NA else "nan"]}
    if isinstance(dtype, np.dtype):
        return {"numpy": dtype.str}
    if isinstance(dtype, pd.DatetimeTZDtype):
        kind = "zoneinfo" if isinstance(dtype.tz, zoneinfo.ZoneInfo) else "name"
        return {"zoned": [dtype.unit, str(dtype.tz), kind]}
    if isinstance(dtype, pd.ArrowDtype) and dtype.type is str:
        # Its name, "string[pyarrow]", means another dtype to pandas.
        return {"arrow text": str(dtype.pyarrow_dtype)}
    name = str(dtype)
    try:
        same = pd.api.types.pandas_dtype(name) == dtype
    except (TypeError, NotImplementedError, ValueError):
        same = False
    if not same:
        raise ArchiveError(
            f"Cannot write the dtype {name} to a file; convert the column to a plain dtype before fit."
        )
    return {"pandas": name}


def dtype_from_json(data: Mapping[str, Any]) -> Any:
    """Rebuild a dtype from :func:`dtype_to_json`."""
    ((kind, body),) = data.items()
    if kind == "numpy":
        return np.dtype(body)
    if kind == "pandas":
        return pd.api.types.pandas_dtype(body)
    if kind == "zoned":
        unit, zone, how = body
        return pd.DatetimeTZDtype(unit, zoneinfo.ZoneInfo(zone) if how == "zoneinfo" else zone)
    if kind == "arrow text":
        import pyarrow

        return pd.ArrowDtype(pyarrow.type_for_alias(body))
    storage, missing = body
    if missing == "NA":
        return pd.StringDtype(storage)
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:  # pandas 2.2 spells this kind as a storage of its own
        return pd.StringDtype("pyarrow_numpy")


def index_to_json(index: pd.Index) -> dict[str, Any]:
    """Describe column labels: order, types, names, and whether they are a plain range or tuples."""
    if isinstance(index, pd.RangeIndex):
        kind: Any = {"range": [index.start, index.stop, index.step]}
    elif isinstance(index, pd.MultiIndex):
        kind = {"multi": [scalar_to_json(label) for label in index]}
    else:
        # Categorical labels come back as their plain values.
        index = index.astype(index.categories.dtype) if isinstance(index, pd.CategoricalIndex) else index
        kind = {"flat": [scalar_to_json(label) for label in index], "dtype": dtype_to_json(index.dtype)}
    return {"kind": kind, "names": [scalar_to_json(name) for name in index.names]}


def index_from_json(data: Mapping[str, Any]) -> pd.Index:
    """Rebuild column labels from :func:`index_to_json`."""
    kind = data["kind"]
    names = [scalar_from_json(name) for name in data["names"]]
    if "range" in kind:
        start, stop, step = kind["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    if "multi" in kind:
        return pd.MultiIndex.from_tuples([scalar_from_json(label) for label in kind["multi"]], names=names)
    labels = np.empty(len(kind["flat"]), dtype=object)
    labels[:] = [scalar_from_json(label) for label in kind["flat"]]
    return pd.Index(labels, dtype=dtype_from_json(kind["dtype"]), name=names[0], tupleize_cols=False)


def pack_values(values: Any) -> tuple[dict[str, Any], Arrays]:
    """Pack distinct values (a column's levels) as a JSON description and plain arrays.

    Parameters
    ----------
    values : ndarray or pandas extension array, shape (m,)
        Without missing entries.

    Returns
    -------
    meta : dict
        JSON-able.
    arrays : dict of str to ndarray
        Long text is one utf-8 byte array and its offsets.
    """
    dtype = values.dtype
    if isinstance(dtype, pd.IntervalDtype):
        parts = pd.arrays.IntervalArray(values)
        left, left_arrays = pack_values(_as_array(parts.left))
        right, right_arrays = pack_values(_as_array(parts.right))
        meta = {"as": "interval", "closed": dtype.closed, "left": left, "right": right}
        return meta, prefixed("left", left_arrays) | prefixed("right", right_arrays)
    meta = {"dtype": dtype_to_json(dtype)}
    if isinstance(dtype, pd.PeriodDtype):
        return meta | {"as": "periods"}, {"values": np.asarray(values.asi8)}
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return meta | {"as": "numbers"}, {"values": np.asarray(values)}
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return meta | {"as": "numbers"}, {"values": np.asarray(values).view(np.int64)}
    listed = list(values)
    if all(isinstance(value, str) for value in listed):
        return meta | {"as": "text"}, _pack_text(listed)
    return meta | {"as": "list", "list": [scalar_to_json(value) for value in listed]}, {}


def unpack_values(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    """Rebuild the values of :func:`pack_values` in their dtype."""
    if meta["as"] == "interval":
        left = unpack_values(meta["left"], nested("left", arrays))
        right = unpack_values(meta["right"], nested("right", arrays))
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=meta["closed"])
    dtype = dtype_from_json(meta["dtype"])
    if meta["as"] == "periods":
        return pd.arrays.PeriodArray(arrays["values"], dtype=dtype)
    if meta["as"] == "numbers":
        return arrays["values"].astype(dtype) if dtype.kind not in "mM" else arrays["values"].view(dtype)
    found = _unpack_text(arrays) if meta["as"] == "text" else [scalar_from_json(v) for v in meta["list"]]
    objects = np.empty(len(found), dtype=object)
    objects[:] = found
    return objects if dtype == np.dtype(object) else pd.array(objects, dtype=dtype)


def _as_array(index: pd.Index) -> Any:
    return index.to_numpy() if isinstance(index.dtype, np.dtype) else index.array


def _pack_text(texts: list[str]) -> Arrays:
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    # An archive cannot hold an array without elements, hence the closing byte.
    return {"utf8": np.frombuffer(b"".join(pieces) + b"\0", dtype=np.uint8).copy(), "offsets": offsets}


def _unpack_text(arrays: Mapping[str, np.ndarray]) -> list[str]:
    blob = arrays["utf8"].tobytes()
    cuts = arrays["offsets"].tolist()
    return [blob[a:b].decode("utf-8", "surrogatepass") for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
