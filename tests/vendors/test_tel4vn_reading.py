"""The quick way to read TEL4VN's rows gives what the careful one gives, records and errors alike."""

import re

import attrs
import orjson
import pytest
from gateway_contracts import CallRecord, GatewayError
from gateway_contracts.http import Effect, Response
from gateway_tel4vn import records
from gateway_tel4vn.pages import Came, Cursor, start, turn
from gateway_tel4vn.reading import Reading
from gateway_tel4vn.records import CdrRow, Records
from gateway_tel4vn.settings import Paging
from gateway_tel4vn.v1 import Settings
from gateway_tel4vn.v2.wire import FLEX, default_names

from gateway import Direction, InvalidRequest, Secret

ROW = {
    "id": "ad4c9b90-c071-405a-9723-980d2e5e1623 ",
    "sip_call_id": "112233aabbccddee@10.0.0.1",
    "cause": "NORMAL_CLEARING",
    "duration": 11,
    "billsec": "3",
    "direction": 3,
    "recording_url": "https://recording.demo/a.wav",
    "extension": "101",
    "from_number": " 101",
    "to_number": "0899888999",
    "receive_dest": "",
    "time_started": "2026-03-29 01:59:35",
    "time_answered": "2026-03-29 03:00:43",
    "time_ended": "2026-03-29 03:00:46",
    "status": "ANSWERED",
}
FLEX_ROW = {
    "cdrId": "ad4c9b90",
    "customerId": "KH01",
    "extensionId": 101,
    "recordFile": None,
    "to": "+84 899 888 999",
    "direction": "outbound",
    "dialAt": "2026-01-31 09:00:00",
    "answeredAt": None,
    "hangupAt": "2026-01-31 09:00:09",
    "status": "NO ANSWER",
    "lead_id": 7,
}
ODD = [
    *(None, "", " ", "x", "Chị Hoa", "0", "101", "19001919", "+84 899 888 999", " ANSWERED ", "no_answer", "inbound"),
    *("local", "3", "4", 3, 4, 0, 1, -1, 2**53, 2**63 - 1, 2**63, 10**15, 1.0, 1.5, "1.0", "1.5", "-1", True, False),
    *(
        "2026-03-29 02:30:00",
        "2026-10-25 02:30:00",
        "2026-10-25T02:30:00Z",
        "2026-02-30 09:00:00",
        "0001-01-01 00:00:00",
    ),
    *(
        "1970-01-01 00:00:00",
        "1970-12-31 23:59:59",
        "2026-W05-6T09:00:00",
        "2026-01-31T09:00+07",
        " 2026-01-31 09:00:0",
    ),
    *("2026-01-31 09:00:00 ", "2026-01-31 09:00:00.5", "9999-12-31 23:30:00", "2026-01-31", "2026-01-31 09:00:0Z"),
    *([], {}, ["101"], {"id": "x"}, "folder/name.wav", "a\u2028b", "\u0661\u0662", "\ufeff101", "\x00", "z" * 600),
]


def odd_rows():
    """Good rows, and those with one key left out, one value odd, or one key that nobody knows."""
    for row in (ROW, FLEX_ROW):
        yield row
        yield {**row, "unknown": {"deep": [1]}, "raw": "x", "__class__": "x"}
        yield dict(reversed(row.items()))
        for name in row:
            yield {key: value for key, value in row.items() if key != name}
            yield from ({**row, name: odd} for odd in ODD)
    for name in ("customer_side", "customer_id", "time_ringing", "time_ringging", "receive_dest"):
        yield from ({**ROW, name: odd} for odd in ODD)
    yield from ({**ROW, "status": status, "time_answered": ""} for status in ("BUSY", "WHATEVER", None))
    yield from ({**ROW, "duration": None, "billsec": billed} for billed in (None, 5, "x"))
    yield from ([], None, 5, "row", {}, [ROW])


@attrs.frozen
class Answering:
    """A vendor that gives the same rows whatever it is asked."""

    rows: list

    async def send(self, verb, path, *, params):
        data = {"data": orjson.loads(orjson.dumps(self.rows, option=orjson.OPT_NON_STR_KEYS)), "total": len(self.rows)}
        return Response(account="hanoi", effect=Effect.READ, status=200, headers={}, body=b"", data=data)


async def outcome(rows, **settings):
    """What an application sees of *rows*: every attribute of the records, or the text of the error."""
    own = Settings(base_url="https://pbx.example.vn", api_key=Secret("x"), timezone="Europe/Berlin", **settings)
    account = Records(
        http=Answering(rows),
        reading=Reading.of("tel4vn-v1", "hanoi", own),
        list_path="/v1/cdr",
        get_path="/v1/cdr/{record_id}",
        paging=Paging.OFFSET,
        page_size=100,
        settings=own,
        as_row=default_names,
    )
    try:
        page = await account.page({}, {}, None, None)
    except GatewayError as error:
        return error.message
    return [attrs.asdict(record) for record in page.items]


