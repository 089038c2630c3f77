"""The quick way to read TEL4VN's times gives what the careful one gives."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from gateway_tel4vn import words
from gateway_tel4vn.words import LocalTime

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Ho_Chi_Minh", "UTC"])
@pytest.mark.parametrize(
    "day", [datetime(2021, 3, 28), datetime(2021, 4, 4), datetime(2021, 10, 3), datetime(2021, 10, 31)]
)
def test_every_minute_around_a_change_of_the_clocks_is_what_the_zone_says(zone, day):
    """Also the hour that is left out, the one that comes twice, and changes of half an hour."""
    time = LocalTime(ZoneInfo(zone))
    walls = [day + timedelta(minutes=minute) for minute in range(24 * 60)]

    found = [time.read(f"{wall:%Y-%m-%d %H:%M:%S}") for wall in walls]

    assert [wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for wall in walls] == found


def test_the_zone_is_asked_once_an_hour():
    """To ask it for every time takes longer than the rest of reading it."""
    asked = []

    class Counting(tzinfo):
        def utcoffset(self, moment):
            asked.append(moment)
            return timedelta(hours=7)

    time = LocalTime(Counting())

    for second in range(60):
        time.read(f"2026-01-31 09:00:{second:02}")

    assert 2 == len(asked)


@pytest.mark.parametrize(
    "written",
    [
        "2026-W05-6T09:00:00",
        "2026-01-31T09:00+07",
        "20260131T090000.123",
        "2026-01-31 09:00:00",
        "2026-01-31T09:00:00",
        "2026-01-31x09:00:00",
    ],
)
def test_what_is_as_long_as_a_time_is_read_with_care(written):
    """Nineteen characters can be many things."""
    moment = datetime.fromisoformat(written)
    expected = (moment if moment.tzinfo else moment.replace(tzinfo=BERLIN)).astimezone(UTC)

    assert expected == LocalTime(BERLIN).read(written)


@pytest.mark.parametrize(
    ("expected", "written"),
    [
        ("is not a time", "2026-01-31 25:00:00"),
        ("is not a time", "2026-01-31 09:61:00"),
        ("is not a time", "2026-02-30 09:00:00"),
        ("is not a time", "aaaa-aa-aa aa:aa:aa"),
        ("is not a time", "2026-01-31 09:00:0x"),
        ("is out of range", "9999-12-31 23:30:00"),
    ],
)
def test_a_time_that_is_none_is_said_by_name(expected, written):
    """Whichever way was tried first."""
    behind = LocalTime(ZoneInfo("America/New_York"))

    for _ in range(2):
        with pytest.raises(ValueError, match=f"time_started {expected}"):
            behind.read(written, "time_started")


@pytest.mark.parametrize(
    ("expected", "written"),
    [
        ("2026-01-31T08:00:00+00:00", "2026-01-31 09:00:00Z"),
        ("2026-01-31T08:00:00+00:00", " 2026-01-31T09:00:00z "),
        ("2026-01-31T08:00:00+00:00", "2026-01-31 09:00:00"),
        ("2026-01-31T08:00:00+00:00", "2026-01-31 09:00:00 "),
        ("2026-07-31T07:00:00+00:00", "2026-07-31 09:00:00Z"),
        ("2026-01-31T08:00:00+00:00", "2026-01-31 09:00Z"),
    ],
)
def test_a_z_that_is_decoration_is_left_out(expected, written):
    """Some hosts write it behind local times, and blanks around them."""
    assert datetime.fromisoformat(expected) == LocalTime(BERLIN, z_is_local=True).read(written)


@pytest.mark.parametrize("written", ["2026-01-31 09:00:00Z", "2026-01-31T09:00:00Z", " 2026-01-31T09:00:00Z "])
def test_a_z_is_utc_unless_it_is_decoration(written):
    """As the standard says."""
    assert datetime(2026, 1, 31, 9, tzinfo=UTC) == LocalTime(BERLIN).read(written)


@pytest.mark.parametrize("written", ["Z", "z", " Z", "2026-01-31 09:00:0Z", "2026-01-31 09:00:0 Z"])
def test_a_z_alone_is_not_a_time(written):
    """Nor is it a second."""
    with pytest.raises(ValueError, match="is not a time"):
        LocalTime(BERLIN, z_is_local=True).read(written)


@pytest.mark.parametrize("written", ["0001-01-01 00:00:00", "1970-01-01 07:00:00", "0001-01-01 23:59:59"])
def test_a_zero_value_is_no_time(written):
    """Vendors write the first second of an epoch for nothing."""
    assert LocalTime(BERLIN).read(written) is None


def test_a_vendor_cannot_fill_the_memory_with_hours(monkeypatch):
    """What is kept for hours has a bound, and is right after it."""
    monkeypatch.setattr(words, "_HOURS_KEPT", 3)
    time = LocalTime(BERLIN)

    found = [time.read(f"2026-01-{day:02} 09:00:00") for day in range(1, 20)]

    assert [datetime(2026, 1, day, 8, tzinfo=UTC) for day in range(1, 20)] == found
    assert len(time._offsets) <= 3  # what is kept cannot be seen from outside
