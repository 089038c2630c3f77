"""What holds for every operation, whatever it is about."""

import asyncio
import contextlib
import inspect
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from urllib.parse import unquote

import attrs
import pytest

from .. import (
    OPERATIONS,
    Audio,
    GatewayError,
    InvalidRequest,
    Location,
    NotFound,
    Operation,
    Page,
    QueueCustomer,
    Secret,
    SupportLevel,
    Unsupported,
    interfaces_of,
    loads,
    operations_of,
)
from ..operations import REQUIRED
from .far_side import FarSide, Trouble
from .lacking import Lacks, method_of, where_supported
from .report import PROPERTY
from .survey import ALONG, NOT_SURVEYED, needs, survey, value_for

READS = [name for name, operation in OPERATIONS.items() if operation.reads and not operation.binary]
STALE = (
    "the package ships another support report; mend whatever else fails first, since it may be why: "
    "then `gateway plugin check --write` writes it anew"
)
# What an adapter may do itself is compared by what comes, in the tests of History and Recording.
_SHOWN_BY_ANSWERS = frozenset({"list_records", "fetch_recording"})
_NOT_AS_DOCUMENTED = [Trouble.WEB_PAGE, Trouble.HALF_JSON, Trouble.WRONG_TYPES]

# The first one tells whether the far side shows paths as they were sent; the first half alone is in no other request.
_HALF = "qq7"
_ID_LIKE_A_QUERY = f"{_HALF}?qq8=1"
_ODD_IDS = (_ID_LIKE_A_QUERY, f"{_HALF}#qq8", f"{_HALF}%2Fqq8", f"{_HALF}/qq8", f"../{_HALF}")


