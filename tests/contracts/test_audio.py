"""Recordings: known by their bytes, cut where asked, and fetched from where the account allows only."""

import pytest
from gateway_contracts import (
    InvalidRequest,
    NotFound,
    RangeNotSatisfiable,
    Timeouts,
    VendorAuthFailed,
    VendorProtocolError,
    VendorTimeout,
    VendorUnavailable,
)
from gateway_contracts.audio import audio_of, check_host, is_range, open_audio, sniff_media_type
from yarl import URL

WAV = b"RIFF\x24\x08\x00\x00WAVEfmt " + bytes(range(256)) * 4
SECRET = "t0ken-s3cr3t"


@pytest.fixture
def fetch(client, scripted):
    """Opens the recording at a path of the scripted server, or at another address."""

    async def open_it(path="/r.wav", *, base=None, timeouts=None, **options):
        http = await client(base, timeouts=timeouts)
        url = path if "://" in path else scripted.url + path
        return await open_audio(http, url, record_id="r1", **{"allowed_hosts": ["127.0.0.1"], **options})

    return open_it


@pytest.mark.parametrize(
    ("expected", "head"),
    [
        ("audio/wav", b"RIFF\x00\x00\x00\x00WAVEfmt "),
        ("audio/mpeg", b"ID3\x04"),
        ("audio/mpeg", b"\xff\xfb\x90\x00"),
        ("audio/mpeg", b"\xff\xf3\x90\x00"),
        ("audio/aac", b"\xff\xf1\x50"),
        ("audio/ogg", b"OggS\x00"),
        ("audio/flac", b"fLaC"),
        ("audio/mp4", b"\x00\x00\x00\x20ftypM4A "),
        ("audio/amr", b"#!AMR\n"),
        ("audio/webm", b"\x1aE\xdf\xa3"),
        (None, b"RIFF\x00\x00\x00\x00AVI "),
        (None, b"<html>"),
        (None, b'{"error": 1}'),
        (None, b""),
        (None, b"\xff"),
    ],
)
def test_audio_is_known_by_its_first_bytes(expected, head):
    """Names and declared types lie."""
    assert expected == sniff_media_type(head)


async def test_a_recording_comes_whole(scripted, http_answer, fetch):
    """With its type found by looking, and its size."""
    scripted.answers = [http_answer(body=WAV, content_type="application/octet-stream")]

    async with await fetch("/r.mp3") as audio:
        content = await audio.read()

    assert WAV == content
    assert ("audio/wav", False, 0, len(WAV) - 1, len(WAV), "hanoi", "r1") == (
        audio.media_type,
        audio.partial,
        audio.start,
        audio.end,
        audio.size,
        audio.account,
        audio.record_id,
    )


