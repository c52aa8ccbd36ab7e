"""Declared relations: what is read from text and objects, and what is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaeaug.data.relations.formula import write_name
from vaeaug.data.relations.objects import Condition, Dependence, Equation, Implication, Order
from vaeaug.data.relations.parsing import parse_relation, parse_relations
from vaeaug.errors import InputError

NAMES = [
    "a",
    "b",
    "c",
    "d",
    "city",
    "state",
    "min",
    "mean",
    "max",
    "BILL AMT-1",
    "größe",
    "class",
    "1st",
    "a-b",
    "p->q",
]
ODD = [
    "BILL AMT-1",
    "größe",
    "年龄",
    "class",
    "1st",
    "a-b",
    "p->q",
    "x`y",
    "",
    "implies",
    "in",
    "a == 'x'",
    "two\nlines",
]


def read(text, names=NAMES):
    return [str(relation) for relation in parse_relation(text, names)]


def error_of(declared, names=NAMES):
    with pytest.raises(InputError) as caught:
        (parse_relations if isinstance(declared, list) else parse_relation)(declared, names)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("b >= a", [Order("a", "b")]),
        ("a < b", [Order("a", "b", strict=True)]),
        ("a+1 <= b", [Order("a + 1", "b")]),
        ("min <= mean <= max", [Order("min", "mean"), Order("mean", "max")]),
        ("max >= mean > min", [Order("mean", "max"), Order("min", "mean", strict=True)]),
        ("a <= b == c", [Order("a", "b"), Equation("b", "c")]),
        ("a == b", [Equation("a", "b")]),
        ("a == b + c", [Equation("a", "b + c")]),
        ("b + c == a", [Equation("a", "b + c")]),
        ("round(b * c, 2) == a", [Equation("a", "round(b * c, 2)")]),
        ("a == b == c", [Equation("a", "b"), Equation("b", "c")]),
        ("city -> state", [Dependence(("city",), "state")]),
        ("a,b->state", [Dependence(("a", "b"), "state")]),
        ("a -> b, c", [Dependence(("a",), "b"), Dependence(("a",), "c")]),
        ("`p->q` -> `a-b`", [Dependence(("p->q",), "a-b")]),
        ("class <= größe", [Order("`class`", "`größe`")]),
        ("a == 'no' implies b == 0", [Implication(Condition("a", "==", "no"), Condition("b", "==", 0))]),
        ("a == 1 implies b < -2", [Implication(Condition("a", "==", 1), Condition("b", "<", -2))]),
        (
            "a < 1 implies c >= b >= 2 * a",
            [
                Implication(Condition("a", "<", 1), Order("b", "c")),
                Implication(Condition("a", "<", 1), Order("2 * a", "b")),
            ],
        ),
        (
            "a is missing implies `a-b` == b",
            [Implication(Condition("a", "is missing"), Equation("a-b", "b"))],
        ),
        ('a != "no" implies b == 0.5', [Implication(Condition("a", "!=", "no"), Condition("b", "==", 0.5))]),
        (
            "a is missing implies b is missing",
            [Implication(Condition("a", "is missing"), Condition("b", "is missing"))],
        ),
        (
            "a in ('x', ')', -2) implies b == 'implies'",
            [Implication(Condition("a", "in", ("x", ")", -2)), Condition("b", "==", "implies"))],
        ),
        (
            "a in ('x',) implies b == -1e3",
            [Implication(Condition("a", "in", ("x",)), Condition("b", "==", -1000.0))],
        ),
        (
            "a >= '2020-01-01' implies b == True",
            [Implication(Condition("a", ">=", "2020-01-01"), Condition("b", "==", True))],
        ),
        (
            "`1st` == 'a -> b' implies `a-b` == 'it''s'",
            [Implication(Condition("1st", "==", "a -> b"), Condition("a-b", "==", "it's"))],
        ),
        ("  a\n<=\tb ", [Order("a", "b")]),
    ],
)
def test_texts_are_read(text, relations):
    assert parse_relation(text, NAMES) == relations


@pytest.mark.parametrize(
    "text", ["a == 1 implies b == 2", "a == 1 implies b == 2.0", "a == 1 implies b == True"]
)
def test_values_keep_their_types(text):
    assert read(text) == [text]


VALUES = st.one_of(
    st.text(max_size=6),
    st.integers(-(2**63), 2**64 - 1),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
)
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def make_conditions(name):
    return st.one_of(
        st.builds(Condition, st.just(name), OPERATORS, VALUES),
        st.builds(Condition, st.just(name), st.just("in"), st.lists(VALUES, min_size=1, max_size=3)),
        st.just(Condition(name, "is missing")),
    )


def make_relations(name):
    """Return a strategy of relations between a column and the column z."""
    column = write_name(name)
    consequence = st.builds(Condition, st.just(name), st.just("=="), VALUES) | st.just(
        Condition(name, "is missing")
    )
    return st.one_of(
        st.just(Equation(name, "round(z * 0.1, 2) + z")),
        st.just(Equation("z", f"-{column} / 2")),
        st.builds(Order, st.just(f"-{column} ** 2"), st.just("z / 3"), st.booleans()),
        st.just(Dependence((name, "y"), "z")),
        st.just(Dependence(("z",), name)),
        st.builds(Implication, make_conditions(name), st.just(Condition("z", "==", 1))),
        st.builds(Implication, make_conditions("z"), consequence),
    )


@given(
    st.data(),
    st.one_of(st.sampled_from(ODD), st.text(max_size=5)).filter(lambda name: name not in "yz" or not name),
)
def test_an_object_is_read_back_from_its_text(data, name):
    relation = data.draw(make_relations(name))
    assert parse_relation(str(relation), ["y", "z", name]) == [relation]
    assert parse_relation(relation, ["y", "z", name]) == [relation]
    assert read(relation, ["y", "z", name]) == [str(relation)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = b", "expected <, <=, >, >=, == or an operator, got '='; write ==.\n    a = b\n      ^"),
        ("a => b", "expected <, <=, >, >=, == or an operator, got '=>'; write '>=' or 'implies'."),
        ("a =< b", "expected <, <=, >, >=, == or an operator, got '=<'; write <=."),
        ("a ≤ b", "expected <, <=, >, >=, == or an operator, got '≤'; write <=."),
        ("a → b", "expected <, <=, >, >=, == or an operator, got '→'; write ->."),
        ("a != b", "expected <, <=, >, >=, == or an operator, got '!='."),
        ("a <= b, c", "expected an operator, got ','.\n    a <= b, c\n          ^"),
        ("a <= b <", "expected a column, a number, a function or '(', got the end."),
        (
            "a <= 'b'",
            "texts stand in conditions of 'implies' only; columns are written in backticks, and new rows ",
        ),
        (
            "a",
            "a relation reads as 'end >= start', 'low <= mid <= high', 'total == net + tax', 'city -> state'",
        ),
        ("", "a relation reads as 'end >= start', "),
        (" \n", "a relation reads as 'end >= start', "),
        (
            "a is missing",
            "a condition alone is no relation; join two by 'implies'.\n    a is missing\n      ^",
        ),
        ("a in ('x')", "a condition alone is no relation; join two by 'implies'."),
        ("a <= 3", "the side 3 names no column; each side of a relation names one.\n    a <= 3\n         ^"),
        (
            "0 <= a <= b",
            "the side 0 names no column; each side of a relation names one.\n    0 <= a <= b\n    ^",
        ),
        ("a == 2 * 3", "the side 2 * 3 names no column"),
        (
            "2*a == 3*b",
            "neither side is a single column; solve for one, as 'total == net + tax'."
            "\n    2*a == 3*b\n        ^",
        ),
        ("a >= a + 1", "a + 1 <= a names 'a' on both sides; name it on one only.\n    a >= a + 1\n      ^"),
        ("a == a", "a == a names 'a' on both sides; name it on one only."),
        ("a == b + a", "a == b + a names 'a' on both sides; name it on one only."),
        ("foo -> a", "there is no column 'foo'. The columns are 'a', 'b', 'c', 'd', 'city', "),
        ("a -> stat", "there is no column 'stat'. Did you mean 'state'? The columns are 'a', "),
        ("ctiy == 1 implies a == 0", "there is no column 'ctiy'. Did you mean 'city'?"),
        ("a == 1 implies stat == 0", "there is no column 'stat'. Did you mean 'state'?"),
        ("a -> a", "a -> a names a column twice; name each once.\n    a -> a\n      ^"),
        ("a, b -> b", "a, b -> b names a column twice; name each once."),
        ("a -> ", "expected a column, got the end.\n    a -> \n         ^"),
        ("-> a", "expected a column, got '->'."),
        ("a -> b -> c", "expected an operator or the end, got '->'."),
        ("a + b -> c", "expected '->', got '+'."),
        ("a == no implies b == 0", "expected a number, True, False, or a text or date in quotes, got 'no'."),
        ("a == 2020-01-01 implies b == 0", "dates, and codes that begin with 0, are put in quotes."),
        ("a == 007 implies b == 0", "dates, and codes that begin with 0, are put in quotes."),
        ("a == nan implies b == 0", "a missing value is no value to compare with; write 'is missing'."),
        ("a == None implies b == 0", "a missing value is no value to compare with; write 'is missing'."),
        ("a == 1e999 implies b == 0", "this number is too large.\n    a == 1e999 implies b == 0\n         ^"),
        ("a == 99999999999999999999 implies b == 0", "a condition's value is a text, a finite number, "),
        ("a == -'x' implies b == 0", "expected a number, True, False, or a text or date in quotes, got 'x'."),
        ("a in () implies b == 0", "expected a number, True, False, or a text or date in quotes, got ')'."),
        ("a in ('x' 'y') implies b == 0", "expected ')', got 'y'."),
        ("a in 'x' implies b == 0", "expected '(', got 'x'."),
        ("a is not missing implies b == 0", "expected 'missing', got 'not'."),
        ("a implies b", "expected ==, !=, <, <=, >, >=, 'in' or 'is missing', got 'implies'."),
        ("a == 1 and b == 1 implies c == 0", "expected 'implies', got 'and'."),
        ("a == 1 implies", "expected a column, got the end."),
        (
            "a == 1 implies b != 2",
            "what follows is ==, <, <=, >, >= or 'is missing', got b != 2.\n"
            "    a == 1 implies b != 2\n           ^",
        ),
        ("a == 1 implies a == 2", "a == 1 implies a == 2 names 'a' on both sides; name two columns."),
        ("a == 1 implies b <= c implies d <= 3", "expected an operator, got 'implies'."),
        ("a == 1 implies b + c == 3", "the side 3 names no column; each side of a relation names one."),
        ("a == 1 implies b == 2 implies c == 3", "expected an operator or the end, got 'implies'."),
        (Order("foo", "a"), "there is no column 'foo'. The columns are 'a', "),
        (Condition("a", "==", 1), "a relation reads as 'end >= start', "),
        (None, "a relation reads as 'end >= start', "),
        (("a", "b"), "a relation reads as 'end >= start', "),
    ],
)
def test_errors_say_what_is_wrong_and_where(text, says):
    assert error_of(text).startswith(f"relations: {says}")


def test_a_side_that_looks_like_a_number_may_be_a_column():
    assert "needs backticks: `2020`" in error_of("2020 <= a", [*NAMES, "2020"])


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (["a < b", "b > a"], "'a < b' repeats 'a < b'; leave one out."),
        (["a <= b", "a < b"], "'a < b' repeats 'a <= b'; leave one out."),
        (["a -> b", Dependence("a", "b")], "'a -> b' repeats 'a -> b'; leave one out."),
        (["a, b -> c", "b, a -> c"], "'b, a -> c' repeats 'a, b -> c'; leave one out."),
        (["a == b + c", "b+c == a"], "'a == b + c' repeats 'a == b + c'; leave one out."),
        (
            ["a == 1 implies b == 0", "a == 1.0 implies b == 0"],
            "'a == 1.0 implies b == 0' repeats 'a == 1 implies b == 0'; leave one out.",
        ),
        (
            ["a == b", "a == c"],
            "'a == b' contradicts 'a == c'; a column is computed once: turn one round, or leave it out.",
        ),
        (
            ["a == 1 implies b == 0", "a == 1 implies b is missing"],
            "'a == 1 implies b == 0' contradicts 'a == 1 implies b is missing'; "
            "one condition, two consequences: leave one out.",
        ),
        (["a == b", "a < b"], "'a == b' and 'a < b' contradict each other; leave one out."),
        (["b > a", "a == b"], "'a < b' and 'a == b' contradict each other; leave one out."),
        (["a == b + c", "a < b + c"], "'a == b + c' and 'a < b + c' contradict each other; leave one out."),
        (["a < b", "b < a"], "'a < b' and 'b < a' contradict each other; leave one out."),
        (["a < b <= c", "c <= a"], "'a < b' and 'b <= c' and 'c <= a' contradict each other; leave one out."),
        (
            ["a == b == c", "d == 2 * a", "c < a"],
            "'a == b' and 'b == c' and 'c < a' contradict each other; leave one out.",
        ),
        (["a <= b", "b <= a"], "'a <= b' and 'b <= a' leave only equal sides; write == alone."),
        (["a == b", "a <= b"], "'a == b' and 'a <= b' leave only equal sides; write == alone."),
        (
            ["a == b", "b == a"],
            "'a == b' and 'b == a' compute 'b' from itself, 'b' -> 'a' -> 'b'; leave one out.",
        ),
        (
            ["city -> state", "state -> city"],
            "'city -> state' and 'state -> city' compute 'state' from itself, 'state' -> 'city' -> 'state'; "
            "leave one out.",
        ),
        (
            ["a == b + c", "c, d -> city", "city, a -> b"],
            "'a == b + c' and 'city, a -> b' compute 'b' from itself, 'b' -> 'a' -> 'b'; leave one out.",
        ),
        ([3], "a relation reads as 'end >= start', "),
        (["a < b", "a < foo"], "there is no column 'foo'."),
    ],
)
def test_relations_that_cannot_all_be_are_named(declared, says):
    assert error_of(declared).startswith(f"relations: {says}")


@pytest.mark.parametrize(
    "declared",
    [
        [],
        ("a < b",),
        ["a <= b", "a <= c", "b <= c"],
        ["a == b + c", "d <= a", "b <= d"],
        ["a == b", "c == a", "d == a + c"],
        ["a == b", "b <= c"],
        ["a -> c", "b -> c"],
        ["a is missing implies b is missing", "b is missing implies a is missing"],
        ["a == 1 implies b == 0", "a == 2 implies b == 1", "a == 1 implies c == 0"],
    ],
)
def test_relations_that_go_together_are_read(declared):
    assert [str(one) for one in parse_relations(declared, NAMES)] == [
        text for one in declared for text in read(one)
    ]


@pytest.mark.parametrize("declared", ["a < b", {"a < b"}, None, 3, Order("a", "b")])
def test_relations_come_in_a_list(declared):
    with pytest.raises(InputError, match="expected a list of relations, got"):
        parse_relations(declared, NAMES)


def test_the_arguments_are_not_changed():
    declared, names = ["a < b", "b < c"], list(NAMES)
    parse_relations(declared, names)
    assert declared == ["a < b", "b < c"]
    assert names == NAMES


PIECES = [
    *[
        "a",
        "b",
        "c",
        "`c d`",
        "`",
        "'",
        '"',
        "'x'",
        "(",
        ")",
        ",",
        "+",
        "-",
        "*",
        "**",
        "<=",
        "<",
        "==",
        "=",
        "->",
    ],
    *[
        "implies",
        "is",
        "missing",
        "is missing",
        "in",
        "True",
        "1",
        "007",
        "1e400",
        ".",
        "min",
        "log(",
        "\n",
        "ü",
        "!",
    ],
]


@given(
    st.one_of(
        st.text(max_size=30),
        st.text("ab <=>-+*/(),'`!.1eE", max_size=30),
        st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join),
        st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    )
)
def test_random_texts_are_read_or_refused(text):
    names = ["a", "b", "c", "c d"]
    try:
        relations = parse_relation(text, names)
    except InputError:
        return
    assert [again for one in relations for again in parse_relation(str(one), names)] == relations


@given(
    st.lists(
        st.builds(
            "{} {} {}".format,
            st.sampled_from("abcd"),
            st.sampled_from(["<", "<=", "==", "->"]),
            st.sampled_from("abcd"),
        ),
        max_size=5,
    )
)
def test_random_lists_are_read_or_refused(declared):
    try:
        relations = parse_relations(declared, NAMES)
    except InputError:
        return
    assert [str(one) for one in relations] == declared
