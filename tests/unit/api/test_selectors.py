"""Label and field selectors, as kubectl users write them."""

import pytest

from pyrt.api.errors import ApiError
from pyrt.api.selectors import parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "n": "5", "example.com/x": "y"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (web,db)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app in (web), tier=front", True),
        ("app=web,tier=back", False),
        ("n>4", True),
        ("n<4", False),
        ("app>4", False),
        ("example.com/x=y", True),
        ("missing=", False),
        (" app = web , tier in ( front , back ) ", True),
    ],
)
def test_labels(selector, expected):
    assert parse_labels(selector).matches(LABELS) is expected


@pytest.mark.parametrize(
    "selector", ["=x", "app in web", "app in (web", "app=web,", "-bad", "a=b c", "a>b", "app=wéb", "!"]
)
def test_unparsable_labels_are_a_bad_request(selector):
    with pytest.raises(ApiError) as caught:
        parse_labels(selector)
    assert caught.value.code == 400


SUPPORTED = frozenset({"metadata.name", "status.phase"})


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,status.phase!=Failed", True),
        ("status.phase=Failed", False),
        (r"metadata.name=w\,eb", False),
    ],
)
def test_fields(selector, expected):
    values = {"metadata.name": "web", "status.phase": "Running"}
    assert parse_fields(selector, SUPPORTED, "pods").matches(values.__getitem__) is expected


def test_a_pinned_field_is_found():
    assert parse_fields("metadata.name=web", SUPPORTED, "pods").required("metadata.name") == "web"
    assert parse_fields("metadata.name!=web", SUPPORTED, "pods").required("metadata.name") is None


@pytest.mark.parametrize("selector", ["spec.foo=1", "metadata.name"])
def test_unknown_fields_are_a_bad_request(selector):
    with pytest.raises(ApiError):
        parse_fields(selector, SUPPORTED, "pods")