def another(value: Any) -> Any:
    """A value that differs from *value* and is as good an argument."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Enum):
        return next(each for each in type(value) if each is not value)
    if isinstance(value, Secret):
        return Secret(another(value.reveal()))
    if isinstance(value, datetime):
        return value - timedelta(hours=1)
    if isinstance(value, QueueCustomer):
        return attrs.evolve(value, customer_id=another(value.customer_id))
    if isinstance(value, tuple):
        return tuple(another(each) for each in value)
    return value + 1 if isinstance(value, int) else f"{value}7"


async def _sent(far: FarSide, method: Any, arguments: Mapping[str, Any], *, but: str) -> str:
    """All that arrives when *method* is called, and whether it is found, with a word in place of each id *but* one.

    Raises: Unsupported.
    """
    before = len(far.requests())
    found = "found"
    try:
        answer = await method(**arguments)
    except Unsupported:
        raise
    except GatewayError as error:
        found = "not found" if isinstance(error, NotFound) else found
    else:
        if isinstance(answer, Audio):
            await answer.aclose()
    text = "\n".join([*far.requests()[before:], found])
    for name, value in arguments.items():
        if name.endswith("_id") and name != but:  # another each time
            text = text.replace(value, name)
    return text


async def _sent_afresh(far: FarSide, method: Any, operation: Operation, more: Mapping[str, Any], *, but: str) -> str:
    """The same at a PBX at rest, with what *operation* needs and *more*."""
    await far.reset()
    return await _sent(far, method, {**await needs(operation, far), **more}, but=but)


async def _requests_for(far: FarSide, method: Any, arguments: Mapping[str, Any]) -> tuple[list[str], str | None]:
    """What arrives when *method* is called, and what is wrong with how it ended when nothing told the vendor the id."""
    before = len(far.requests())
    ended: GatewayError | None = None
    try:
        answer = await method(**arguments)
    except GatewayError as error:
        ended = error
    else:
        if isinstance(answer, Audio):
            await answer.aclose()
    sent = list(far.requests()[before:])
    if any(_HALF in request for request in sent) or isinstance(ended, InvalidRequest | NotFound | Unsupported):
        return sent, None
    how = f"ends as {ended.code}" if ended else "ends well"
    return sent, f"{how}, and the vendor was not told the id: raise NotFound or InvalidRequest"


def _astray(request: str, odd: str, *, shown_as_sent: bool) -> bool:
    """Whether *request* tells only a part of the id *odd*, or tells it as more than one part of its path."""
    if _HALF not in request:
        return False
    path, _, rest = request.partition(" ")[2].partition(" ")
    if shown_as_sent and _HALF in path:
        return not any(odd in unquote(part) for part in path.split("/"))
    return odd not in request and odd not in unquote(rest if _HALF in rest else path)


def _odd_arguments(operation: Operation, method: Any) -> list[str]:
    """In which arguments *method* differs from *operation*; it may lack those with a default, which may be newer."""
    declared = {each.name: each for each in operation.parameters}
    found = inspect.signature(method).parameters
    taken = {each.name: each for each in found.values() if each.kind not in {each.VAR_KEYWORD, each.VAR_POSITIONAL}}
    any_other = any(each.kind is each.VAR_KEYWORD for each in found.values())
    odd = [
        f"{operation.name}: it has no argument `{name}`"
        for name, each in taken.items()
        if name not in declared and each.default is REQUIRED
    ]
    for name, parameter in declared.items():
        if name not in taken:
            odd += [f"{operation.name}: take `{name}`"] if parameter.required and not any_other else []
        elif not parameter.required and taken[name].default != parameter.default:
            odd.append(f"{operation.name}: give `{name}` the default {parameter.default!r}")
    return odd


class EveryOperationTests:
    """Arguments, and reads that meet trouble."""

    async def test_methods_take_the_arguments_of_their_operations(self, connect: Any) -> None:
        """By the same names and with the same defaults. Type checkers are no help where arguments came later."""
        async with connect() as pbx:
            adapter = getattr(pbx, "adapter", None)
            wrong = [
                each
                for interface in interfaces_of(type(adapter))
                for operation in operations_of(interface).values()
                if (method := getattr(adapter, operation.name, None))  # it may be of a part that the adapter lacks
                for each in _odd_arguments(operation, method)
            ]

        assert [] == wrong, "\n".join(wrong)

    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            (name, parameter.name)
            for name, operation in OPERATIONS.items()
            for parameter in operation.parameters
            if not parameter.required and parameter.name not in NOT_SURVEYED
        ],
    )
    @where_supported
    async def test_every_argument_arrives_or_is_refused(self, pbx: Any, far: FarSide, name: str, argument: str) -> None:
        """An argument that the vendor cannot be told is refused by name before anything is sent.

        One that is accepted arrives: another value of it makes other requests, unless that one is refused.
        """
        operation = OPERATIONS[name]
        method, arguments = await method_of(pbx, far, operation)
        received = len(far.requests())
        value = await value_for(operation, next(each for each in operation.parameters if each.name == argument), far)
        more = {**ALONG.get((name, argument), {}), argument: value}

        answer, refusal = None, None
        try:
            answer = await method(**{**arguments, **more})
        except Unsupported as error:
            refusal = error
        if isinstance(answer, Audio):
            await answer.aclose()

        arrived = len(far.requests()) > received
        if refusal is not None:
            assert argument in refusal.message, f"{name}: the refusal of `{argument}` does not name it"
            assert not arrived, f"{name}: `{argument}` is refused after something was sent"
        if refusal is not None or (operation.reads and not far.network):
            return
        nothing = "changes nothing in the request: send it or refuse it by name"
        assert arrived, f"{name}: with `{argument}` no request arrives at all"
        if name not in _SHOWN_BY_ANSWERS:
            one = await _sent_afresh(far, method, operation, more, but=argument)
            with contextlib.suppress(Unsupported):
                other = {**more, argument: another(more[argument])}
                sent = await _sent_afresh(far, method, operation, other, but=argument)
                assert one != sent, f"{name}: `{argument}` {nothing}"

    async def test_what_an_operation_needs_arrives(self, pbx: Any, far: FarSide) -> None:
        """Another value of any argument that must be given makes other requests, or is not found in what is listed."""
        tried = 0
        for operation in OPERATIONS.values():
            with contextlib.suppress(Lacks):
                method, arguments = await method_of(pbx, far, operation)
                for name in (each.name for each in operation.parameters if each.required):
                    one = await _sent_afresh(far, method, operation, {}, but=name)
                    with contextlib.suppress(Unsupported):
                        other = await _sent_afresh(far, method, operation, {name: another(arguments[name])}, but=name)
                        assert one != other, f"{operation.name}: `{name}` changes nothing in the request: send it"
                    tried += 1

        assert tried

    async def test_an_id_is_one_part_of_a_path_whatever_is_in_it(self, pbx: Any, far: FarSide) -> None:
        """One that looks like a path or a query is no such id, or reaches the vendor whole: it never changes what is
        asked for.
        """
        wrong: list[str] = []
        for operation in OPERATIONS.values():
            names = [each.name for each in operation.parameters_in(Location.PATH)]
            with contextlib.suppress(Lacks):
                method = (await method_of(pbx, far, operation))[0] if names else None
                for name in names:
                    shown_as_sent = False
                    for odd in _ODD_IDS:
                        await far.reset()
                        arguments = {**await needs(operation, far), name: odd}
                        sent, complaint = await _requests_for(far, method, arguments)
                        shown_as_sent |= odd == _ID_LIKE_A_QUERY and any("%3F" in each for each in sent)
                        if any(_astray(request, odd, shown_as_sent=shown_as_sent) for request in sent):
                            complaint = "changes the path of the request: send it as segment(…) of it"
                        if complaint:
                            wrong.append(f"{operation.name}: `{name}` {odd!r} {complaint}")

        assert [] == wrong, "\n".join(wrong)

    async def test_every_answer_names_its_account_and_keeps_the_vendors_own(self, pbx: Any, far: FarSide) -> None:
        """Whatever is read says whose it is, and holds what the vendor said in `raw`."""
        for name in READS:
            with contextlib.suppress(Lacks):
                method, arguments = await method_of(pbx, far, OPERATIONS[name])
                await asyncio.gather(far.live_call(), far.finished_call(), far.hook())  # so that no list is empty
                answer = await method(**arguments)
                for each in answer.items if isinstance(answer, Page) else [answer]:
                    assert (name, pbx.name) == (name, each.account)
                    assert each.raw is not None, f"{name} loses what the vendor said"

    async def test_everything_is_supported_or_refused(self, pbx: Any, far: FarSide, record_property: Any) -> None:
        """A survey of every operation and argument meets no other error, and the plugin ships what it finds."""
        found = await survey(pbx, far)

        record_property(PROPERTY, loads(found.as_text()))  # plain data, which passes between processes
        assert any(each.support is not SupportLevel.UNSUPPORTED for each in found.operations.values())
        if getattr(pbx, "support", None) is not None:  # the plugin ships a report
            assert found.operations == pbx.support, STALE
            assert found.limits == pbx.limits, STALE

    @pytest.mark.parametrize("trouble", _NOT_AS_DOCUMENTED)
    @pytest.mark.parametrize("name", READS)
    @where_supported
    async def test_an_answer_that_is_not_as_documented_is_a_classified_error(
        self, pbx: Any, far: FarSide, name: str, trouble: Trouble
    ) -> None:
        """A web page, half of the JSON or other types end as an error that names the account, never as a value."""
        method, arguments = await method_of(pbx, far, OPERATIONS[name])
        await asyncio.gather(far.live_call(), far.finished_call(), far.hook())  # so that no list is empty
        far.make_trouble(name, trouble)

        with pytest.raises(GatewayError) as caught:
            await method(**arguments)

        assert caught.value.code == "vendor_protocol_error"
        assert name == caught.value.operation
        assert caught.value.account

    @pytest.mark.parametrize("name", READS)
    @where_supported
    async def test_a_read_whose_reply_is_lost_is_asked_again(self, pbx: Any, far: FarSide, name: str) -> None:
        """A read changes nothing, so a dropped connection costs a second request and no error."""
        method, arguments = await method_of(pbx, far, OPERATIONS[name])
        far.make_trouble(name, Trouble.REPLY_LOST)

        answer = await method(**arguments)

        assert answer is not None
