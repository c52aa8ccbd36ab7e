"""Formulas: what they read, compute and write, and what they say where they cannot."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaeaug.data.relations.formula import Formula, write_name
from vaeaug.errors import InputError

ABC = ["a", "b", "c"]
ROW = {"a": np.array([7.0]), "b": np.array([-2.0]), "c": np.array([3.0])}
NAN = float("nan")

#: Names that are no plain words, and one that is.
ODD = [
    *["BILL AMT-1", "größe", "年龄", "class", "1st", "a-b", "p->q", "x`y", "``", "", "implies", "in", "True"],
    *[
        "2020",
        "1e5",
        "round(x, 1)",
        "it's",
        'say "no"',
        "two\nlines",
        " padded ",
        "a,b",
        "e.g.",
        "a == b",
        "min",
    ],
    *["नमस्ते", "e\u0301te", "\u202etxet", "😀", "a\x00b", "²", "ª", "x" * 300],
]


def compute(text, **values):
    columns = {name: np.asarray(value) for name, value in values.items()}
    return Formula.parse(text, list(columns)).evaluate(columns)


def error_of(text, names=ABC):
    with pytest.raises(InputError) as caught:
        Formula.parse(text, names)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *["a + b * c", "(a + b) * c", "a - b - c", "a - (b - c)", "a / b / c", "a / (b * c)", "a / b * c"],
        *[
            "-c ** 2",
            "(-c) ** 2",
            "c ** -b ** 2",
            "(c ** b) ** 2",
            "c ** b ** c",
            "a - -b",
            "a * -b",
            "-(-a)",
        ],
        *["-(a + b)", "2 * a", ".5 * a + 1.", "1e-3 * a", "1E+3*a", "a--b*c", "-a*b", "a ** -c * b", "--a"],
    ],
)
def test_precedence_is_that_of_python(text):
    scope = {name: column[0] for name, column in ROW.items()}
    assert Formula.parse(text, ABC).evaluate(ROW)[0] == pytest.approx(eval(text, {}, scope), rel=1e-15)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("((a)+((b)))", "a + b"),
        ("(a+b)+c", "a + b + c"),
        ("a+(b+c)", "a + (b + c)"),
        ("a-(b-c)", "a - (b - c)"),
        ("a - -b", "a + b"),
        ("a + -b", "a - b"),
        ("-(-a)", "a"),
        ("(a*b)/c", "a * b / c"),
        ("a*(b/c)", "a * (b / c)"),
        ("(-a)**2", "(-a) ** 2"),
        ("-(a**2)", "-a ** 2"),
        ("-(a*b)", "-(a * b)"),
        ("(a**b)**c", "(a ** b) ** c"),
        ("a**(b**c)", "a ** b ** c"),
        ("a**(-b)", "a ** -b"),
        ("(a+b)*c", "(a + b) * c"),
        ("1.0*a+0.10", "1 * a + 0.1"),
        ("1e3*a", "1000 * a"),
        ("round((a),2)", "round(a, 2)"),
        ("floor(a,-1)+min(a,(b))", "floor(a, -1) + min(a, b)"),
    ],
)
def test_a_formula_is_written_with_few_parentheses(text, written):
    assert str(Formula.parse(text, ABC)) == written


NODES = st.recursive(
    st.sampled_from(["a", "b", "`c d`", "2", "0.1", "1e-9", "-3"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(
            "({0[0]}) {0[1]} ({0[2]})".format
        ),
        inner.map("-({})".format),
        inner.map("round({}, 2)".format),
        st.tuples(inner, inner).map("max({0[0]}, {0[1]})".format),
    ),
    max_leaves=12,
)


@given(NODES)
def test_what_is_written_reads_back_as_the_same_formula(text):
    formula = Formula.parse(text, ["a", "b", "c d"])
    again = Formula.parse(str(formula), ["a", "b", "c d"])
    assert again == formula
    assert str(again) == str(formula)


@given(NODES)
def test_what_is_written_computes_the_same_bytes(text):
    values = {"a": np.array([0.1, -2.5, np.nan]), "b": np.array([3.0, 0.0, 1.0]), "c d": np.array([7, 1, 2])}
    formula = Formula.parse(text, list(values))
    assert formula.evaluate(values).tobytes() == Formula.parse(str(formula)).evaluate(values).tobytes()


@given(NODES)
def test_no_result_is_infinite_and_numpy_warns_of_none(text):
    values = {
        "a": np.array([1e308, 0.0, -1.0]),
        "b": np.array([0.0, 1e-308, np.inf]),
        "c d": np.array([3, 0, 2]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = Formula.parse(text, list(values)).evaluate(values)
    assert result.dtype == np.float64
    assert result.shape == (3,)
    assert not np.isinf(result).any()


@pytest.mark.parametrize("name", ODD)
def test_any_name_can_be_written_and_read(name):
    formula = Formula.parse(f"{write_name(name)} + 1", [*ABC, name])
    assert formula.columns == (name,)


@given(st.text(max_size=8))
def test_random_names_can_be_written_and_read(name):
    assert Formula.parse(f"2 * {write_name(name)}", [name]).columns == (name,)


@pytest.mark.parametrize("name", ["größe", "年龄", "class", "min", "log", "_x", "Ünïcode", "lambda"])
def test_words_are_read_without_backticks(name):
    assert Formula.parse(f"{name} * 2", [name]).column is None
    assert Formula.parse(name, [name]).column == name


def test_a_name_is_found_whichever_way_its_accents_are_spelled():
    assert Formula.parse("gr\u00f6\u00dfe", ["gro\u0308\u00dfe"]).columns == ("gro\u0308\u00dfe",)


def test_a_function_and_a_column_may_have_one_name():
    assert compute("min(min, max) * 2", min=[3.0], max=[1.0]).tolist() == [2.0]


def test_columns_are_listed_once_in_the_order_of_appearance():
    assert Formula.parse("c * a + min(b, c) - 3", ABC).columns == ("c", "a", "b")


def test_the_text_stays_as_it_was_written():
    assert Formula.parse("  a+b ", ABC).text == "a+b"


def test_formulas_are_equal_where_they_compute_the_same_way():
    assert Formula.parse("a+(b)", ABC) == Formula.parse("a + b", ABC)
    assert Formula.parse("a + b", ABC) != Formula.parse("b + a", ABC)


def test_a_formula_can_be_pickled():
    formula = Formula.parse("round(a / b, 2)", ABC)
    assert pickle.loads(pickle.dumps(formula)) == formula


@pytest.mark.parametrize(
    ("text", "a", "result"),
    [
        ("round(a, 2)", [1.234, -1.236, 0.125], [1.23, -1.24, 0.12]),
        ("round(a)", [0.5, 1.5, -0.4], [0.0, 2.0, 0.0]),
        ("round(a, -2)", [149.0, 151.0, 1e300], [100.0, 200.0, 1e300]),
        ("floor(a, 2)", [0.29, 0.299, -0.001], [0.29, 0.29, -0.01]),
        ("floor(a)", [2.9, -2.1, 3.0], [2.0, -3.0, 3.0]),
        ("ceil(a, 1)", [0.3, 0.31, -0.39], [0.3, 0.4, -0.3]),
        ("floor(0.1 * 3 * a)", [10.0], [3.0]),
        ("round(a, 15)", [1e300, 123456789.123], [1e300, 123456789.123]),
        ("mean(a, 2 * a, 0)", [1.0, 4.0], [1.0, 4.0]),
        ("sum(a, a, 1)", [1.0], [3.0]),
        ("max(a, 0) - min(a, 0)", [-2.0, 3.0], [2.0, 3.0]),
        ("sqrt(a) + log(exp(a))", [4.0], [6.0]),
        ("3", [1.0, 2.0], [3.0, 3.0]),
        ("a + 1", [True, False], [2.0, 1.0]),
        ("a + 1", np.array([250], dtype=np.uint8), [251.0]),
    ],
)
def test_functions_compute(text, a, result):
    assert compute(text, a=a).tolist() == pytest.approx(result, rel=1e-15)


@pytest.mark.parametrize("k", range(-3, 6))
def test_rounding_is_that_of_numpy(k):
    numbers = np.random.default_rng(0).normal(scale=1000, size=200)
    assert (compute(f"round(a, {k})", a=numbers) == np.round(numbers, k)).all()


@pytest.mark.parametrize("k", range(5))
def test_floor_and_ceil_leave_rounded_numbers_alone(k):
    numbers = np.round(np.random.default_rng(0).normal(scale=1000, size=2000), k)
    assert (compute(f"floor(a, {k})", a=numbers) == numbers).all()
    assert (compute(f"ceil(a, {k})", a=numbers) == numbers).all()


@pytest.mark.parametrize(
    "text",
    [
        *["a + 1", "min(a, 1)", "max(1, a)", "a ** 0", "1 ** a", "mean(a, 1)", "round(a, 1)", "a * 0", "-a"],
    ],
)
def test_a_missing_operand_makes_a_missing_result(text):
    assert np.isnan(compute(text, a=[NAN]))


@pytest.mark.parametrize(
    "text",
    [
        *[
            "1 / a",
            "a / a",
            "1 / (1 / a)",
            "log(a)",
            "0 ** -1 + a",
            "sqrt(a - 1)",
            "exp(a + 1000)",
            "(a - 8) ** .5",
        ],
        *["1e308 * 10 + a", "min(1 / a, 1)", "1 / a * a"],
    ],
)
def test_what_is_not_finite_is_missing(text):
    assert np.isnan(compute(text, a=[0.0]))


def test_the_values_are_not_changed():
    column = np.array([1.0, 2.0])
    result = Formula.parse("a", ["a"]).evaluate({"a": column})
    result[0] = 9.0
    assert column.tolist() == [1.0, 2.0]


def test_a_total_of_many_columns_computes():
    names = [f"x{i}" for i in range(3000)]
    total = Formula.parse(" + ".join(names), names)
    assert total.evaluate({name: np.ones(2) for name in names}).tolist() == [3000.0, 3000.0]
    assert str(total) == total.text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a +* b", "expected a column, a number, a function or '(', got '*'.\n    a +* b\n       ^"),
        ("", "expected a column, a number, a function or '(', got the end.\n    \n    ^"),
        ("a b", "expected an operator or the end, got 'b'.\n    a b\n      ^"),
        ("2a", "expected an operator or the end, got 'a'.\n    2a\n     ^"),
        ("(a + b", "expected ')', got the end.\n    (a + b\n          ^"),
        ("a + b)", "expected an operator or the end, got ')'.\n    a + b)\n         ^"),
        ("a % b", "expected an operator or the end, got '%'.\n    a % b\n      ^"),
        ("a ^ 2", "expected an operator or the end, got '^'; write **.\n    a ^ 2\n      ^"),
        ("a × b", "expected an operator or the end, got '×'; write *.\n    a × b\n      ^"),
        ("+a", "expected a column, a number, a function or '(', got '+'.\n    +a\n    ^"),
        ("a + `b", "the quote ` is not closed.\n    a + `b\n        ^"),
        (
            "a + 'b'",
            "texts stand in conditions of 'implies' only; columns are written in backticks, and new rows ",
        ),
        ("a + True", "expected a column, a number, a function or '(', got 'True'."),
        ("a + 1e999", "this number is too large.\n    a + 1e999\n        ^"),
        (
            "abs(a)",
            "there is no function 'abs'; there are round, floor, ceil, min, max, mean, sum, log, exp, sqrt, "
            "days, hours, minutes, seconds, weeks.",
        ),
        ("log(a, b)", "log takes one argument, got 2."),
        ("round(a, b)", "write round(x, k) with a whole number k from -15 to 15."),
        ("ceil(a, 16)", "write ceil(x, k) with a whole number k from -15 to 15."),
        ("floor(a, 1, 2)", "write floor(x, k) with a whole number k from -15 to 15."),
        ("round(a, 1.5)", "write round(x, k) with a whole number k from -15 to 15."),
        ("min()", "expected a column, a number, a function or '(', got ')'."),
        ("d + a", "there is no column 'd'. The columns are 'a', 'b', 'c'.\n    d + a\n    ^"),
        ("a - `B `", "there is no column 'B '. Did you mean 'b'? The columns are 'a', 'b', 'c'."),
    ],
)
def test_errors_say_what_is_wrong_and_where(text, says):
    assert error_of(text).startswith(f"relations: {says}")


@pytest.mark.parametrize("text", ["AMOUNT", "amout", "Amonut", "`amount `", "amount_"])
def test_a_misspelled_column_is_guessed(text):
    assert "Did you mean 'amount'?" in error_of(text, ["amount", "rate", "term"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BILL AMT-1 + a", "BILL AMT-1"),
        ("a + BILL AMT-1", "BILL AMT-1"),
        ("1st + a", "1st"),
        ("in + a", "in"),
        ("a * p->q", "p->q"),
        ("x.y", "x.y"),
    ],
)
def test_a_name_that_needs_backticks_is_shown_with_them(text, name):
    assert f" A name that is no plain word needs backticks: `{name}`\n" in error_of(
        text, [*ABC, "x", "BILL", name]
    )


def test_the_caret_stands_under_wide_letters():
    # Terminals give Chinese letters two places.
    assert error_of("年龄 + 高", ["年龄"]).endswith("\n    年龄 + 高\n           ^")


def test_of_a_long_text_the_part_around_the_place_is_shown():
    lines = error_of(" + ".join(["a"] * 400) + " ! " + " + ".join(["b"] * 400)).splitlines()
    assert len(lines[1]) < 120
    assert lines[1][lines[2].index("^")] == "!"


def test_a_text_of_several_lines_is_shown_as_one():
    assert error_of("a +\n\td").endswith("\n    a +  d\n         ^")


@pytest.mark.parametrize("text", ["(" * 5000 + "a", "-" * 5000 + "a", "a" + " ** a" * 5000, "min(" * 5000])
def test_deep_nesting_is_refused(text):
    assert "nested more than 50 deep" in error_of(text)


@pytest.mark.parametrize("text", [None, 3, b"a", ["a"], NAN])
def test_a_formula_is_a_text(text):
    with pytest.raises(InputError, match="a formula is a text, got"):
        Formula.parse(text, ABC)


def test_without_names_any_name_is_a_column():
    assert Formula.parse("foo + `b a r`").columns == ("foo", "b a r")


def test_a_column_that_is_not_among_the_values_is_named():
    with pytest.raises(InputError, match="needs column 'b', which is not among the values"):
        Formula.parse("a + b").evaluate({"a": np.ones(2)})


@pytest.mark.parametrize("column", [["x"], [None], [1j], np.array(["2020-01-01"], dtype="M8[D]")])
def test_a_column_of_something_else_than_numbers_is_named(column):
    with pytest.raises(InputError, match="column 'a' holds .*; a formula needs numbers"):
        compute("a + 1", a=column)


PIECES = [
    *[
        "a",
        "b",
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
        "/",
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
        "in",
        "True",
        "1",
        "2.5",
        "1e400",
        ".",
        "round",
        "min",
        "log",
        " ",
        "\n",
        "ü",
        "!",
    ],
]


@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=15).map("".join)))
def test_random_texts_are_read_or_refused(text):
    names = ["a", "b", "c d"]
    try:
        formula = Formula.parse(text, names)
    except InputError:
        return
    assert Formula.parse(str(formula), names) == formula