async def test_a_recording_of_unknown_length_comes_whole(scripted, fetch):
    """Chunked, as a proxy in between may send it."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: audio/x-wav\r\n\r\n"
    scripted.answers = [head + b"4\r\nRIFF\r\n8\r\n\x00\x00\x00\x00WAVE\r\n2\r\nab\r\n0\r\n\r\n"]

    async with await fetch(byte_range="bytes=2-3") as audio:
        content = await audio.read()

    assert b"RIFF\x00\x00\x00\x00WAVEab" == content
    assert ("audio/wav", False, None, None) == (audio.media_type, audio.partial, audio.end, audio.size)


@pytest.mark.parametrize(
    ("expected", "declared"), [("audio/x-odd", "audio/x-odd"), ("application/octet-stream", "application/x-odd")]
)
async def test_audio_that_nobody_knows_keeps_its_declared_type(scripted, http_answer, fetch, expected, declared):
    """If that is a type of audio."""
    scripted.answers = [http_answer(body=b"\x00\x01\x02 unheard of", content_type=declared)]

    async with await fetch() as audio:
        assert expected == audio.media_type


RANGES = [
    (b"RIFF", 0, 3, "bytes=0-3"),
    (WAV[100:200], 100, 199, "bytes=100-199"),
    (WAV[1000:], 1000, len(WAV) - 1, "bytes=1000-"),
    (WAV[-10:], len(WAV) - 10, len(WAV) - 1, "bytes=-10"),
    (WAV[1000:], 1000, len(WAV) - 1, "bytes=1000-999999"),
    (WAV, 0, len(WAV) - 1, "bytes=-999999"),
    (WAV[5:6], 5, 5, " bytes = 5 - 5 "),
]


@pytest.mark.parametrize(("expected", "start", "end", "asked"), RANGES, ids=[each[3] for each in RANGES])
async def test_a_range_that_the_vendor_does_not_serve_is_cut_here(
    scripted, http_answer, fetch, expected, start, end, asked
):
    """Players seek, whether or not the vendor can."""
    scripted.answers = [http_answer(body=WAV, content_type="audio/wav")]

    async with await fetch(byte_range=asked) as audio:
        content = await audio.read()

    assert expected == content
    assert (True, start, end, len(WAV)) == (audio.partial, audio.start, audio.end, audio.size)


@pytest.mark.parametrize(("expected", "start", "end", "asked"), RANGES, ids=[each[3] for each in RANGES])
async def test_a_range_of_what_is_in_memory_is_cut(expected, start, end, asked):
    """For vendors that give bytes."""
    audio = audio_of(WAV, account="a", record_id="r", byte_range=asked)

    assert expected == await audio.read()
    assert (True, start, end, len(WAV)) == (audio.partial, audio.start, audio.end, audio.size)


async def test_a_range_that_the_vendor_serves_is_passed_on(scripted, http_answer, fetch):
    """Only those bytes travel."""
    scripted.answers = [
        http_answer(206, WAV[100:200], content_type="audio/wav", Content_Range=f"bytes 100-199/{len(WAV)}")
    ]

    async with await fetch(byte_range="bytes=100-199") as audio:
        content = await audio.read()

    assert WAV[100:200] == content
    assert (True, 100, 199, len(WAV)) == (audio.partial, audio.start, audio.end, audio.size)
    assert "bytes=100-199" == scripted.received[0].headers["range"]


async def test_a_range_of_a_recording_that_still_grows_has_no_size(scripted, http_answer, fetch):
    """`*` is a size that the vendor does not know."""
    scripted.answers = [http_answer(206, WAV[100:200], content_type="audio/wav", Content_Range="bytes 100-199/*")]

    async with await fetch(byte_range="bytes=100-199") as audio:
        assert (True, None) == (audio.partial, audio.size)


@pytest.mark.parametrize("content_range", ["", "bytes */100", "items 1-2/3", "bytes 199-100/1040", "bytes 0-9/1040"])
async def test_a_range_that_does_not_say_which_is_refused(scripted, http_answer, fetch, content_range):
    """Part of a recording must not be taken for another part."""
    scripted.answers = [http_answer(206, WAV[100:200], content_type="audio/wav", Content_Range=content_range)]

    with pytest.raises(VendorProtocolError, match="range"):
        await fetch(byte_range="bytes=100-199")


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_outside_the_recording_is_not_satisfiable(scripted, http_answer, fetch, asked):
    """Whether the vendor says so or we see it."""
    scripted.answers = [http_answer(body=WAV, content_type="audio/wav"), http_answer(416)]

    for _ in range(2):
        with pytest.raises(RangeNotSatisfiable):
            await fetch(byte_range=asked)
    with pytest.raises(RangeNotSatisfiable):
        audio_of(WAV, account="a", record_id="r", byte_range=asked)


@pytest.mark.parametrize(
    "asked", ["", "bytes=0-1,5-6", "bytes=5-2", "bytes=-", "bytes", "lines=1-2", "bytes=a-b", "bytes=٣-٤", "x" * 9999]
)
async def test_a_range_of_several_parts_or_without_sense_is_refused(scripted, fetch, asked):
    """An argument is never dropped: nothing is fetched. The sidecar leaves such a header out, as HTTP allows."""
    with pytest.raises(InvalidRequest) as caught:
        await fetch(byte_range=asked)
    with pytest.raises(InvalidRequest):
        audio_of(WAV, account="a", record_id="r", byte_range=asked)

    assert {"byte_range"} == set(caught.value.fields)
    assert [] == scripted.received
    assert not is_range(asked)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=-10"])
async def test_a_part_has_the_type_of_the_whole(scripted, http_answer, fetch, asked):
    """A player that seeks must not see the recording change into something else."""
    size = len(WAV)
    first = size - 10 if asked == "bytes=-10" else 1000
    part = http_answer(
        206,
        WAV[first:],
        content_type="application/octet-stream",
        **{"Content-Range": f"bytes {first}-{size - 1}/{size}"},
    )
    head = http_answer(
        206, WAV[:64], content_type="application/octet-stream", **{"Content-Range": f"bytes 0-63/{size}"}
    )
    scripted.answers = [part, head]

    async with await fetch(byte_range=asked) as audio:
        content = await audio.read()

    assert (WAV[first:], "audio/wav") == (content, audio.media_type)


async def test_nothing_at_all_is_still_an_answer(scripted, http_answer, fetch):
    """A recording of no bytes."""
    scripted.answers = [http_answer(body=b"", content_type="audio/wav")]

    async with await fetch() as audio:
        assert b"" == await audio.read()
    assert b"" == await audio_of(b"", account="a", record_id="r").read()


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        (b"<!doctype html><p>Log in", "text/html"),
        (b"  \n<html>", "audio/wav"),
        (b'{"error": "expired"}', "application/json"),
        (b'{"error": "expired"}', "audio/wav"),
        (b"[]", "application/octet-stream"),
        (b"%PDF-1.7", "audio/wav"),
        (b"PK\x03\x04", "audio/wav"),
        (b"Please log in", "text/html; charset=utf-8"),
    ],
)
async def test_a_page_is_not_a_recording(scripted, http_answer, fetch, body, declared):
    """Vendors answer 200 with a login page; nobody should save it as a WAV."""
    scripted.answers = [http_answer(body=body, content_type=declared)]

    with pytest.raises(VendorProtocolError, match="not audio"):
        await fetch()


@pytest.mark.parametrize(
    ("expected", "status"),
    [
        (NotFound, 404),
        (NotFound, 410),
        (VendorAuthFailed, 401),
        (VendorAuthFailed, 403),
        (VendorProtocolError, 204),
        (VendorUnavailable, 500),
        (VendorUnavailable, 503),
    ],
)
async def test_a_status_that_is_no_recording_is_an_error(scripted, http_answer, fetch, expected, status):
    """With the vendor's status kept where it says anything."""
    scripted.answers = [http_answer(status, b"")]

    with pytest.raises(expected) as caught:
        await fetch()

    assert "hanoi" == caught.value.account


