"""What holds for every operation, whatever it is about."""

import asyncio
from typing import Any

import pytest

from .. import (
    OPERATIONS,
    Audio,
    GatewayError,
    SupportLevel,
    Unsupported,
    loads,
)
from .far_side import FarSide, Trouble
from .lacking import method_of, where_supported
from .report import PROPERTY
from .survey import ALONG, NOT_SURVEYED, OPTIONAL, survey

READS = [name for name, operation in OPERATIONS.items() if operation.reads and not operation.binary]
STALE = "the package ships another support report: `gateway plugin check --write` writes it anew"
_NOT_AS_DOCUMENTED = [Trouble.WEB_PAGE, Trouble.HALF_JSON, Trouble.WRONG_TYPES]


class EveryOperationTests:
    """Arguments, and reads that meet trouble."""

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
        """An argument that the vendor cannot be told is refused by name before anything is sent."""
        method, arguments = await method_of(pbx, far, OPERATIONS[name])
        received = far.received()

        answer, refusal = None, None
        try:
            answer = await method(**{**arguments, **ALONG.get((name, argument), {}), argument: OPTIONAL[argument](far)})
        except Unsupported as error:
            refusal = error
        if isinstance(answer, Audio):
            await answer.aclose()

        assert refusal is None or argument in refusal.message
        assert (refusal is None) == (far.received() > received)

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

    @where_supported
    async def test_one_token_serves_requests_that_come_together(self, pbx: Any, far: FarSide) -> None:
        """Twenty requests at once after every token was refused all succeed."""
        method, _ = await method_of(pbx, far, OPERATIONS["list_calls"])
        far.refuse_tokens()

        pages = await asyncio.gather(*(method() for _ in range(20)))

        assert len(pages) == 20
