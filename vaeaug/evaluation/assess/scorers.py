"""Scorers of scikit-learn that are about one class: which one."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import numpy as np
from sklearn.metrics import make_scorer

__all__ = ["about_class"]


def about_class(
    scorer: Callable[..., float], classes: np.ndarray, number: int, *, named: bool
) -> tuple[bool, Callable[..., float]]:
    """Return whether a scorer is about one class, and a scorer that is about the class in question.

    Recall, precision and the like are those of the label 1 unless another one is named, and refuse labels
    that are text.

    Parameters
    ----------
    scorer : callable
    classes : ndarray (k,)
        Sorted labels.
    number : int
        Of the class in question.
    named : bool
        Whether the scorer was asked for by a name alone, such as "recall". A scorer that was made keeps its
        label, if there is such a class.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.metrics import get_scorer
    >>> from vaeaug.evaluation.assess.scorers import about_class
    >>> X, y = np.zeros((4, 1)), np.array(["no", "no", "yes", "no"])
    >>> about, recall = about_class(get_scorer("recall"), np.array(["no", "yes"]), 1, named=True)
    >>> about, float(recall(DummyClassifier(strategy="constant", constant="yes").fit(X, y), X, y))
    (True, 1.0)
    """
    function = getattr(scorer, "_score_func", None)
    given = dict(getattr(scorer, "_kwargs", {}))
    parameters = signature(function).parameters if function is not None else {}
    if function is None or "pos_label" not in parameters or "pos_label" in given:
        return False, scorer
    is_averaged = given.get("average", "binary") != "binary"
    keeps_its_label = not named and parameters["pos_label"].default in classes.tolist()
    if is_averaged or keeps_its_label:
        return False, scorer
    if len(classes) == 2:
        options = {**given, "pos_label": classes.tolist()[number]}
    elif {"average", "labels"} <= set(parameters):
        options = {**given, "pos_label": None, "labels": [classes.tolist()[number]], "average": "macro"}
    else:
        return False, scorer
    return True, make_scorer(
        function,
        greater_is_better=scorer._sign > 0,  # type: ignore[attr-defined]
        response_method=scorer._response_method,  # type: ignore[attr-defined]
        **options,
    )