async def test_a_redirect_to_an_allowed_host_is_followed(scripted, http_answer, fetch):
    """Relative or not."""
    scripted.answers = [
        http_answer(302, b"", Location="/moved"),
        http_answer(307, b"", Location=f"{scripted.url}/again"),
        http_answer(body=WAV, content_type="audio/wav"),
    ]

    async with await fetch() as audio:
        assert WAV == await audio.read()

    assert ["/r.wav", "/moved", "/again"] == [each.target for each in scripted.received]


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/r.wav",
        "//evil.example/r.wav",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/r.wav",
        "javascript:alert(1)",
    ],
)
async def test_a_redirect_to_another_host_is_refused(scripted, http_answer, fetch, location):
    """Whoever can write a record's address must not make us ask around in our network."""
    scripted.answers = [http_answer(302, b"", Location=location)]

    with pytest.raises(VendorProtocolError) as caught:
        await fetch()

    assert 1 == len(scripted.received)
    assert "hanoi" == caught.value.account


@pytest.mark.parametrize("location", ["", "/r.wav"])
async def test_a_redirect_that_goes_round_ends(scripted, http_answer, fetch, location):
    """After a few."""
    scripted.answers = [http_answer(302, b"", Location=location)]

    with pytest.raises(VendorProtocolError, match="too often"):
        await fetch()


@pytest.mark.parametrize("address", ["http://[", "http://127.0.0.1:99999/", "nothing", "http://", "http://\x00/"])
async def test_an_address_that_is_none_is_refused(fetch, scripted, http_answer, address):
    """Records hold what the vendor put there."""
    scripted.answers = [http_answer(302, b"", Location=address if "\x00" not in address else "http://[")]

    with pytest.raises(VendorProtocolError):
        await fetch("http://" + address.removeprefix("http://"))
    with pytest.raises(VendorProtocolError):
        await fetch()


async def test_an_https_account_takes_no_recording_over_http(fetch, scripted):
    """Nobody on the way may listen along, or put another recording in its place."""
    with pytest.raises(VendorProtocolError, match="scheme"):
        await fetch(base="https://127.0.0.1")

    assert [] == scripted.received


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        (["pbx.example.vn"], "pbx.example.vn"),
        (["PBX.example.vn"], "pbx.EXAMPLE.vn"),
        (["*.example.vn"], "media.pbx.example.vn"),
    ],
)
def test_an_allowed_host_is_taken(allowed, host):
    """Names, or a pattern for what lies below one; upper and lower case are the same."""
    check_host(URL(f"https://{host}/r"), allowed, secure=True, account="a")


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ([], "pbx.example.vn"),
        (["pbx.example.vn"], "pbx.example.vn.evil.example"),
        (["*.example.vn"], "example.vn"),
        (["*.example.vn"], "evilexample.vn"),
    ],
)
def test_a_host_that_is_not_allowed_is_named_with_the_setting(allowed, host):
    """The operator learns what to write if the host is the vendor's."""
    with pytest.raises(VendorProtocolError, match="recording_hosts"):
        check_host(URL(f"https://{host}/r"), allowed, secure=True, account="a")


