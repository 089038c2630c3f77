"""What goes wrong between an account and its vendor: how it is told, how often it is sent, what it leaves behind."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from .. import DialState, GatewayError, NotFound, Operation, Origin, Unsupported, VendorTimeout
from .accounts import Able, AccountTests, Once, able, addresses, arrived, kind_of, nothing_left, until
from .far_side import RETRY_AFTER_SECONDS, FarSide, Trouble, settled
from .lacking import where_supported

_LOST = [Trouble.REPLY_LOST, Trouble.NOT_DONE, Trouble.HALF_BODY]
_NONSENSE = [Trouble.WEB_PAGE, Trouble.HALF_JSON, Trouble.WRONG_TYPES]
_CARRIED_OUT = {Trouble.REPLY_LOST, Trouble.HALF_BODY, Trouble.HALF_JSON}
_STATUSES = [trouble for trouble in Trouble if trouble.status]
_CODES = {  # a vendor may document a 503 as its limit
    401: {"vendor_auth_failed"},
    403: {"vendor_auth_failed"},
    404: {"not_found"},
    429: {"rate_limited"},
    500: {"vendor_unavailable"},
    502: {"vendor_unavailable"},
    503: {"vendor_unavailable", "rate_limited"},
}
_RETRYABLE = {"rate_limited", "vendor_unavailable", "vendor_timeout"}
_NOWHERE = "https://pbx.invalid"  # a name that never is (RFC 6761)
_PATIENCE = (0.1, 0.5, 2.5)  # seconds; on a busy machine what comes before the answer takes long, too

Told = tuple[set[str], set[Origin], DialState | None]
"""The codes that an error may have, the origins, and what it says of ringing."""


def _told(operation: Operation, trouble: Trouble, far: FarSide) -> Told | None:
    """What an error must tell of *trouble* that lasts; None where there must be none."""
    if settled(far, operation.name, trouble):
        return None
    kind = kind_of(operation)
    proof = trouble.status is not None and trouble.status in {401, *far.proofs.get(operation.name, ())}
    refused = proof or (kind == "write" and trouble.status is not None and trouble.status < 500)
    if trouble.status and (kind == "read" or refused):
        # What is not there may be the caller's doing.
        origins = {Origin.VENDOR, Origin.CALLER} if trouble is Trouble.STATUS_404 else {Origin.VENDOR}
        codes = _CODES[trouble.status]
        if trouble is Trouble.STATUS_404 and NotFound not in operation.errors:  # there is nothing that can be missing
            codes = {"vendor_protocol_error"}
        return codes, origins, DialState.NOT_PLACED if kind == "ring" else None
    origins = {Origin.NETWORK if trouble in {*_LOST, Trouble.SLOW} else Origin.VENDOR}
    if kind == "read":
        code = "vendor_timeout" if trouble is Trouble.SLOW else "vendor_unavailable"
        return {"vendor_protocol_error" if trouble in _NONSENSE else code}, origins, None
    return {"outcome_unknown"}, origins, DialState.UNKNOWN if kind == "ring" else None


def _complaint(error: GatewayError | None, operation: Operation, told: Told | None, account: str) -> str | None:
    """What is wrong with *error*; None when it tells what it should."""
    if told is None:
        return None if error is None else f"{error.as_problem()} after a status that has said all"
    codes, origins, dial_state = told
    if error is None:
        return f"no error instead of {' or '.join(sorted(codes))}"
    right = error.code in codes and error.origin in origins and error.dial_state is dial_state
    if right and (error.operation, error.account) == (operation.name, account):
        return None if error.retryable == (error.code in _RETRYABLE) else f"retryable is {error.retryable}"
    return f"{error.as_problem()} instead of {codes}, {origins}, {dial_state}"


async def _error_of(each: Able, arguments: Any) -> GatewayError | None:
    try:
        answer = await each.method(**arguments)
        if each.operation.binary:
            async with answer as audio:
                await audio.read()
    except GatewayError as error:
        return error
    return None


def _done(far: FarSide) -> int:
    """How many phones the vendor really made ring, by whatever operation."""
    return len(far.rang()) + len(far.steered())


class TroubleTests(AccountTests):
    """Each kind of trouble, met by every operation that the vendor has."""

    @pytest.mark.parametrize("trouble", [*_LOST, *_NONSENSE, *_STATUSES])
    async def test_trouble_that_lasts_is_told_and_nothing_is_done_twice(
        self, connect: Any, far: FarSide, trouble: Trouble, impatient: None
    ) -> None:
        """Every error says what happened, whose doing it is, and whether a phone may have rung; only reads are asked
        again, and after a 401 what was refused, once.
        """
        async with connect() as pbx:
            wrong = {}
            for each in await able(pbx, far) if far.network else ():
                kind, name = kind_of(each.operation), each.operation.name
                if each.operation.binary and trouble in (*_NONSENSE, Trouble.HALF_BODY):
                    continue  # audio is any bytes, and comes in parts
                if kind != "read" and trouble is Trouble.WRONG_TYPES:
                    continue  # a success may say nothing that has a type
                await far.reset()
                once: Any = Once(far)
                if kind == "read":
                    await asyncio.gather(once.live_call(), once.finished_call(), once.hook())  # so no list is empty
                arguments = await each.needs(once)
                far.make_trouble(name, trouble, lasts=True)
                before, done = arrived(far), _done(far)
                error = await _error_of(each, arguments)
                sent, rang = arrived(far) - before, _done(far) - done
                complaint = _complaint(error, each.operation, _told(each.operation, trouble, far), pbx.name)
                if kind != "read" and sent > (2 if trouble is Trouble.STATUS_401 else 1):
                    complaint = f"sent {sent} times"
                if rang > (trouble in _CARRIED_OUT):
                    complaint = f"{rang} phones rang"
                if trouble.status in {429, 503} and kind == "read" and error and not complaint:
                    complaint = None if error.retry_after == RETRY_AFTER_SECONDS else f"retry_after {error.retry_after}"
                if complaint:
                    wrong[name] = complaint

        assert {} == wrong

    async def test_a_vendor_that_is_slow_is_a_timeout_for_reads_and_unknown_for_the_rest(
        self, connect: Any, far: FarSide
    ) -> None:
        """Whoever waited too long for a phone that may ring by now is not told that nothing happened."""
        complaints: dict[str, str] = {}
        for seconds in _PATIENCE:
            complaints = await self._slow(connect, far, dict.fromkeys(("read", "dial", "dial_wait"), seconds))
            if not complaints:
                break

        assert {} == complaints

    async def _slow(self, connect: Any, far: FarSide, timeouts: dict[str, float]) -> dict[str, str]:
        async with connect(timeouts=timeouts) as pbx:
            found = await able(pbx, far) if far.network else []
            _, ask = _a_read(pbx)
            with contextlib.suppress(VendorTimeout):
                await ask()  # so that there is a token, which is not held
            once: Any = Once(far)
            arguments = [await each.needs(once) for each in found]
            for each in found:
                far.make_trouble(each.operation.name, Trouble.SLOW, lasts=True)
            errors = await asyncio.gather(*map(_error_of, found, arguments))
            await far.reset()
            complaints = {}
            for each, error in zip(found, errors, strict=True):
                complaint = _complaint(error, each.operation, _told(each.operation, Trouble.SLOW, far), pbx.name)
                if complaint:
                    complaints[each.operation.name] = complaint
            return complaints

    @pytest.mark.parametrize("where", ["unknown_name", "refused", "reset"])
    async def test_a_vendor_that_cannot_be_reached_is_unavailable_and_nothing_rang(
        self, connect: Any, far: FarSide, where: str, impatient: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without a name, without a listener, or cut before the first byte of a request: that is proof."""
        _forget_names(monkeypatch)
        async with _unreachable(where) as url, connect(settings=dict.fromkeys(addresses(far), url)) as pbx:
            found = await able(pbx, far) if far.network else []
            before = arrived(far)
            once: Any = Once(far)
            errors = [await _error_of(each, await each.needs(once)) for each in found]

        assert before == arrived(far)
        complaints = {}
        for each, error in zip(found, errors, strict=True):
            state = DialState.NOT_PLACED if each.operation.rings else None
            complaints[each.operation.name] = _complaint(
                error, each.operation, ({"vendor_unavailable"}, {Origin.NETWORK}, state), pbx.name
            )
        assert {} == {name: complaint for name, complaint in complaints.items() if complaint}

    async def test_whoever_is_cancelled_leaves_nothing_open(self, connect: Any, far: FarSide) -> None:
        """While the vendor holds the answer: no task and no connection is left, nothing is sent again, and the account
        works on.
        """
        async with connect() as pbx:
            found = await able(pbx, far) if far.network else []
            wrong = {}
            for each in found:
                name = each.operation.name
                arguments = await each.needs(far)
                far.make_trouble(name, Trouble.SLOW, lasts=True)
                before = arrived(far)
                async with nothing_left():
                    asking = asyncio.ensure_future(each.method(**arguments))
                    await until(lambda: far.held() or asking.done())  # noqa: B023 # asked for before the next round
                    sent, done = arrived(far) - before, _done(far)
                    asking.cancel()
                    await asyncio.wait([asking])
                    await far.reset()
                if not asking.cancelled():
                    wrong[name] = "was not cancelled"
                if (sent, done) != (arrived(far) - before, _done(far)):
                    wrong[name] = "was sent again"
                error = await _error_of(each, await each.needs(far)) if each.operation.reads else None
                if error is not None:
                    wrong[name] = f"{error.code} afterwards"

        assert {} == wrong

    async def test_a_cancelled_caller_fails_nobody_else_who_waits_for_the_token(
        self, connect: Any, far: FarSide
    ) -> None:
        """They share one request for a token; it goes on for those who are left."""
        async with connect() as pbx:
            _, ask = _a_read(pbx)
            before = far.token_requests()
            first, *others = (asyncio.ensure_future(ask()) for _ in range(3))
            await until(lambda: far.token_requests() > before or first.done())
            first.cancel()
            answers = await asyncio.gather(*others)

        assert 2 == len(answers)
        assert far.token_requests() - before <= 1

    @where_supported
    async def test_one_token_serves_requests_that_come_together(self, pbx: Any, far: FarSide) -> None:
        """Twenty requests at once on a new account, one more, and all again after every token was refused: one token
        each time.
        """
        _, ask = _a_read(pbx)
        before = far.token_requests()
        await asyncio.gather(*(ask() for _ in range(20)))
        await ask()
        first = far.token_requests() - before
        far.refuse_tokens()
        await asyncio.gather(*(ask() for _ in range(20)))

        assert (first, first) == (min(first, 1), far.token_requests() - before - first)

    async def test_a_read_whose_token_is_refused_by_403_is_asked_again_with_a_fresh_one(
        self, connect: Any, far: FarSide
    ) -> None:
        """Once. A 403 that stays is a missing right, which is told, and not every read costs a new token for it."""
        async with connect() as pbx:
            name, ask = _a_read(pbx)
            await ask()
            tokens, before = far.token_requests(), arrived(far)
            if not tokens:
                return
            far.make_trouble(name, Trouble.STATUS_403)
            await ask()
            mended = far.token_requests() - tokens, arrived(far) - before
            far.make_trouble(name, Trouble.STATUS_403, lasts=True)
            codes = []
            for _ in range(3):
                with pytest.raises(GatewayError) as caught:
                    await ask()
                codes.append(caught.value.code)

        assert (1, 2) == mended
        assert ["vendor_auth_failed"] * 3 == codes
        assert (2, 6) == (far.token_requests() - tokens, arrived(far) - before)

    async def test_a_closed_account_leaves_nothing_open(self, connect: Any, far: FarSide) -> None:
        """However it was closed: after use, by an error, by a cancellation, and by one while it opened."""
        async with nothing_left():
            async with connect() as pbx:
                _, ask = _a_read(pbx)
                await asyncio.gather(*(ask() for _ in range(3)))
            with contextlib.suppress(_Told):
                async with connect() as pbx:
                    _, ask = _a_read(pbx)
                    await ask()
                    raise _Told
            for steps in range(4):
                opening = asyncio.ensure_future(_open(connect))
                for _ in range(steps):
                    await asyncio.sleep(0)
                opening.cancel()
                await asyncio.wait([opening])


