"""Typed errors and warnings: each says who, what, allowed, got, and what to do next."""

from __future__ import annotations

__all__ = [
    "ArchiveError",
    "ColumnNote",
    "InputError",
    "InputTypeError",
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
    """Base of every error that vaeaug raises on purpose."""


class InputError(VaeaugError, ValueError):
    """Data or arguments that cannot be used; nothing was changed."""


class InputTypeError(InputError, TypeError):
    """Data of a type that cannot be used; also a TypeError, as scikit-learn raises."""


class UnknownLabelError(InputError):
    """A label was requested that was not seen during ``fit``."""


class UnknownVariantError(InputError, KeyError):
    """A name was asked of ``VARIANTS`` that is not there; also a KeyError, as mappings raise."""

    # A KeyError would show its sentence in quotes.
    __str__ = Exception.__str__


class RejectedColumn(InputError):
    """A column codec does not apply to this column; the table decides whether to try the next."""


class ArchiveError(VaeaugError, ValueError):
    """A model file that is damaged, foreign, of a newer format, or cannot be written."""


class TrainingDivergedError(VaeaugError, RuntimeError):
    """Training produced non-finite losses that rolling back could not cure."""


class WorkerLostError(VaeaugError, RuntimeError):
    """Worker processes were killed so often that the work cannot be done; what is written stays valid."""


class VaeaugWarning(UserWarning):
    """Base of every warning that vaeaug emits on purpose."""


class PosteriorCollapseWarning(VaeaugWarning):
    """The codes carry (almost) no information about the rows: KL is close to zero."""


class ColumnNote(VaeaugWarning):
    """Columns were taken for something else than their dtype says: identifiers, codes, dates."""
