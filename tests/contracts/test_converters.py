"""Data from outside is taken as it is or refused by its path; nothing is guessed."""

import contextlib
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from cattrs.gen import make_dict_unstructure_fn
from gateway_contracts import (
    Call,
    CallEvent,
    CallRecord,
    Customer,
    Direction,
    InvalidValue,
    Leg,
    Outcome,
    Page,
    QueueCustomer,
    Secret,
    StartedCall,
    Tenant,
    Timeouts,
    dumps,
    from_json,
    from_settings,
    from_text,
    loads,
    nearest,
    to_json,
)
from gateway_contracts.converters import loads_mended, to_json_lines
from gateway_contracts.converters.plain import copied, plain_converter
from gateway_contracts.converters.shapes import by_shape
from hypothesis import given
from hypothesis import strategies as st


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@attrs.frozen(kw_only=True)
class Item:
    name: str
    count: int = 0


@attrs.frozen(kw_only=True)
class Box:
    label: str
    items: tuple[Item, ...] = ()
    size: Size = Size.SMALL
    by_name: dict[str, Item] = attrs.field(factory=dict)
    open_at: datetime | None = None
    any_of: int | str | None = None
    secret: Secret | None = None
    anything: Any = None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, str),
        (1, str),
        (True, str),
        (b"x", str),
        ("false", bool),
        (0, bool),
        (None, bool),
        (1.9, int),
        (1.0, int),
        ("1", int),
        (True, int),
        (None, int),
        (2**63, int),
        (-(2**63) - 1, int),
        ("1.5", float),
        (True, float),
        (float("nan"), float),
        (float("inf"), float),
        pytest.param(10**400, float, id="huge"),
        ("inbound ", Direction),
        ("INBOUND", Direction),
        (None, Direction),
        ([], Direction),
        (3, Size),
        (1, Secret),
        (None, Secret),
        ("text", tuple[str, ...]),
        ({"a": 1}, tuple[str, ...]),
        ({"a", "b"}, tuple[str, ...]),
        (None, Sequence[str]),
        ([], dict[str, int]),
        ("text", dict[str, int]),
        (None, dict[str, int]),
        (5, Mapping[str, int]),
        ({"a": "1"}, dict[str, int]),
        ([], Item),
        ("text", Item),
        (None, Item),
        ({}, Item),
        (1, datetime),
        (date(2026, 1, 31), datetime),
        (True, int | None),
        (1.5, int | str),
    ],
)
def test_a_value_of_another_type_is_refused(value, kind):
    """What cattrs would turn into something (None into "None", "false" into True, 1.9 into 1) is refused."""
    with pytest.raises(InvalidValue):
        from_json(value, kind)


@pytest.mark.parametrize(
    ("expected", "value", "kind"),
    [
        ("x", "x", str),
        (2**63 - 1, 2**63 - 1, int),
        (1.0, 1, float),
        (1.5, 1.5, float),
        (True, True, bool),
        (Direction.INBOUND, "inbound", Direction),
        (Direction.INBOUND, Direction.INBOUND, Direction),
        (Size.LARGE, 2, Size),
        (Leg.A, "a", Leg | None),
        (None, None, Leg | None),
        (None, None, int | None),
        (5, 5, int | str),
        ("5", "5", int | str),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00Z", datetime | str),
        ("tomorrow", "tomorrow", datetime | str),
        (Secret("x"), "x", Secret | str),
        (("a", "b"), ["a", "b"], tuple[str, ...]),
        (("a",), ("a",), Sequence[str]),
        (["a"], ["a"], list[str]),
        ({"a": 1}, {"a": 1}, dict[str, int]),
        ({"a": 1}, {"a": 1}, Mapping[str, int]),
        (Secret("x"), "x", Secret),
        (Item(name="a", count=1), {"name": "a", "count": 1}, Item),
        (Item(name="a"), Item(name="a"), Item),
        (Page(items=(Item(name="a"),)), {"items": [{"name": "a"}]}, Page[Item]),
    ],
)
def test_a_value_of_its_own_type_is_taken(expected, value, kind):
    """What has the right type, or is the instance already, comes through."""
    found = from_json(value, kind)

    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("label", {"label": 1}),
        ("label", {}),
        ("items[3].name", {"label": "x", "items": [{"name": "a"}] * 3 + [{"name": None}]}),
        ("items[0].name", {"label": "x", "items": [{}]}),
        ("items", {"label": "x", "items": {}}),
        ("items[1]", {"label": "x", "items": [{"name": "a"}, "b"]}),
        ("size", {"label": "x", "size": 9}),
        ("open_at", {"label": "x", "open_at": "yesterday"}),
        ("any_of", {"label": "x", "any_of": 1.5}),
        ("secret", {"label": "x", "secret": 5}),
    ],
)
def test_a_bad_value_is_named_by_its_path(path, value):
    """The error's `fields` hold exactly the path of the bad value, and its text says it too."""
    with pytest.raises(InvalidValue) as caught:
        from_json(value, Box)

    assert [path] == list(caught.value.fields)
    assert path in str(caught.value)


