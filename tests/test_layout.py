"""The description of an encoded row, which is all that the model side learns about the data."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from vaeaug.layout import KINDS, Layout, Span

SPANS = [
    Span("categorical", 5),
    Span("position", 2),
    Span("hint", 1),
    Span("continuous", 3),
    Span("categorical", 2),
]
LAYOUT = Layout.row(SPANS)


def test_a_row_is_as_wide_as_its_encoded_columns():
    assert LAYOUT.shape == (1 + 2 + 1 + 3 + 1,)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("categorical", [0, 7]), ("position", [1, 2]), ("hint", [3]), ("continuous", [4, 5, 6]), ("pixels", [])],
)
def test_columns_of_a_kind(kind, expected):
    found = LAYOUT.columns(kind)
    assert_array_equal(found, expected)
    assert found.dtype == np.int64


def test_levels_of_the_tokens():
    assert_array_equal(LAYOUT.levels, [5, 2])


def test_only_what_is_learned_has_parameters():
    assert LAYOUT.parameters == 5 + 3 + 2
    assert [span.parameters for span in SPANS] == [5, 0, 0, 3, 2]


@pytest.mark.parametrize(
    "layout", [LAYOUT, Layout.image(3, 8, 4), Layout.row([])], ids=["row", "image", "empty"]
)
def test_json_round_trip(layout):
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout


def test_an_image_is_one_span():
    image = Layout.image(3, 8, 4)
    assert image.is_image
    assert image.shape == (3, 8, 4)
    assert image.spans == (Span("pixels", 96),)
    assert not LAYOUT.is_image


def test_layouts_are_values():
    assert Layout.row(SPANS) == LAYOUT
    assert len({LAYOUT, Layout.row(SPANS)}) == 1


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=f"kind must be one of .*{KINDS[0]}.*got 'text'"):
        Span("text", 1)


@pytest.mark.parametrize("width", [0, -1])
def test_an_empty_span_is_refused(width):
    with pytest.raises(ValueError, match=f"width must be at least 1, got {width}"):
        Span("continuous", width)
