"""What each operation is for, seen at both ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from .. import OPERATIONS, NotFound, Outcome, QueueKind, Secret, Unsupported
from .far_side import FarSide
from .lacking import method_of, where_supported
from .proofs import proves

_STEERING = ("transfer_call", "listen_call", "whisper_call", "barge_call", "park_call")


class BehaviourTests:
    """One test at least for what each operation is there for."""

    @where_supported
    @proves("start_call", "list_calls")
    async def test_a_started_call_is_in_progress(self, pbx: Any, far: FarSide) -> None:
        """One more phone rings, and the call is listed by the id that the vendor gave, if it gave one."""
        method, arguments = await method_of(pbx, far, OPERATIONS["start_call"])
        before = len(far.rang())

        started = await method(**arguments)

        assert [far.extension] == list(far.rang())[before:]
        if started.call_id is not None and _has_calls(pbx):
            listed = {call.call_id: call.extension for call in (await pbx.call_control.list_calls()).items}
            assert far.extension == listed[started.call_id]

    @pytest.mark.parametrize("name", _STEERING)
    @where_supported
    @proves(*_STEERING)
    async def test_a_call_is_steered_as_asked(self, pbx: Any, far: FarSide, name: str) -> None:
        """The vendor did this one thing, once, and nothing else rang."""
        method, arguments = await method_of(pbx, far, OPERATIONS[name])
        steered, rang = len(far.steered()), len(far.rang())

        await method(**arguments)

        assert [name] == list(far.steered())[steered:]
        assert rang == len(far.rang())

    @where_supported
    @proves("list_records", "get_record")
    async def test_a_finished_call_is_found_in_the_list_and_by_its_id(self, pbx: Any, far: FarSide) -> None:
        """Both say who talked to whom, as it was at the vendor."""
        method, arguments = await method_of(pbx, far, OPERATIONS["get_record"])

        record = await method(**arguments)

        assert record in [listed async for listed in _records(pbx)]
        assert (far.extension, far.number) == (record.extension, record.to_number)
        assert Outcome.ANSWERED is record.outcome

    @where_supported
    @proves("fetch_recording")
    async def test_a_recording_is_audio_of_the_record_it_was_asked_for(self, pbx: Any, far: FarSide) -> None:
        """It comes with its type, and is not empty."""
        method, arguments = await method_of(pbx, far, OPERATIONS["fetch_recording"])

        async with await method(**arguments) as audio:
            whole = await audio.read()

        assert arguments["record_id"] == audio.record_id
        assert audio.media_type.startswith("audio/")
        assert len(whole) > 0

    @where_supported
    @proves("locate_recording")
    async def test_a_located_recording_can_be_fetched_without_the_gateway(self, pbx: Any, far: FarSide) -> None:
        """What anybody finds at the address is what the gateway fetches, and the address has not expired."""
        method, arguments = await method_of(pbx, far, OPERATIONS["locate_recording"])

        link = await method(**arguments)
        async with aiohttp.ClientSession() as session, session.get(link.url) as answer:
            found = await answer.read()
        async with await pbx.recording.fetch_recording(**arguments) as audio:
            whole = await audio.read()

        assert arguments["record_id"] == link.record_id
        assert whole == found
        assert link.expires_at is None or link.expires_at > datetime.now(UTC)

    @where_supported
    @proves("list_call_ids", "count_calls")
    async def test_a_finished_call_is_in_the_reports(self, pbx: Any, far: FarSide) -> None:
        """One more id, that of the new record, and one more answered call; neither in the hours before and after."""
        await method_of(pbx, far, OPERATIONS["list_call_ids"])
        await method_of(pbx, far, OPERATIONS["count_calls"])
        now = datetime.now(UTC)
        hour = timedelta(hours=1)
        starts = (now - 2 * hour, now - hour / 2, now + hour)

        before = [await _reported(pbx, start, start + hour) for start in starts]
        record = await pbx.history.get_record(await far.finished_call())
        after = [await _reported(pbx, start, start + hour) for start in starts]

        assert {record.call_id} == after[1][0] - before[1][0]
        assert before[1][1] + 1 == after[1][1]
        assert (before[0], before[2]) == (after[0], after[2])

    @where_supported
    @proves("get_agent")
    async def test_an_agent_is_found_by_id(self, pbx: Any, far: FarSide) -> None:
        """With the extension at which calls are taken; nobody else's id is found."""
        method, arguments = await method_of(pbx, far, OPERATIONS["get_agent"])

        agent = await method(**arguments)

        assert far.extension == agent.extension
        assert agent == await method(agent_id=agent.agent_id)
        with pytest.raises(NotFound):
            await method(agent_id="00000000-0000-0000-0000-000000000000")

    @where_supported
    @proves("list_agents")
    async def test_agents_are_listed_with_their_extensions_and_calls(self, pbx: Any, far: FarSide) -> None:
        """Those whose phones are connected; who is in a call is not free."""
        method, _ = await method_of(pbx, far, OPERATIONS["list_agents"])
        free = {agent.extension: agent for agent in (await method()).items}
        call_id = await far.live_call()

        talking = {agent.extension: agent for agent in (await method()).items}

        assert {far.extension, far.second_extension} <= talking.keys()
        assert free[far.second_extension] == talking[far.second_extension]
        assert free[far.extension].state is not talking[far.extension].state
        assert talking[far.extension].call_id in {None, call_id}

    @where_supported
    @proves("load_queue", "start_queue", "stop_queue", "delete_queue", "block_customers")
    async def test_a_queue_is_loaded_steered_and_deleted(self, pbx: Any, far: FarSide) -> None:
        """The vendor has the customers, dials, pauses, leaves out who is blocked, and, stopped, has it no more."""
        load, arguments = await method_of(pbx, far, OPERATIONS["load_queue"])
        queue: dict[str, Any] = {"queue_code": "Q2", "kind": QueueKind.AUTOCALL}

        loaded = await load(**{**arguments, **queue})
        await pbx.campaigns.block_customers("Q2", customer_ids=["KH01"])
        await pbx.campaigns.stop_queue(**queue)
        stopped = far.queue("Q2")
        await pbx.campaigns.start_queue(**queue)
        started = far.queue("Q2")
        await pbx.campaigns.stop_queue(**queue)
        await pbx.campaigns.delete_queue(**queue)

        assert ("Q2", ("KH01",), ()) == (loaded.queue_code, loaded.accepted, loaded.rejected)
        assert stopped is not None
        assert started is not None
        assert frozenset({"KH01"}) == stopped.customers == stopped.blocked
        assert (False, True) == (stopped.running, started.running)
        assert far.queue("Q2") is None
        assert far.queue("Q1") is not None

    @where_supported
    @proves("create_customer", "get_customer", "list_customers")
    async def test_a_created_customer_is_found_by_id_and_in_the_list(self, pbx: Any, far: FarSide) -> None:
        """With what was given, and beside those that the vendor had."""
        method, arguments = await method_of(pbx, far, OPERATIONS["create_customer"])
        names = [*arguments, "name"]

        created = await method(**arguments, name="Khach Hang 02")
        found = await pbx.customers.get_customer(created.customer_id)
        listed = {customer.customer_id: customer for customer in (await pbx.customers.list_customers()).items}

        given = {**arguments, "name": "Khach Hang 02"}
        assert given == {name: getattr(created, name) for name in names}
        assert given == {name: getattr(found, name) for name in names}
        assert found == listed[created.customer_id]
        assert {"KH01"} <= listed.keys() - {created.customer_id}

    @where_supported
    @proves("create_tenant", "get_tenant", "update_tenant")
    async def test_a_created_tenant_is_found_and_can_be_switched_off(self, pbx: Any, far: FarSide) -> None:
        """A new one has a domain of its own, and the vendor has it switched as it was asked for."""
        method, arguments = await method_of(pbx, far, OPERATIONS["create_tenant"])
        older = await pbx.tenants.get_tenant(await far.tenant())

        created = await method(**arguments)
        found = await pbx.tenants.get_tenant(**arguments)
        on = far.tenant_enabled(arguments["tenant_id"])
        await pbx.tenants.update_tenant(**arguments, enabled=False)
        off = far.tenant_enabled(arguments["tenant_id"])
        await pbx.tenants.update_tenant(**arguments, enabled=True)

        assert arguments["tenant_id"] == created.tenant_id == found.tenant_id
        assert created.domain == found.domain != older.domain
        assert (True, False, True) == (on, off, far.tenant_enabled(arguments["tenant_id"]))
        with pytest.raises(NotFound):
            await pbx.tenants.get_tenant("nobodys-tenant")

    @where_supported
    @proves("create_extension", "get_extension")
    async def test_a_created_extension_of_a_tenant_is_found(self, pbx: Any, far: FarSide) -> None:
        """With the password that its phone registers with, as a secret."""
        method, arguments = await method_of(pbx, far, OPERATIONS["create_extension"])
        given: dict[str, Any] = {**arguments, "extension": "778", "password": Secret("456Def!@#")}

        await method(**given)
        found = await pbx.tenants.get_extension(given["tenant_id"], "778")

        assert ("778", given["password"]) == (found.extension, found.password)
        with pytest.raises(NotFound):
            await pbx.tenants.get_extension(given["tenant_id"], "779")


async def _records(pbx: Any) -> Any:
    """Every record, page by page."""
    cursor = None
    while True:
        page = await (pbx.history.list_records(cursor=cursor) if cursor else pbx.history.list_records())
        for record in page.items:
            yield record
        cursor = page.next
        if cursor is None:
            return


async def _reported(pbx: Any, since: datetime, until: datetime) -> tuple[set[str], int]:
    """The ids of the calls of a time, and how many were answered."""
    ids = {each.call_id for each in (await pbx.reports.list_call_ids(since=since, until=until)).items}
    counts = (await pbx.reports.count_calls(since=since, until=until)).items
    return ids, sum(each.count for each in counts if each.outcome is Outcome.ANSWERED)


def _has_calls(pbx: Any) -> bool:
    try:
        return bool(pbx.call_control)
    except Unsupported:
        return False