def test_a_bad_value_in_a_table_is_named_by_its_key():
    """A key of a table is part of the path, as it is in `accounts.hanoi.settings`."""
    with pytest.raises(InvalidValue) as caught:
        from_json({"label": "x", "by_name": {"left": {"name": "a"}, "right": {"name": 1}}}, Box)

    assert ["by_name.right.name"] == list(caught.value.fields)


def test_every_bad_value_is_named_at_once():
    """Somebody who mends a file sees all that is wrong with it."""
    with pytest.raises(InvalidValue) as caught:
        from_json({"label": 1, "items": [{"name": 2}, {"name": "b", "count": "c"}]}, Box)

    assert {"label", "items[0].name", "items[1].count"} == set(caught.value.fields)


def test_unknown_keys_are_refused_with_the_nearest_name_where_they_are_ours():
    """Our own configuration and API refuse a misspelt key and say what was meant."""
    with pytest.raises(InvalidValue) as caught:
        from_json({"label": "x", "items": [{"name": "a", "cuont": 1}]}, Box, refuse_unknown=True)

    assert {"items[0].cuont": "is not known here (did you mean 'count'?)"} == caught.value.fields


def test_unknown_keys_of_vendors_are_ignored():
    """A vendor may add to its answers whenever it likes."""
    assert Item(name="a") == from_json({"name": "a", "new": {"deep": [1]}}, Item)


@pytest.mark.parametrize(("expected", "name"), [(" (did you mean 'count'?)", "coutn"), ("", "zzz"), ("", "")])
def test_the_nearest_name_is_a_hint_and_only_when_near(expected, name):
    """A name that is like no other gets no hint."""
    assert expected == nearest(name, ["count", "name"])


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (datetime(2026, 1, 31, 9, tzinfo=UTC), "2026-01-31T09:00:00Z"),
        (datetime(2026, 1, 31, 2, tzinfo=UTC), "2026-01-31T09:00:00+07:00"),
        (datetime(2026, 1, 31, 9, 0, 0, 250_000, tzinfo=UTC), "2026-01-31T09:00:00.25Z"),
        (datetime(2026, 1, 30, 19, tzinfo=UTC), "2026-01-31 09:00:00+14:00"),
    ],
)
def test_times_leave_in_utc(expected, text):
    """Whatever zone a time is written in, it is the same moment in UTC."""
    found = from_json(text, datetime)

    assert expected == found
    assert timedelta(0) == found.utcoffset()


def test_an_aware_datetime_is_taken_into_utc():
    """A datetime of another zone, as an application gives it, is turned to UTC too."""
    given = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=7)))

    found = from_json(given, datetime)

    assert given == found
    assert timedelta(0) == found.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 31),
        "2026-01-31T09:00:00",
        "2026-01-31",
        "",
        " ",
        "0",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-31T09:00:00+99:00",
        "\ud800",
        "2026-01-31T09:00:00Z" * 1000,
    ],
)
@pytest.mark.parametrize("read", [from_json, from_text])
def test_times_without_zone_or_out_of_range_are_refused(read, value):
    """A time that could mean several moments, or none that there is, is not guessed."""
    with pytest.raises(InvalidValue):
        read(value, datetime)


