"""The settings that say how a v1 PBX behaves; tests and demos may change them while it runs."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import validators

from gateway_simulators.behaviour_checks import checked
from gateway_simulators.tel4vn.behaviour import PbxBehaviour


@attrs.define(eq=False, on_setattr=checked)
class Behaviour(PbxBehaviour):
    """The settings of the PBX. A token lives for 59 minutes, as the documented sample says of itself [003:83-84]."""

    token_shape: Literal["expired", "expired_in"] = attrs.field(
        default="expired", validator=validators.in_(["expired", "expired_in"])
    )
