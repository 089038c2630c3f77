"""The people who take calls."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ..models import Agent, Page
from ..operations import operation


class Agents(ABC):
    """See who can take calls.

    async def list_agents(self):
        rows = (await self.http.send("GET", "/agents")).parse(tuple[AgentRow, ...])
        return Page(items=tuple(self._agent(row) for row in rows))
    """

    scope: ClassVar[str] = "calls"

    @abstractmethod
    @operation("GET", "/agents")
    async def list_agents(self) -> Page[Agent]:
        """List the agents that the vendor shows, and the calls they are in.

        Raises: Unsupported, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("GET", "/agents/{agent_id}")
    async def get_agent(self, agent_id: str) -> Agent:
        """Get one agent by id, or by user name where the vendor takes it.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """
