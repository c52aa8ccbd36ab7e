"""Relations as objects: their texts, what they hold, and the forms they refuse."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest

from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order
from vaeaug.errors import InputError

IS_ONE = Condition("a", "==", 1)


@pytest.mark.parametrize(
    ("relation", "text"),
    [
        (Equation("a", "b"), "a == b"),
        (Equation("a b", "`c-d`*2"), "`a b` == `c-d` * 2"),
        (Order("a", "b"), "a <= b"),
        (Order("a", "b+1", strict=True), "a < b + 1"),
        (Order("min", "mean"), "min <= mean"),
        (Dependence(("a", "b c"), "class"), "a, `b c` -> `class`"),
        (Dependence("ab", "c"), "ab -> c"),
        (Dependence(["a", "b"], "c"), "a, b -> c"),
        (Condition("a", "is missing"), "a is missing"),
        (Condition("a b", "!=", "it's"), "`a b` != 'it''s'"),
        (Condition("a", "in", ["x", 2, True]), "a in ('x', 2, True)"),
        (Condition("a", "in", np.array([1, 2])), "a in (1, 2)"),
        (Implication(Condition("a", "<", -2.5), Condition("b", "==", "")), "a < -2.5 implies b == ''"),
    ],
)
def test_objects_are_shown_as_text(relation, text):
    assert str(relation) == text


@pytest.mark.parametrize(
    ("relation", "columns"),
    [
        (Equation("a", "b + c * b"), ("a", "b", "c")),
        (Order("b - d", "a + c"), ("b", "d", "a", "c")),
        (Dependence(("a", "b"), "c"), ("a", "b", "c")),
        (Implication(IS_ONE, Condition("b", "is missing")), ("a", "b")),
        (Implication(IS_ONE, Order("b", "c + d")), ("a", "b", "c", "d")),
        (Implication(IS_ONE, Equation("b", "c")), ("a", "b", "c")),
    ],
)
def test_objects_list_their_columns(relation, columns):
    assert relation.columns == columns


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (pd.Timestamp("2020-01-02"), "2020-01-02T00:00:00"),
        (datetime.date(2020, 1, 2), "2020-01-02"),
        (datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.UTC), "2020-01-02T03:00:00+00:00"),
        (np.datetime64("2020-01-02"), "2020-01-02"),
        (np.datetime64("2020-01-02", "ns"), "2020-01-02T00:00:00.000000000"),
        ("NaT", "NaT"),
        ("", ""),
    ],
)
def test_values_become_plain(value, stored):
    found = Condition("a", "==", value).value
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.float32("nan")])
def test_missing_values_are_refused(value):
    with pytest.raises(InputError, match="of missing cells write 'is missing'"):
        Condition("a", "==", value)


@pytest.mark.parametrize(
    "value", [np.inf, b"x", np.timedelta64(3, "ns"), [1], ("a",), {}, 1j, 2**65, np.longdouble(1), object()]
)
def test_values_of_other_types_are_refused(value):
    with pytest.raises(InputError, match="a text, a finite number, True, False or a date, got"):
        Condition("a", "==", value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Equation(3, "b"), "a column's name is a text, got 3"),
        (lambda: Equation("a", 3), "a formula is a text, got int"),
        (
            lambda: Equation("a", "b +"),
            "expected a column, a number, a function or '(', got the end.\n    b +\n       ^",
        ),
        (lambda: Equation("a", "3"), "'3' names no column; each side of a relation names one"),
        (lambda: Equation("a", "a + 1"), "a == a + 1 names 'a' on both sides; name it on one only"),
        (lambda: Order("a", "1"), "'1' names no column; each side of a relation names one"),
        (lambda: Order("a", "a + b"), "a <= a + b names 'a' on both sides; name it on one only"),
        (lambda: Order("a", "<"), "expected a column, a number, a function or '(', got '<'"),
        (lambda: Order(None, "a"), "a formula is a text, got NoneType"),
        (lambda: Dependence((), "a"), "sources of a dependence are columns' names, got ()"),
        (lambda: Dependence({"a": 1}, "b"), "sources of a dependence are columns' names, got {'a': 1}"),
        (lambda: Dependence(("a", None), "b"), "a column's name is a text, got None"),
        (lambda: Dependence(("a",), 0), "a column's name is a text, got 0"),
        (lambda: Dependence(("a", "b"), "a"), "a, b -> a names a column twice; name each once"),
        (lambda: Dependence(("a", "a"), "b"), "a, a -> b names a column twice; name each once"),
        (lambda: Condition("a", "="), "operator is one of ==, !=, <, <=, >, >=, in, is missing, got '='"),
        (lambda: Condition("a", ["=="], 1), "operator is one of"),
        (lambda: Condition(1, "==", 1), "a column's name is a text, got 1"),
        (lambda: Condition("a", "is missing", 1), "'is missing' takes no value, got 1"),
        (lambda: Condition("a", "in", "xy"), "'in' takes one or more values, as ('a', 'b'), got 'xy'"),
        (lambda: Condition("a", "in", ()), "'in' takes one or more values, as ('a', 'b'), got ()"),
        (lambda: Condition("a", "in", ["x", None]), "got None; of missing cells write 'is missing'"),
        (
            lambda: Implication(IS_ONE, "b == 1"),
            "what an implication says is a Condition, an Order or an Equation, got 'b == 1'",
        ),
        (
            lambda: Implication(IS_ONE, Condition("b", "!=", 1)),
            "what follows is ==, <, <=, >, >= or 'is missing', got b != 1",
        ),
        (
            lambda: Implication("a == 1", Condition("b", "==", 1)),
            "an implication begins with a Condition, got 'a == 1'",
        ),
        (lambda: Implication(IS_ONE, Condition("a", "==", 2)), "names 'a' on both sides; name two columns"),
    ],
)
def test_wrong_forms_are_refused_at_construction(make, says):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith("relations: ")
    assert says in str(caught.value)


def test_formulas_are_stored_as_they_are_written():
    assert Order("(a)+b", "c") == Order("a + b", "c")


@pytest.mark.parametrize(
    "relation",
    [
        Equation("a", "b"),
        Order("a", "b"),
        Dependence(("a",), "b"),
        Implication(IS_ONE, Condition("b", "==", 2)),
    ],
)
def test_objects_are_values(relation):
    again = pickle.loads(pickle.dumps(relation))
    assert again == relation
    assert hash(again) == hash(relation)
    assert eval(repr(relation)) == relation


def test_a_number_too_long_to_be_shown_is_refused_too():
    with pytest.raises(InputError, match="got a number beyond 64 bits"):
        Condition("a", "==", 10**5000)
