"""The settings that say how the call center behaves; tests and demos may change them while it runs."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import validators

from gateway_simulators.behaviour_checks import checked, flag, seconds
from gateway_simulators.tel4vn.behaviour import PbxBehaviour


@attrs.define(eq=False, on_setattr=checked)
class Behaviour(PbxBehaviour):
    """The settings of the call center."""

    token_seconds: float = attrs.field(default=14_763_877, validator=seconds)
    """Life of a token, as the documented sample says [002:90]."""
    cdr_mapping: Literal["default", "flex", "mixed"] = attrs.field(
        default="default", validator=validators.in_(["default", "flex", "mixed"])
    )
    """The mapping that the tenant's records have [002:278-316]; mixed is some in one and some in the other."""
    envelope: Literal["data", "flat"] = attrs.field(default="data", validator=validators.in_(["data", "flat"]))
    """Whether the result stands inside `data`, or beside `code`, as later hosts have it."""
    code: Literal["int", "text", "absent"] = attrs.field(
        default="int", validator=validators.in_(["int", "text", "absent"])
    )
    """How `code` is written; the documents have it as a number [002:44] and as text [002:639]."""
    errors_as_200: bool = attrs.field(default=False, validator=flag)
    """Respond to errors of campaigns, customers and users with 200, so that only the body tells; no document says."""