class _Told(Exception):  # a test's own reason to leave an account
    pass


async def _open(connect: Any) -> None:
    async with connect():
        await asyncio.Event().wait()


def _a_read(pbx: Any) -> tuple[str, Any]:
    """A read that needs nothing, by its name."""
    for interface, name in (("call_control", "list_calls"), ("history", "list_records"), ("agents", "list_agents")):
        with contextlib.suppress(Unsupported):
            return name, getattr(getattr(pbx, interface), name)
    return "", _nothing


async def _nothing() -> None:
    """What is asked of an account that has nothing to read."""


def _forget_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name be found, without asking anybody; addresses are none."""
    ask = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self: Any, host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return await ask(self, host, *args, **more)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@contextlib.asynccontextmanager
async def _unreachable(where: str) -> AsyncIterator[str]:
    """An address at which no request ever arrives."""
    if where == "unknown_name":
        yield _NOWHERE
    elif where == "refused":
        with _closed_port() as port:
            yield f"http://127.0.0.1:{port}"
    else:
        # Over TLS nothing of a request is sent before both sides have spoken.
        server = await asyncio.start_server(_reset, "127.0.0.1", 0)
        async with server:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.contextmanager
def _closed_port() -> Iterator[int]:
    """A port that refuses connections: bound, so that nobody gets it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