async def test_a_token_goes_to_the_vendors_own_host_only(scripted, http_answer, fetch):
    """Not to where it redirects."""
    port = scripted.url.rpartition(":")[2]
    scripted.answers = [
        http_answer(302, b"", Location=f"http://localhost:{port}/there"),
        http_answer(body=WAV, content_type="audio/wav"),
    ]

    async with await fetch(headers={"Authorization": f"Bearer {SECRET}"}, allowed_hosts=[f"localhost:{port}"]) as audio:
        await audio.read()

    assert [True, False] == ["authorization" in each.headers for each in scripted.received]


async def test_a_recording_that_breaks_off_is_an_error_while_it_is_read(scripted, http_answer, fetch):
    """Half a recording must not look like a whole one."""
    scripted.answers = [(http_answer(body=WAV, content_type="audio/wav")[:-100], "drop")]

    with pytest.raises(VendorUnavailable, match="broke off"):
        async with await fetch() as audio:
            await audio.read()


def _partial(content_range, body, *, asked="bytes=0-9"):
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: {content_range}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "bytes 0-9/1000"),
        ("bytes=0-9", "bytes 9-5/1000"),
        ("bytes=500-509", "bytes 0-9/1000"),
        ("bytes=0-9", "bytes 0-99/1000"),
        ("bytes=-10", "bytes 0-9/1000"),
        ("bytes=0-9", "bytes 0-9/5"),
    ],
)
async def test_another_range_than_was_asked_for_is_refused(scripted, fetch, asked, said):
    """A part must not pass for the whole, nor for another part."""
    scripted.answers = [_partial(said, WAV[:10])]

    with pytest.raises(VendorProtocolError):
        await fetch(byte_range=asked)


async def test_a_range_with_fewer_bytes_than_it_says_breaks_off(scripted, fetch):
    """Whoever relays it must not promise more than comes."""
    scripted.answers = [_partial("bytes 0-99/1000", WAV[:10])]

    with pytest.raises(VendorUnavailable, match="broke off"):
        async with await fetch(byte_range="bytes=0-99") as audio:
            await audio.read()


async def test_a_range_with_more_bytes_than_it_says_is_cut(scripted, fetch):
    """What comes is what was asked for."""
    scripted.answers = [_partial("bytes 0-9/1000", WAV)]

    async with await fetch(byte_range="bytes=0-9") as audio:
        assert WAV[:10] == await audio.read()


async def test_a_compressed_recording_is_refused(scripted, http_answer, fetch):
    """Its lengths and ranges would be those of other bytes."""
    import gzip

    answer = http_answer(body=gzip.compress(WAV), content_type="audio/wav", **{"Content-Encoding": "gzip"})
    scripted.answers = [answer]

    with pytest.raises(VendorProtocolError):
        await fetch()


async def test_a_part_comes_though_its_start_cannot_be_had(scripted, http_answer, fetch):
    """What it is stays unsaid; the bytes that were asked for are not lost over that."""
    ends = {"Content-Range": f"bytes 1000-{len(WAV) - 1}/{len(WAV)}"}
    scripted.answers = [http_answer(206, WAV[1000:], content_type="application/octet-stream", **ends), (b"", "drop")]

    async with await fetch(byte_range="bytes=1000-") as audio:
        content = await audio.read()

    assert (WAV[1000:], "application/octet-stream") == (content, audio.media_type)


async def test_another_port_of_an_allowed_host_is_another_place(fetch):
    """What else listens on the vendor's machine is nobody's recording."""
    with pytest.raises(VendorProtocolError, match="recording_hosts"):
        await fetch("http://127.0.0.1:9/r.wav")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + WAV[:100]])
async def test_a_recording_that_does_not_come_in_time_is_an_error(scripted, fetch, start):
    """Before the first byte, and between two."""
    scripted.answers = [(start, "hang")]

    with pytest.raises(VendorTimeout):
        async with await fetch(timeouts=Timeouts(connect=1, read=0.4)) as audio:
            await audio.read()


async def test_a_recording_that_cannot_be_reached_is_unavailable(fetch, closed_port):
    """Nobody listens there."""
    with pytest.raises(VendorUnavailable):
        await fetch(f"http://127.0.0.1:{closed_port}/r.wav", allowed_hosts=[f"127.0.0.1:{closed_port}"])


async def test_a_dropped_connection_before_the_recording_is_unavailable(scripted, fetch):
    """The vendor hung up."""
    scripted.answers = [(b"", "drop")]

    with pytest.raises(VendorUnavailable):
        await fetch()


async def test_a_recording_can_be_left_before_its_end(scripted, http_answer, fetch):
    """The connection is given back; closing twice is allowed."""
    scripted.answers = [http_answer(body=WAV * 1000, content_type="audio/wav")]

    async with await fetch() as audio:
        first = await anext(aiter(audio))
    await audio.aclose()

    assert first.startswith(b"RIFF")