@pytest.mark.parametrize(
    ("expected", "text", "kind"),
    [
        (5, "5", int),
        (-5, "-5", int | None),
        (1.5, "1.5", float),
        (True, "TRUE", bool),
        (True, "1", bool),
        (False, "no", bool),
        ("null", "null", str | None),
        (True, "true", bool | str),
        (Direction.INBOUND, "inbound", Direction | None),
        (Secret("x"), "x", Secret),
        (("a",), "a", Sequence[str]),
        (("a", "b"), ["a", "b"], Sequence[str]),
        (("a", "b"), '["a", "b"]', Sequence[str]),
        (
            (QueueCustomer(customer_id="1", numbers=("2",)),),
            '[{"customer_id": "1", "numbers": ["2"]}]',
            Sequence[QueueCustomer],
        ),
        (QueueCustomer(customer_id="1", numbers=()), '{"customer_id": "1", "numbers": []}', QueueCustomer),
    ],
)
def test_text_of_a_query_is_read_as_what_is_wanted(expected, text, kind):
    """The command line and a query hold text only."""
    found = from_text(text, kind)

    assert expected == found
    assert type(expected) is type(found)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", int),
        (" 1", int),
        ("1.0", int),
        ("1e3", int),
        ("١٢", int),
        ("1_000", int),
        ("9" * 5000, int),
        ("9" * 19, int),
        ("nan", float),
        ("1e999", float),
        ("", bool),
        ("2", bool),
        ("None", int | None),
        ("out", Direction),
        (["a", "b"], str),
        (["1", "2"], int | None),
        (["true", "true"], bool),
        (["inbound", "outbound"], Direction),
        (["a", "b"], Secret),
        (["2026-01-31T09:00:00Z"] * 2, datetime),
        ("[", Sequence[str]),
        ("[1]", Sequence[str]),
        ("{", QueueCustomer),
        ("[]", QueueCustomer),
        ('{"customer_id": "1", "numbers": [], "more": 1}', QueueCustomer),
        (["{}", "{}"], QueueCustomer),
        ("[" * 100_000, Sequence[str]),
    ],
)
def test_other_text_is_refused(text, kind):
    """Text that is nearly right, or given twice where one is wanted, is refused."""
    with pytest.raises(InvalidValue):
        from_text(text, kind)


@pytest.mark.parametrize("text", ["2026-01-31T09:00:00 07:00", "2026-01-31T09:00:00+07:00"])
def test_a_plus_that_became_a_blank_in_a_query_is_still_a_zone(text):
    """Nobody encodes the `+` of a time zone, so it arrives as a blank."""
    assert datetime(2026, 1, 31, 2, tzinfo=UTC) == from_text(text, datetime)


def test_settings_give_secrets_to_whoever_reads_them():
    """A setting of type Secret is made by the function that knows where secrets are."""
    found = from_settings({"label": "x", "secret": {"env": "NAME"}}, Box, lambda value: Secret(f"from {value['env']}"))

    assert Secret("from NAME") == found.secret


def test_what_the_secrets_function_raises_is_named_by_its_path():
    """A variable that is not set is a bad value like any other."""

    def refuse(_):
        raise ValueError("is not set")

    with pytest.raises(InvalidValue) as caught:
        from_settings({"label": "x", "secret": "y"}, Box, refuse)

    assert {"secret": "is not set"} == caught.value.fields


@attrs.frozen(kw_only=True)
class Kept:
    account: str
    raw: Any = None


def test_the_vendors_own_answer_is_left_out_unless_asked():
    """`raw` travels only with `?raw=1`, at any depth."""
    page = Page(items=(Kept(account="a", raw={"secret": 1}),))

    assert {"items": [{"account": "a"}], "next": None, "total": None, "skipped": 0} == to_json(page)
    assert {"secret": 1} == to_json(page, raw=True)["items"][0]["raw"]


