"""The control plane of the PBX, with its tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from gateway_simulators.tel4vn.control import Control

if TYPE_CHECKING:
    from gateway_simulators.tel4vn_v1.simulator import Tel4vnV1Simulator


@attrs.frozen
class TenantControl(Control):
    """Shows the tenants and their secret too."""

    pbx: Tel4vnV1Simulator

    def credentials(self) -> dict[str, str]:
        return {**super().credentials(), "tenant_secret": self.pbx.tenant_secret}

    def more(self) -> dict[str, Any]:
        return {"tenants": [attrs.asdict(tenant) for tenant in self.pbx.tenants.values()]}