@pytest.fixture
def carefully(monkeypatch):
    """Has every value of every row looked at from now on."""
    fields = {each.name: attrs.field(default=each.default, type=each.type) for each in attrs.fields(CdrRow)}
    slotted = attrs.make_class("CdrRow", fields, kw_only=True, frozen=True, slots=True)
    return lambda: monkeypatch.setattr(records, "CdrRow", slotted)


@pytest.mark.parametrize("z_is_local", [False, True])
async def test_rows_of_every_kind_are_read_as_if_each_was_looked_at(carefully, z_is_local):
    """Wrong types, missing keys, nulls, text for numbers, blanks, local times that there are not: twice each."""
    settings = {"z_is_local": z_is_local, "direction_numbers": {"4": Direction.INBOUND}}
    rows = [[row] for row in odd_rows()]
    for each in rows:
        await outcome(each, **settings)
    quickly = [await outcome(each, **settings) for each in rows]

    carefully()

    assert [await outcome(each, **settings) for each in rows] == quickly
    assert {str, list} == {type(each) for each in quickly}


async def test_the_row_that_is_odd_is_named_after_a_thousand_like_it():
    """A shape that was good a thousand times hides no number that is too large."""
    rows = [{**ROW, "id": str(number)} for number in range(1000)]
    rows[700]["duration"] = 2**63

    found = await outcome(rows)

    assert {"700": ("duration",)} == {each["record_id"]: each["unreadable"] for each in found if each["unreadable"]}


async def test_a_record_is_what_its_class_makes():
    """It is made by `__init__` alone, which is all that the class does, too."""
    found = await outcome([ROW])

    assert [attrs.asdict(CallRecord(**each)) for each in found] == found
    assert (type, object.__new__) == (type(CallRecord), CallRecord.__new__)


async def test_a_duration_is_a_number_of_its_row():
    """Rows of one shape have their own values."""
    rows = [{**ROW, "id": str(number), "duration": number} for number in range(300)]

    assert [*range(300)] == [record["duration_seconds"] for record in await outcome(rows)]


def test_directions_that_a_vendor_invents_do_not_fill_the_memory():
    """What is kept of words has a bound, and is right after it."""
    own = Settings(base_url="https://pbx.example.vn", api_key=Secret("x"), direction_numbers={"4": Direction.INBOUND})
    reading = Reading.of("tel4vn-v1", "hanoi", own)

    found = [reading.direction(f"word {number}", "101", "0899888999") for number in range(1000)]

    assert {Direction.OUTBOUND} == set(found)
    assert Direction.INBOUND is reading.direction("4", "101", "0899888999")
    assert len(reading._directions) <= 100  # what is kept cannot be seen from outside


def response_of(rows):
    return Response(account="hanoi", effect=Effect.READ, status=200, headers={}, body=b"", data={"data": rows})


async def turned(place, ids, size, newest=lambda _: None):
    """What comes after the rows *ids*."""

    async def ask(_):
        return Came(response_of(ids), ids, None)

    return (await turn(place, size, size, ask, newest))[1]


@pytest.mark.parametrize("size", [50, 100, 101, 1000])
async def test_rows_that_were_pushed_on_to_the_next_page_are_known_again(size):
    """The last rows of a page, wherever they stand on the next; however long pages are."""
    place = start(Paging.OFFSET, None, ())
    ids = [f"id {number}" for number in range(size)]
    place = Cursor.decode((await turned(place, ids, size)).next)
    pushed = ids[-40:]

    found = await turned(place, [*pushed[:20], *(f"new {number}" for number in range(size - 41)), *pushed[20:]], size)

    assert frozenset(pushed) == found.again


async def test_the_newest_call_is_not_asked_for_where_its_time_would_not_be_used():
    """To sort a page by time takes a while."""
    place = start(Paging.OFFSET, None, (("end_date", "2026-01-31 00:00:00"),))

    assert (await turned(place, ["1"], 1, newest=lambda _: pytest.fail("was asked for"))).next


@pytest.mark.parametrize("recent", ["x" * 10, "0" * 11, "0" * 1010, "ABCDEF0123"])
async def test_a_cursor_with_other_marks_than_ours_is_refused(recent):
    """Marks are digits of a digest, and a hundred of them at most."""
    ids = ["1", "2"]
    following = Cursor.decode((await turned(start(Paging.OFFSET, None, ()), ids, 2)).next)

    with pytest.raises(InvalidRequest, match=re.escape("The cursor is not one of ours")):
        Cursor.decode(attrs.evolve(following, recent=recent).encode())


def test_flex_names_are_all_read():
    """Every name of the second mapping is one of a row's."""
    assert set(FLEX.values()) <= {field.name for field in attrs.fields(CdrRow)}
