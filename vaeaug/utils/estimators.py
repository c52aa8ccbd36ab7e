"""Questions that several rooms ask of scikit-learn estimators."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

from sklearn.base import _fit_context, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import has_fit_parameter

from vaeaug.errors import InputError

__all__ = [
    "check_parameters_first",
    "class_weight_keyword",
    "clone_with_seed",
    "describe",
    "find_open_seeds",
    "offer_if",
    "refuse_nested",
    "spell_estimator",
    "weight_keyword",
]

#: Such as <function square at 0x7f…>, and RandomState(MT19937) at 0x7F….
_ADDRESS = re.compile(
    r"<(?:function |bound method )?(?:[\w<>]+\.)*(\w+)[^<>]*? at 0x\w+>|(\w+)\(\w+\) at 0x\w+"
)
#: Letters of an estimator that are shown.
_LONGEST = 100

Method = TypeVar("Method", bound=Callable[..., Any])


def check_parameters_first(fit: Method) -> Method:
    """Make a ``fit`` check ``_parameter_constraints`` first; scikit-learn's decorator, with types."""
    return cast(Method, _fit_context(prefer_skip_nested_validation=True)(fit))


def offer_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator for methods that are there if a check says so; scikit-learn's, with types."""
    return cast(Callable[[Method], Method], available_if(check))


def refuse_nested(estimator: Any, name: str, example: str, asked: Collection[str]) -> None:
    """Raise where parameters of a part are to be set and the part is left at its default, which has none.

    Parameters
    ----------
    estimator : estimator
    name : str
        Of the parameter that is the part.
    example : str
        Code of an estimator that has such a part.
    asked : collection of str
        Names that ``set_params`` was given.

    Raises
    ------
    InputError
    """
    part, nested = getattr(estimator, name), [key for key in asked if key.startswith(f"{name}__")]
    if nested and name not in asked and not hasattr(part, "set_params"):
        raise InputError(
            f"{type(estimator).__name__}: {nested[0]!r} is a parameter of {name}, and {name}={part!r} has "
            f"none to set; pass one, such as {example}."
        )


def weight_keyword(estimator: Any) -> str | None:
    """Return the name under which an estimator's fit takes sample weights; None if it does not.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from vaeaug.utils.estimators import weight_keyword
    >>> weight_keyword(make_pipeline(LogisticRegression()))
    'logisticregression__sample_weight'
    """
    return _find_keyword(
        estimator,
        "sample_weight",
        lambda step: hasattr(step, "fit") and has_fit_parameter(step, "sample_weight"),
    )


def class_weight_keyword(estimator: Any) -> str | None:
    """Return the name of a parameter ``class_weight``, of a Pipeline its last step's; None without one."""
    return _find_keyword(
        estimator,
        "class_weight",
        lambda step: hasattr(step, "get_params") and "class_weight" in step.get_params(deep=False),
    )


def _find_keyword(estimator: Any, name: str, takes: Callable[[Any], bool]) -> str | None:
    """Return the name of a parameter, of a Pipeline its last step's, which it hands on; None without one."""
    if takes(estimator):
        return name
    last = _last_step(estimator)
    inner = None if last is None else _find_keyword(last[1], name, takes)
    return None if last is None or inner is None else f"{last[0]}__{inner}"


def clone_with_seed(estimator: Any, seed: int) -> Any:
    """Return an unfitted copy in which every ``random_state`` that was None is a seed."""
    copy, names = clone(estimator), find_open_seeds(estimator)
    return copy.set_params(**dict.fromkeys(names, seed)) if names else copy


def find_open_seeds(estimator: Any) -> list[str]:
    """Return the names of every ``random_state`` that is None, of parts too."""
    return [
        name
        for name, value in estimator.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    ]


def spell_estimator(estimator: Any) -> str:
    """Return an estimator on one short line: settings, steps of a Pipeline, no addresses of objects.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from vaeaug.utils.estimators import spell_estimator
    >>> spell_estimator(make_pipeline(StandardScaler(), LogisticRegression(C=0.5)))
    'StandardScaler → LogisticRegression(C=0.5)'
    """
    last = _last_step(estimator)
    if last is not None:
        before = [each if isinstance(each, str) else type(each).__name__ for _, each in estimator.steps[:-1]]
        return " → ".join([*before, spell_estimator(last[1])])
    text = _ADDRESS.sub(lambda found: found[1] or found[2], " ".join(repr(estimator).split()))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def describe(estimator: Any) -> str:
    """Return the class of an estimator; of a Pipeline, that of its last step."""
    last = _last_step(estimator)
    return type(estimator).__name__ if last is None else describe(last[1])


def _last_step(estimator: Any) -> tuple[str, Any] | None:
    steps = getattr(estimator, "steps", None)
    return (steps[-1][0], steps[-1][1]) if isinstance(steps, list) and steps else None