def test_json_has_times_in_utc_with_z():
    """RFC 3339, the zone as Z."""
    moment = datetime(2026, 1, 31, 9, tzinfo=timezone(timedelta(hours=7)))

    assert b'{"at":"2026-01-31T02:00:00Z"}' == dumps(to_json({"at": moment}))


def test_a_secret_leaves_only_as_json_that_was_asked_for():
    """An answer that exists to hand a password out holds it as text."""
    tenant = Tenant(account="a", tenant_id="t", user=None)

    assert {"x": "p"} == to_json({"x": Secret("p")})
    assert to_json(tenant)["user"] is None


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b'"\\ud800"', b"[" * 100_000, b"NaN", b"\xff"])
def test_what_is_not_json_is_a_value_error(text):
    """`loads` raises one thing."""
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a": "x\\ud83d", "b": "y"}', {"a": "x\ufffd", "b": "y"}),
        (b'{"a": ["\xff", {"\xf0\x9f": "z"}]}', {"a": ["\ufffd", {"\ufffd\ufffd": "z"}]}),
        (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
        (
            b'["\\ud83d\\ude00", "\\udc00", 12345678901234567890, 1e5]',
            ["\U0001f600", "\ufffd", 12345678901234567890, 1e5],
        ),
        ('{"a": "\ud800"}', {"a": "\ufffd"}),
        (b'{"a": "whole"}', {"a": "whole"}),
        (b'["\\ud83d", 18446744073709551616, -9223372036854775808]', ["\ufffd", 2.0**64, -(2**63)]),
    ],
)
def test_a_text_that_cannot_be_decoded_costs_no_other(text, expected):
    """It is told with U+FFFD in its place, can be written down, and is no text for who reads strictly."""
    found = loads_mended(text)

    assert expected == found
    assert expected == loads(dumps(found))


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"1" + b"0" * 400, b"9" * 10_000])
def test_a_number_beyond_all_bounds_costs_no_other(number):
    """It is infinite, which no number that is asked for is."""
    found = loads_mended(b'{"size": %b, "name": "x"}' % number)

    assert "x" == found["name"]
    assert {"size": None, "name": "x"} == loads(dumps(found))
    with pytest.raises(InvalidValue, match="size"):
        from_json(found, Quick)


def test_a_damaged_text_is_refused_where_text_is_wanted():
    """By name, in whatever class."""
    found = loads_mended(b'{"name": "\\ud83d"}')

    for kind in (Quick, Named):
        with pytest.raises(InvalidValue, match="name: must be text, not text that cannot be decoded"):
            from_json(found, kind)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a": "\\ud800"',
        b"[" * 100_000,
        b"[" * 100_000 + b'"\\ud800"',
        b"NaN",
        b"\xff",
        b'["\xff", NaN]',
        b"<p>\xff",
    ],
)
def test_what_is_not_json_stays_a_value_error(text):
    """Also where a text in it cannot be decoded."""
    with pytest.raises(ValueError, match=r"."):
        loads_mended(text)


def test_json_as_deep_as_it_may_come_is_taken_as_it_is():
    """What a vendor nests is not looked into where anything goes."""
    deep = loads(b"[" * 500 + b"]" * 500)

    assert deep == from_json({"label": "x", "anything": deep}, Box).anything


FIELDS = {
    "name": attrs.field(type=str),
    "size": attrs.field(type=int | None, default=None),
    "count": attrs.field(type=int | float | str | None, default=7),
    "share": attrs.field(type=float | None, default=0.5),
    "ratio": attrs.field(type=float | int, default=1),
    "open": attrs.field(type=bool, default=False),
    "word": attrs.field(type=str | int, default="a"),
    "way": attrs.field(type=Direction | None, default=None),
}
Quick = attrs.make_class("Quick", FIELDS, kw_only=True, frozen=True, slots=False)
Slow = attrs.make_class("Slow", FIELDS, kw_only=True, frozen=True, slots=True)
value_of_a_field = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "a", "inbound", [], {}, 2**63])
)
keys = st.sampled_from([*FIELDS, "unknown", "__class__", "Name", ""])


@pytest.mark.parametrize("refuse_unknown", [True, False])
def test_a_shape_that_was_seen_before_is_taken_or_refused_like_the_first(refuse_unknown):
    """Whether values are looked at or their types were known to be good, the same comes out."""

    def found(value, kind):
        try:
            return attrs.asdict(from_json(value, kind, refuse_unknown=refuse_unknown))
        except InvalidValue as error:
            return error.fields

    @given(st.dictionaries(keys, value_of_a_field, max_size=9), st.lists(value_of_a_field, min_size=9, max_size=9))
    def hold(value, others):
        value |= {"name": "x"}
        like = {
            key: other if type(other) is type(value[key]) else value[key]
            for key, other in zip(value, others, strict=False)
        }
        from_json({"name": "x"}, Quick)
        expected = [repr(found(each, Slow)) for each in (value, like, value)]

        assert expected == [repr(found(each, Quick)) for each in (value, like, value)]

    hold()


def test_the_second_dict_of_a_shape_is_not_checked_again():
    """Else rows cost twice as much: what attrs or cattrs keep inside has changed then."""
    checked = []

    def careful(value, kind):
        checked.append(value)
        return kind(**value)

    quick = by_shape(Quick, careful)

    assert [quick({"name": name}, Quick) for name in "xyz"] == [Quick(name=name) for name in "xyz"]
    assert [{"name": "x"}] == checked


@attrs.frozen(slots=False)
class Checked:
    size: int = attrs.field(validator=attrs.validators.ge(0))


@attrs.frozen(slots=False)
class Careful:
    name: str

    def __attrs_post_init__(self):
        if self.name == "nobody":
            raise ValueError("is nobody")


@attrs.frozen(slots=False)
class Shortened:
    name: str = attrs.field(converter=str.strip)


@attrs.frozen(slots=False)
class Many:
    name: str
    names: list[str] = attrs.field(factory=list)


def test_a_class_that_does_more_than_keep_its_values_does_so_each_time():
    """Validators, converters, checks of its own and values of its own."""
    first, second = (from_json({"name": "x"}, Many) for _ in range(2))
    first.names.append("y")
    for _ in range(2):
        from_json({"size": 1}, Checked)
        from_json({"name": "x"}, Careful)

        assert [] == second.names
        assert "x" == from_json({"name": " x "}, Shortened).name
        with pytest.raises(InvalidValue):
            from_json({"size": -1}, Checked)
        with pytest.raises(InvalidValue, match="is nobody"):
            from_json({"name": "nobody"}, Careful)


def test_shapes_without_end_are_read_like_few():
    """Whoever sends other keys each time is served, and what is kept of them has a bound."""
    found = [from_json({"name": str(number), f"key {number}": None}, Quick) for number in range(2000)]

    assert [str(number) for number in range(2000)] == [each.name for each in found]
    assert {"name": "x"} == attrs.asdict(from_json({"name": "x", **dict.fromkeys("abc" * 200, 1)}, Named))
    assert {"name": "x"} == attrs.asdict(from_json({"name": "x", "y" * 100_000: 1}, Named))


@attrs.frozen(slots=False)
class Named:
    name: str


def test_what_nobody_asked_for_is_not_kept():
    """Not even out of sight, where rows like it came before."""
    found = [from_json({"name": "x", "unknown": 1, "__class__": "y"}, Named) for _ in range(2)]

    assert [{"name": "x"}] * 2 == [vars(each) for each in found]


@pytest.mark.parametrize(
    "bad", [{"share": float("inf")}, {"ratio": float("nan")}, {"way": "sideways"}, {"size": 2**63}]
)
def test_a_value_that_more_than_its_type_decides_on_is_looked_at_each_time(bad):
    """However many like it were good."""
    for _ in range(3):
        from_json({"name": "x", "share": 1.0, "ratio": 1.0, "way": "inbound", "size": 1}, Quick)
        for good in ({"share": 1.0}, {"ratio": 1.0}, {"way": "inbound"}, {"size": 1}):
            from_json({"name": "x", **good}, Quick)

    with pytest.raises(InvalidValue):
        from_json({"name": "x", **bad}, Quick)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["inbound", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = [Box, Item, Call, CallEvent, CallRecord, Customer, StartedCall, Timeouts, QueueCustomer, Tenant, Page[Call]]


@st.composite
def nearly(draw, kind):
    """An object with some of the keys of *kind*, and anything under them."""
    fields = [field.name for field in attrs.fields(getattr(kind, "__origin__", kind))]
    return draw(st.dictionaries(st.sampled_from(fields) | st.text(max_size=4), plain, max_size=6))


LOCAL = datetime(2026, 1, 31, 9, 0, tzinfo=timezone(timedelta(hours=7)))
NOTHING = dict.fromkeys([field.name for field in attrs.fields(CallRecord)])


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "own", [None, {}, {"id": "x", "size": 1}, {"deep": {"at": LOCAL, "way": Direction.INBOUND}}, ["x"], "x"]
)
def test_lines_of_json_are_what_each_model_is_as_json(raw, own):
    """Models of several kinds, times of other zones, and whatever a vendor answered."""
    record = CallRecord(**NOTHING | {"account": "a", "direction": Direction.INBOUND, "outcome": Outcome.BUSY})
    local = attrs.evolve(record, started_at=LOCAL, ended_at=LOCAL.astimezone(UTC), raw=own)
    call = Call(**dict.fromkeys(["account", "call_id", "from_number", "to_number"]), direction="x", state="y", raw=own)
    models = [local, call, record, Item(name="x"), local]

    found = to_json_lines(models, raw=raw).splitlines(keepends=True)

    assert [dumps(to_json(each, raw=raw)) + b"\n" for each in models] == found
    seen = {"deep": {"at": "2026-01-31T02:00:00Z", "way": "inbound"}} if own and "deep" in own else own
    assert (seen if raw else "left out") == loads(found[0]).get("raw", "left out")
    assert ("2026-01-31T02:00:00Z", "inbound", "busy") == tuple(
        loads(found[0])[name] for name in ("started_at", "direction", "outcome")
    )


def test_a_record_that_is_copied_is_what_cattrs_makes_of_it():
    """Else its line costs a third more, or says something else: what attrs or cattrs keep inside has changed."""
    own = {"account": "a", "direction": Direction.INBOUND, "outcome": Outcome.BUSY, "unreadable": ("x",), "raw": {}}
    record = CallRecord(**NOTHING | own | {"started_at": LOCAL, "ended_at": LOCAL.astimezone(UTC)})
    cattrs_own = make_dict_unstructure_fn(CallRecord, plain_converter(raw=True))
    quick = copied(CallRecord, dict)

    assert quick is not None
    assert cattrs_own(record) | {"unreadable": ["x"]} == quick(record)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("refuse_unknown", [True, False])
def test_any_json_is_a_value_or_an_invalid_value(kind, refuse_unknown):
    """Nothing that a vendor or a caller can send raises anything else."""

    @given(plain | nearly(kind))
    def hold(value):
        with contextlib.suppress(InvalidValue):
            from_json(value, kind, refuse_unknown=refuse_unknown)

    hold()


@pytest.mark.parametrize("kind", [int, float, bool, str, datetime, Direction, Sequence[str], int | None, Item, Secret])
def test_any_text_is_a_value_or_an_invalid_value(kind):
    """Nothing that can be typed into a query raises anything else."""

    @given(st.text() | st.lists(st.text(), max_size=3) | plain.map(json.dumps))
    def hold(value):
        with contextlib.suppress(InvalidValue):
            from_text(value, kind)

    hold()
