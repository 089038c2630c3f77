"""What TEL4VN v1 sends and takes, and the tables between its words and ours (documents 000, 001, 003 of 2021).

Rows ignore what they do not know. `None` stands for what a host leaves out; numbers that arrive as text are taken.
"""

from collections.abc import Mapping

import attrs
from gateway_contracts import AgentState, Leg, Outcome

from ..words import Number

LEGS: Mapping[Leg, str] = {Leg.A: "aleg", Leg.B: "bleg"}  # 000:80

AGENT_STATES: Mapping[str, AgentState] = {  # 003:947; an agent without a call is logged in and free
    "RINGING": AgentState.RINGING,
    "ONCALL": AgentState.ON_CALL,
    "": AgentState.AVAILABLE,
}

STATUS_FILTERS: Mapping[Outcome, str] = {
    # The spellings of 003:839-856. Other outcomes have no documented spelling here and are picked out by us.
    Outcome.ANSWERED: "ANSWERED",
    Outcome.BUSY: "BUSY",
    Outcome.NO_ANSWER: "NO ANSWER",
}


@attrs.frozen(kw_only=True)
class CallIdRow:
    """003:785-795."""

    call_id: str
    sip_call_id: str | None = None


@attrs.frozen(kw_only=True)
class CallCountRow:
    """003:836-858."""

    count: Number
    status: str | None = None


@attrs.frozen(kw_only=True)
class AgentRow:
    """003:903-937."""

    user_id: str | None = None
    username: str | None = None
    agent_name: str | None = None
    extension: str | int | None = None
    extension_id: str | None = None
    call_state: str | None = None
    call_id: str | None = None
    call_time: str | None = None
    destination: str | None = None
    direction: str | int | None = None


@attrs.frozen(kw_only=True)
class TenantUserRow:
    user_id: str | None = None
    username: str | None = None
    password: str | None = None
    api_key: str | None = None
    group: str | None = None
    enabled: str | bool | None = None


@attrs.frozen(kw_only=True)
class TenantRow:
    """003:978-996 and 003:1018-1027."""

    domain: str | None = None
    tenant_url: str | None = None
    outbound_proxy: str | None = None
    port: str | int | None = None
    transports: str | None = None
    wss: str | None = None
    enabled: str | bool | None = None
    user: TenantUserRow | None = None


@attrs.frozen(kw_only=True)
class ExtensionRow:
    """003:1084-1092 and 003:1116-1122."""

    ext: str | int
    pwd: str | None = None
    enabled: str | bool | None = None
