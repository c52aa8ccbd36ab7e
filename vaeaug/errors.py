"""Typed errors and warnings: each says who, what, allowed, got, and what to do next."""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "ColumnNote",
    "InputError",
    "InputTypeError",
    "LibraryError",
    "PosteriorCollapseWarning",
    "RejectedColumn",
    "TrainingDivergedError",
    "UnknownLabelError",
    "UnknownVariantError",
    "VaeaugError",
    "VaeaugWarning",
    "WorkerLostError",
]


class VaeaugError(Exception):
    """Base of every error that vaeaug raises on purpose.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.errors import VaeaugError
    >>> try:
    ...     VAEAugmenter().fit([])
    ... except VaeaugError as error:
    ...     print(type(error).__name__)
    InputError
    """


class InputError(VaeaugError, ValueError):
    """Data or arguments that cannot be used; nothing was changed.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> VAEAugmenter().fit([[1.0, float("inf")], [2.0, 3.0]])
    Traceback (most recent call last):
        ...
    vaeaug.errors.InputError: Input X contains infinity or a value too large for dtype('float64').
    """


class InputTypeError(InputError, TypeError):
    """Data of a type that cannot be used; also a TypeError, as scikit-learn raises.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> from vaeaug import VAEAugmenter
    >>> from vaeaug.errors import InputTypeError
    >>> try:
    ...     VAEAugmenter().fit(csr_matrix([[1.0, 2.0]]))
    ... except InputTypeError:
    ...     print("pass a dense table")
    pass a dense table
    """


class LibraryError(VaeaugError, ImportError):
    """A library that is missing, or does not go with the others; also an ImportError, as Python raises.

    Examples
    --------
    >>> from vaeaug.errors import LibraryError
    >>> try:
    ...     from vaeaug.integrations.torchvision import VAEVariation
    ... except LibraryError as error:
    ...     print(error)
    """


class UnknownLabelError(InputError):
    """A label was requested that was not seen during ``fit``.

    Examples
    --------
    >>> from vaeaug import VAEAugmenter
    >>> augmenter = VAEAugmenter(max_iter=1).fit([[float(i)] for i in range(20)], ["no"] * 15 + ["yes"] * 5)
    >>> augmenter.sample(3, y="maybe")
    Traceback (most recent call last):
        ...
    vaeaug.errors.UnknownLabelError: y has labels that fit has not seen: 'maybe'; allowed are 'no', 'yes'.
    """


class UnknownVariantError(InputError, KeyError):
    """A name was asked of ``VARIANTS`` that is not there; also a KeyError, as mappings raise.

    Examples
    --------
    >>> from vaeaug import VARIANTS
    >>> from vaeaug.errors import UnknownVariantError
    >>> try:
    ...     VARIANTS["iwea"]
    ... except UnknownVariantError as error:
    ...     print(str(error)[:20])
    VARIANTS has no 'iwe
    """

    # A KeyError would show its sentence in quotes.
    __str__ = Exception.__str__


class RejectedColumn(InputError):
    """A column codec does not apply to this column; the table decides whether to try the next.

    Examples
    --------
    >>> import pandas as pd
    >>> from vaeaug.data.tables.numeric import NumericCodec
    >>> from vaeaug.errors import RejectedColumn
    >>> try:
    ...     NumericCodec().fit(pd.Series(["clerk", "nurse"], dtype="category", name="job"))
    ... except RejectedColumn as error:
    ...     print(error)
    Column 'job' holds no integers or floats (dtype category).
    """


class ArchiveError(VaeaugError, ValueError):
    """A model file that is damaged, foreign, of a newer format, or cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from vaeaug import load
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> with open(path, "w") as file:
    ...     length = file.write("no model")
    >>> from vaeaug.errors import ArchiveError
    >>> try:
    ...     load(path)
    ... except ArchiveError:
    ...     print("not a model")
    not a model
    """


class TrainingDivergedError(VaeaugError, RuntimeError):
    """Training produced non-finite losses that rolling back could not cure.

    Examples
    --------
    >>> from vaeaug.errors import TrainingDivergedError, VaeaugError
    >>> issubclass(TrainingDivergedError, VaeaugError)
    True
    """


class WorkerLostError(VaeaugError, RuntimeError):
    """Worker processes were killed so often that the work cannot be done; what is written stays valid.

    Examples
    --------
    >>> from vaeaug.errors import VaeaugError, WorkerLostError
    >>> issubclass(WorkerLostError, VaeaugError)
    True
    """


class VaeaugWarning(UserWarning):
    """Base of every warning that vaeaug emits on purpose.

    Examples
    --------
    >>> import warnings
    >>> from vaeaug.errors import VaeaugWarning
    >>> warnings.simplefilter("ignore", VaeaugWarning)
    """


class PosteriorCollapseWarning(VaeaugWarning):
    """The codes carry (almost) no information about the rows: KL is close to zero.

    Examples
    --------
    >>> import warnings
    >>> from vaeaug.errors import PosteriorCollapseWarning
    >>> warnings.simplefilter("error", PosteriorCollapseWarning)
    >>> warnings.simplefilter("default", PosteriorCollapseWarning)
    """


class ColumnNote(VaeaugWarning):
    """Columns were taken for something else than their dtype says: identifiers, codes, dates.

    Examples
    --------
    >>> import warnings
    >>> import pandas as pd
    >>> from vaeaug import VAEAugmenter
    >>> X = pd.DataFrame({"day": range(20240101, 20240131), "age": range(30)})
    >>> with warnings.catch_warnings(record=True) as notes:
    ...     warnings.simplefilter("always")
    ...     augmenter = VAEAugmenter(max_iter=1, random_state=0).fit(X)
    >>> [note.category.__name__ for note in notes if "day" in str(note.message)]
    ['ColumnNote']
    """
