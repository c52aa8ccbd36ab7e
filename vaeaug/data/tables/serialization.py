"""Write labels, dtypes and distinct values as JSON plus plain arrays and read them back; never a pickle."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from vaeaug.data.tables.access import array_of, as_objects
from vaeaug.errors import ArchiveError

__all__ = [
    "Arrays",
    "Columns",
    "Described",
    "Dtype",
    "Exact",
    "Scalar",
    "dtype_from_json",
    "dtype_to_json",
    "index_from_json",
    "index_to_json",
    "take_prefix",
    "pack_states",
    "pack_values",
    "add_prefix",
    "scalar_from_json",
    "scalar_to_json",
    "unpack_states",
    "unpack_values",
]

Arrays = dict[str, np.ndarray]
Built = TypeVar("Built")
#: Annotations of fields that :class:`Described` writes in a form of their own.
Dtype = Any
Scalar = Any
Columns = pd.Index
Exact = int


def add_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Return ``arrays`` with ``prefix/`` put before each name."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def take_prefix(prefix: str, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Undo :func:`add_prefix`: the arrays below ``prefix/``, with the prefix taken off."""
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def pack_states(parts: Iterable[Any], prefix: str = "") -> tuple[list[dict[str, Any]], Arrays]:
    """Return the descriptions of things with a ``state()``, and all their arrays under their numbers."""
    metas: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for i, part in enumerate(parts):
        meta, own = part.state()
        metas.append(meta)
        arrays |= add_prefix(f"{prefix}{i}", own)
    return metas, arrays


def unpack_states(
    build: Callable[[Any, Arrays], Built],
    metas: Iterable[Any],
    arrays: Mapping[str, np.ndarray],
    prefix: str = "",
) -> list[Built]:
    """Undo :func:`pack_states`, building each thing from its description and arrays."""
    return [build(meta, take_prefix(f"{prefix}{i}", arrays)) for i, meta in enumerate(metas)]


