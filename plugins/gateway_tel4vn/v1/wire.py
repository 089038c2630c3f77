"""What TEL4VN v1 sends and takes, and the tables between its words and ours (documents 000, 001, 003 of 2021).

Rows ignore what they do not know. `None` stands for what a host leaves out; numbers that arrive as text are taken.
"""

from collections.abc import Mapping

import attrs
from gateway_contracts import AgentState, Leg, Outcome

from ..words import Number

PATHS: Mapping[str, str] = {  # by the name of the operation; the line is that of its "HTTP Request"
    "log_in": "/v1/auth",  # 003:59
    "issue_token": "/v1/auth/token",  # 003:102
    "list_hooks": "/v1/event",  # 003:141
    "create_hook": "/v1/event",  # 003:168
    "delete_hook": "/v1/event/{hook_id}",  # 003:209
    "list_records": "/v1/cdr",  # 003:391
    "get_record": "/v1/cdr/{record_id}",  # 003:446
    "start_call_and_wait": "/v1/click2call",  # 001:40, 003:493
    "start_call": "/v1/click2call/async",  # 001:93, 003:546
    "list_calls": "/v1/call",  # 000:36, 003:603; the curl line of 003:573 is that of a report
    "transfer_call": "/v1/call/{call_id}/transfer",  # 000:73, 003:639
    "listen_call": "/v1/call/{call_id}/listen",  # 000:116, 003:681
    "whisper_call": "/v1/call/{call_id}/whisper",  # 000:158, 003:723
    "barge_call": "/v1/call/{call_id}/barge",  # 000:200, 003:765
    "park_call": "/v1/call/{call_id}/park",  # 000:240
    "list_call_ids": "/v1/report/call_id",  # 003:814
    "count_calls": "/v1/report/call_status",  # 003:873
    "list_agents": "/v1/monitor/agent",  # 003:960
    "create_tenant": "/v1/tenant",  # 003:1001
    "get_tenant": "/v1/tenant/{tenant_id}",  # 003:1032
    "update_tenant": "/v1/tenant/{tenant_id}",  # 003:1061
    "create_extension": "/v1/tenant/{tenant_id}/extension",  # 003:1096
    "get_extension": "/v1/tenant/{tenant_id}/extension/extension/{extension}",  # 003:1108; 003:1125 is that of a tenant
}
OTHER_EXTENSION_PATH = "/v1/tenant/{tenant_id}/extension/{extension}"  # of the edition of 2023, asked for after a 404

LEGS: Mapping[Leg, str] = {Leg.A: "aleg", Leg.B: "bleg"}  # 000:80

AGENT_STATES: Mapping[str, AgentState] = {  # 003:947; an agent without a call is logged in and free
    "RINGING": AgentState.RINGING,
    "ONCALL": AgentState.ON_CALL,
    "": AgentState.AVAILABLE,
}

STATUS_FILTERS: Mapping[Outcome, str] = {
    # The spellings of 003:838-854. Other outcomes have no documented spelling here and are picked out by us.
    Outcome.ANSWERED: "ANSWERED",
    Outcome.BUSY: "BUSY",
    Outcome.FAILED: "FAILED",
    Outcome.UNKNOWN: "UNKNOWN",
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
    user_agent: str | None = None
    domain_name: str | None = None


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

    ext: str | int | None = None
    pwd: str | None = None
    enabled: str | bool | None = None
