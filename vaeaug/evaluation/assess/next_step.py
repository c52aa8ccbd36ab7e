"""What to do after a verdict, as lines of Python to paste."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from vaeaug.evaluation.assess.other_classifiers import OTHER_CLASSIFIERS, TOGETHER
from vaeaug.evaluation.assess.strategies import BLENDED, Baseline, fill_up
from vaeaug.evaluation.assess.verdict import Verdict
from vaeaug.evaluation.encoders import PlainColumns
from vaeaug.utils.estimators import class_weight_keyword, find_open_seeds, weight_keyword

__all__ = ["Setting", "write_next_step"]

#: Where the other classifiers come from, and how they are made.
_CLASSIFIERS = {
    "boosted trees": (
        "sklearn.ensemble import HistGradientBoostingClassifier",
        "HistGradientBoostingClassifier()",
    ),
    "random forest": (
        "sklearn.ensemble import RandomForestClassifier",
        "RandomForestClassifier(200, min_samples_leaf=2)",
    ),
    "logistic regression": (
        "sklearn.linear_model import LogisticRegression",
        "LogisticRegression(max_iter=1000)",
    ),
    "nearest neighbours": ("sklearn.neighbors import KNeighborsClassifier", "KNeighborsClassifier()"),
}
#: What names of classifiers on the command line stand for.
_NAMED = {short: name for name, short in OTHER_CLASSIFIERS.items()} | {"knn": "nearest neighbours"}
#: Names of scikit-learn alone, so that the lines can be pasted anywhere.
_ENCODER = """\
from sklearn.compose import make_column_selector as columns, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
others = OneHotEncoder(handle_unknown="ignore", max_categories=30, sparse_output=False)
encoder = make_column_transformer(
    (numbers, columns(dtype_include="number")), (others, columns(dtype_exclude="number"))
)
"""
#: Classifiers without a seed, or that draw nothing as they are made here.
_UNSEEDED = ("LogisticRegression", "KNeighborsClassifier")
_PUBLIC = {"VAEOverSampler", "VAEAugmenter"}


@dataclass(frozen=True)
class Setting:
    """What the lines to paste start from.

    Parameters
    ----------
    y : ndarray (n,), optional
        Labels, for the number of rows that each class gets.
    is_frame : bool
        Whether X is a DataFrame.
    hidden : tuple
        Columns that name each row.
    dates : mapping of label to str or None
        Columns of dates, and the form of those that are text.
    durations : tuple
        Columns of durations.
    name : str
        Of the classifier, if it was chosen by a name; else it is the user's ``classifier``.
    class_weight, sample_weight : str or None
        Parameter of the classifier, and of its ``fit``, that takes weights.
    sampler : object with ``fit_resample``, optional
        What makes the new rows.
    reading : str
        Lines that read X and y; empty where the user has them.
    seed : int, optional
        For everything that takes a ``random_state`` and has none.
    open_seeds : tuple of str
        Parameters of the user's classifier that are such.
    """

    y: np.ndarray | None = None
    is_frame: bool = True
    hidden: tuple[Any, ...] = ()
    dates: Mapping[Any, str | None] = field(default_factory=dict)
    durations: tuple[Any, ...] = ()
    name: str = ""
    class_weight: str | None = None
    sample_weight: str | None = None
    sampler: Any = None
    reading: str = ""
    seed: int | None = None
    open_seeds: tuple[str, ...] = ()

    def look(self, X: Any, estimator: Any) -> Setting:
        """Return the setting with what the rows and the classifier tell."""
        found = replace(
            self,
            is_frame=isinstance(X, pd.DataFrame),
            class_weight=class_weight_keyword(estimator),
            sample_weight=weight_keyword(estimator),
            open_seeds=tuple(find_open_seeds(estimator)),
        )
        if not isinstance(X, pd.DataFrame):
            return found
        seen = X.drop(columns=list(self.hidden))
        dates: dict[Any, str | None] = dict.fromkeys(seen.select_dtypes(["datetime", "datetimetz"]))
        for j, form in (PlainColumns.read_kinds(seen)[0].dates or {}).items():
            dates[seen.columns[j]] = form.form.replace("%-", "%").replace("%3f", "%f")
        return replace(found, dates=dates, durations=tuple(seen.select_dtypes("timedelta")))


def write_next_step(verdict: Verdict, setting: Setting) -> str:
    """Return lines that do what the advice ends in.

    ``classifier``, X and y are the user's, unless the setting tells how to make them.

    Parameters
    ----------
    verdict : Verdict
    setting : Setting
    """
    use, y = verdict.use, setting.y
    if use in (*OTHER_CLASSIFIERS, TOGETHER):
        return setting.reading + _prepare(setting, is_encoded=True) + _train_other(use, setting.seed)
    start = _prepare(setting, is_encoded=bool(setting.name))
    if setting.name:
        home, made = _CLASSIFIERS[_NAMED[setting.name]]
        made = _add_seed(made, setting.seed)
        start += f"from {home}\n{_ENCODER}classifier = make_pipeline(encoder, {made})\n"
    elif setting.open_seeds and setting.seed is not None:
        start += f"classifier.set_params(**{dict.fromkeys(setting.open_seeds, setting.seed)!r})\n"
    return setting.reading + start + _train(use, setting, y)


def _prepare(setting: Setting, *, is_encoded: bool) -> str:
    """Return lines that hide names of rows, and turn dates into numbers where an encoder expects them."""
    if not is_encoded:
        # A Pipeline of the user may name the columns: they stay, as in the assessment.
        hidden = dict.fromkeys(setting.hidden, 0)
        return f"X = X.assign(**{hidden!r})  # names of rows, hidden from the classifier\n" if hidden else ""
    if not setting.is_frame:
        return "import pandas as pd\nX = pd.DataFrame(X)\n"
    lines = []
    if setting.hidden:
        lines.append(f"X = X.drop(columns={list(setting.hidden)!r})  # they name each row")
    if setting.dates or setting.durations:
        lines += ["import pandas as pd"] * ("import pandas" not in setting.reading)
        lines += ["X = X.copy()"] * (not setting.hidden)
    if setting.dates:
        lines += [
            f"for name, form in {dict(setting.dates)!r}.items():  # dates as numbers",
            '    dates = pd.to_datetime(X[name], format=form, errors="coerce", utc=True)',
            '    X[name] = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)',
        ]
    lines += [f"X[{name!r}] = X[{name!r}] / pd.Timedelta(days=1)" for name in setting.durations]
    return "".join(f"{line}\n" for line in lines)


def _train(use: str, setting: Setting, y: np.ndarray | None) -> str:
    """Return lines that train ``classifier`` by a strategy."""
    if use == Baseline.NOTHING:
        return "model = classifier.fit(X, y)"
    if use == Baseline.TUNED_THRESHOLD:
        made = 'TunedThresholdClassifierCV(classifier, scoring="balanced_accuracy")'
        return (
            "from sklearn.model_selection import TunedThresholdClassifierCV\n"
            f"model = {_add_seed(made, setting.seed)}\n"
            "model.fit(X, y)"
        )
    if use == Baseline.CLASS_WEIGHTS and setting.sample_weight is None:
        return f'model = classifier.set_params({setting.class_weight}="balanced").fit(X, y)'
    if use == Baseline.CLASS_WEIGHTS:
        return (
            "from sklearn.utils.class_weight import compute_sample_weight\n"
            f'model = classifier.fit(X, y, {setting.sample_weight}=compute_sample_weight("balanced", y))'
        )
    home, sampler = "", "sampler"
    for start, made in ((Baseline.DUPLICATES, "RandomOverSampler"), (Baseline.SMOTE, "SMOTE")):
        if use.startswith(start):
            home = f"from imblearn.over_sampling import {made}  # pip install imbalanced-learn\n"
            sampler = _add_seed(f"{made}({_spell(_find_strategy(use, y))})", setting.seed)
    names = ["AugmentedClassifier"]
    if use.startswith("VAEOverSampler"):
        sampler = _write_sampler(setting.sampler, use.removesuffix(BLENDED), y, setting.seed)
        names += sorted(name for name in _PUBLIC if name in sampler)
    blend = ", blend=True" if use.endswith(BLENDED) else ""
    return (
        f"{home}from vaeaug import {', '.join(names)}\n"
        f"model = AugmentedClassifier(classifier, {sampler}{blend})\n"
        "model.fit(X, y)"
    )


def _train_other(name: str, seed: int | None) -> str:
    names = OTHER_CLASSIFIERS if name == TOGETHER else [name]
    calls = [_add_seed(_CLASSIFIERS[each][1], seed) for each in names]
    made = ",\n    ".join(f"make_pipeline(encoder, {call})" for call in calls)
    imports = "".join(f"from {_CLASSIFIERS[each][0]}\n" for each in names)
    if name != TOGETHER:
        return f"{imports}{_ENCODER}model = {made}.fit(X, y)"
    return (
        f"{imports}from sklearn.ensemble import VotingClassifier\n{_ENCODER}"
        f"members = list(zip('abc', [\n    {made},\n]))\n"
        'model = VotingClassifier(members, voting="soft").fit(X, y)'
    )


def _add_seed(call: str, seed: int | None) -> str:
    """Return code that makes an object, with a seed if it draws anything."""
    if seed is None or call.startswith(_UNSEEDED):
        return call
    return f"{call[:-1]}{'' if call.endswith('()') else ', '}random_state={seed})"


def _write_sampler(sampler: Any, use: str, y: np.ndarray | None, seed: int | None) -> str:
    """Return a sampler with the user's settings as code; without them where they are no plain values."""
    strategy = _find_strategy(use, y)
    plain = _add_seed(f"VAEOverSampler({_spell(strategy)})", seed)
    if sampler is None:
        return plain
    copy = clone(sampler).set_params(sampling_strategy="auto").set_params(**strategy)
    if seed is not None and not isinstance(copy.random_state, Integral):
        copy.set_params(random_state=seed)
    text = " ".join(copy.__repr__(N_CHAR_MAX=10**6).split())
    try:
        named = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    except SyntaxError:
        return plain
    return text if named <= _PUBLIC and "..." not in text else plain


def _find_strategy(use: str, y: np.ndarray | None) -> dict[str, Any]:
    """Return the sampling strategy of a ratio; of several classes, and above balance, row by row."""
    ratio = float(use.rsplit(" ", 1)[1].rstrip(")")) if use.endswith(")") else 1.0
    if ratio == 1.0 or y is None:
        return {}
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) == 2 and ratio < 1:
        return {"sampling_strategy": ratio}
    have: dict[Any, int] = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    return {
        "sampling_strategy": {label: have[label] + more for label, more in fill_up(y, ratio).items() if more}
    }


def _spell(options: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