def scalar_to_json(value: Any) -> Any:
    """Describe one label or category so that type and value survive JSON.

    Strings, booleans, ``None``, ints and finite floats stay as they are; everything else becomes
    a one-key dict that names its type.

    Raises
    ------
    ArchiveError
        For a type that has no safe text form.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        return {"numpy": [value.dtype.str, scalar_to_json(value.item())]}
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": value.hex()}
    if value is pd.NaT or value is pd.NA:
        return {"missing": "NaT" if value is pd.NaT else "NA"}
    for name, (kind, write, _) in _LABELS.items():
        if isinstance(value, kind):
            return {name: write(value)}
    raise ArchiveError(
        f"Cannot write the label {value!r} of type {type(value).__name__} to a file; allowed are text, "
        "numbers, booleans, dates, times, intervals and tuples of them. Convert it to text before fit."
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
    if kind in _LABELS:
        return _LABELS[kind][2](body)
    raise ArchiveError(f"The file holds a label of the unknown kind {kind!r}; it may be of a newer version.")


def _write_ticks(value: Any) -> list[Any]:
    return [int(value.asm8.astype(np.int64)), value.unit, _zone_to_json(getattr(value, "tz", None))]


def _read_stamp(body: Any) -> pd.Timestamp:
    ticks, unit, zone = body
    stamp = pd.Timestamp(np.datetime64(ticks, unit))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(_zone_from_json(zone))


def _list_parts(value: datetime.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


#: Labels that JSON has no type for: name -> type, how to write one, how to read it. Subclasses come first.
_LABELS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (
        tuple,
        lambda value: [scalar_to_json(item) for item in value],
        lambda body: tuple(scalar_from_json(item) for item in body),
    ),
    "bytes": (bytes, lambda value: base64.b64encode(value).decode("ascii"), base64.b64decode),
    "timestamp": (pd.Timestamp, _write_ticks, _read_stamp),
    "timedelta": (
        pd.Timedelta,
        _write_ticks,
        lambda body: pd.Timedelta(np.timedelta64(body[0], body[1])),
    ),
    "interval": (
        pd.Interval,
        lambda value: [scalar_to_json(value.left), scalar_to_json(value.right), value.closed],
        lambda body: pd.Interval(scalar_from_json(body[0]), scalar_from_json(body[1]), body[2]),
    ),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "period": (
        pd.Period,
        lambda value: [value.ordinal, value.freqstr],
        lambda body: pd.Period(ordinal=body[0], freq=body[1]),
    ),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "python timedelta": (datetime.timedelta, _list_parts, lambda parts: datetime.timedelta(*parts)),
}


def _zone_to_json(zone: Any) -> Any:
    """Describe a time zone so that the same one, of the same library, comes back.

    Raises
    ------
    ArchiveError
        For zones that have neither a name nor a fixed offset.
    """
    if zone is None:
        return None
    library = type(zone).__module__.partition(".")[0]
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key is not None:
        return {"zoneinfo": zone.key}
    if isinstance(zone, datetime.timezone):
        name = zone.tzname(None)
        plain = datetime.timezone(zone.utcoffset(None)).tzname(None)
        return {"offset": [*_list_parts(zone.utcoffset(None)), None if name == plain else name]}
    if library == "pytz":
        minutes = getattr(zone, "_minutes", None)
        return {"pytz offset": minutes} if zone.zone is None else {"pytz": zone.zone}
    if library == "dateutil":
        return {"dateutil": _dateutil_name(zone)}
    raise ArchiveError(
        f"Cannot write the time zone {zone!r} to a file; convert the column before fit, for example with "
        ".dt.tz_convert('UTC')."
    )


def _zone_from_json(data: Any) -> Any:
    """Rebuild a time zone from :func:`_zone_to_json`; files of 0.1 hold a name."""
    if not isinstance(data, dict):
        return data
    ((kind, body),) = data.items()
    if kind == "zoneinfo":
        return zoneinfo.ZoneInfo(body)
    if kind == "offset":
        offset = datetime.timedelta(*body[:3])
        return datetime.timezone(offset) if body[3] is None else datetime.timezone(offset, body[3])
    if kind.startswith("pytz"):
        try:
            import pytz
        except ImportError:  # pandas 3 does without it
            return body if kind == "pytz" else datetime.timezone(datetime.timedelta(minutes=body))
        return pytz.timezone(body) if kind == "pytz" else pytz.FixedOffset(body)
    import dateutil.tz

    if isinstance(body, list):
        return dateutil.tz.tzoffset(body[0], body[1])
    special = {"utc": dateutil.tz.tzutc, "local": dateutil.tz.tzlocal}
    return special[body]() if body in special else dateutil.tz.gettz(body)


def _dateutil_name(zone: Any) -> Any:
    if type(zone).__name__ in ("tzutc", "tzlocal"):
        return type(zone).__name__.removeprefix("tz")
    if type(zone).__name__ == "tzoffset":
        return [zone.tzname(None), zone.utcoffset(None).total_seconds()]
    # Where the files of zones lie differs between machines.
    return str(getattr(zone, "_filename", zone)).rpartition("zoneinfo/")[2]


def dtype_to_json(dtype: Any) -> Any:
    """Describe a numpy or pandas dtype; categories are not part of it.

    Raises
    ------
    ArchiveError
        When the dtype cannot be rebuilt from the description.
    """
    data = _describe_dtype(dtype)
    try:
        same = bool(dtype_from_json(data) == dtype)
    except (TypeError, NotImplementedError, ValueError, KeyError):
        same = False
    if not same:
        raise ArchiveError(
            f"Cannot write the dtype {dtype} to a file; convert the column to a plain dtype before fit."
        )
    return data


def _describe_dtype(dtype: Any) -> Any:
    if isinstance(dtype, pd.StringDtype):
        missing = getattr(dtype, "na_value", pd.NA)
        return {"string": [dtype.storage, "NA" if missing is pd.NA else "nan"]}
    if isinstance(dtype, np.dtype):
        return {"numpy": dtype.str}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"zoned": [dtype.unit, _zone_to_json(dtype.tz)]}
    if isinstance(dtype, pd.ArrowDtype):
        return {"arrow": _arrow_to_json(dtype.pyarrow_dtype)}
    if isinstance(dtype, pd.SparseDtype):
        return {"sparse": [dtype_to_json(dtype.subtype), scalar_to_json(dtype.fill_value)]}
    return {"pandas": str(dtype)}


def _arrow_to_json(kind: Any) -> str:
    """Describe an Arrow type by a schema of one column, which Arrow itself writes as bytes."""
    import pyarrow as pa

    return base64.b64encode(pa.schema([("x", kind)]).serialize().to_pybytes()).decode("ascii")


def dtype_from_json(data: Mapping[str, Any]) -> Any:
    """Rebuild a dtype from :func:`dtype_to_json`."""
    ((kind, body),) = data.items()
    if kind == "numpy":
        return np.dtype(body)
    if kind == "pandas":
        return pd.api.types.pandas_dtype(body)
    if kind == "zoned":
        unit, zone, *how = body  # files of 0.1 hold the name of the zone, and whose it is
        zone = zoneinfo.ZoneInfo(zone) if how == ["zoneinfo"] else _zone_from_json(zone)
        return pd.DatetimeTZDtype(unit, zone)
    if kind == "arrow":
        import pyarrow as pa

        return pd.ArrowDtype(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(body))).field(0).type)
    if kind == "sparse":
        return pd.SparseDtype(dtype_from_json(body[0]), scalar_from_json(body[1]))
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


class Described:
    """A dataclass that is saved field by field; the annotation of a field says how.

    Fields annotated ``Dtype``, ``Scalar``, ``Columns`` or ``Exact`` (integers of any size) are written
    in a form that JSON can hold, the others as they are.
    """

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        own: Any = fields(self)  # type: ignore[arg-type]
        return {field.name: _get_ways(field)[0](getattr(self, field.name)) for field in own}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_json`."""
        own: Any = fields(cls)  # type: ignore[arg-type]
        return cls(**{f.name: _get_ways(f)[1](data[f.name]) for f in own if f.name in data})


def _get_ways(field: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return how to write and how to read a field of a described dataclass."""
    ways: dict[str, tuple[Any, Any]] = {
        "Dtype": (dtype_to_json, dtype_from_json),
        "Scalar": (scalar_to_json, scalar_from_json),
        "Columns": (index_to_json, index_from_json),
        "Exact": (str, int),
    }
    return ways.get(field.type, (lambda value: value, lambda value: value))


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
    labels = as_objects([scalar_from_json(label) for label in kind["flat"]])
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
        left, left_arrays = pack_values(array_of(parts.left))
        right, right_arrays = pack_values(array_of(parts.right))
        meta = {"as": "interval", "closed": dtype.closed, "left": left, "right": right}
        return meta, add_prefix("left", left_arrays) | add_prefix("right", right_arrays)
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
        left = unpack_values(meta["left"], take_prefix("left", arrays))
        right = unpack_values(meta["right"], take_prefix("right", arrays))
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=meta["closed"])
    dtype = dtype_from_json(meta["dtype"])
    if meta["as"] == "periods":
        return pd.arrays.PeriodArray(arrays["values"], dtype=dtype)
    if meta["as"] == "numbers":
        return arrays["values"].astype(dtype) if dtype.kind not in "mM" else arrays["values"].view(dtype)
    found = _unpack_text(arrays) if meta["as"] == "text" else [scalar_from_json(v) for v in meta["list"]]
    objects = as_objects(found)
    return objects if dtype == np.dtype(object) else pd.array(objects, dtype=dtype)


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
