"""Several customers of a reseller on one PBX."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ..models import Tenant, TenantExtension
from ..operations import operation
from ..secrets import Secret


class Tenants(ABC):
    """Run the PBX for several customers, as the vendor's reseller.

    async def get_tenant(self, tenant_id):
        response = await self.http.send("GET", f"/tenant/{segment('tenant_id', tenant_id)}")
        return self._tenant(response.parse(TenantRow), response.data)
    """

    scope: ClassVar[str] = "admin"

    @abstractmethod
    @operation("POST", "/tenants", status=201)
    async def create_tenant(self, *, tenant_id: str) -> Tenant:
        """Create a tenant; the answer holds its first user's password and api key, which are not shown again.

        Raises: Conflict, InvalidRequest, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("GET", "/tenants/{tenant_id}")
    async def get_tenant(self, tenant_id: str) -> Tenant:
        """Get one tenant.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """

    @abstractmethod
    @operation("PATCH", "/tenants/{tenant_id}")
    async def update_tenant(self, tenant_id: str, *, enabled: bool) -> None:
        """Switch a tenant on or off.

        Raises: NotFound, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("POST", "/tenants/{tenant_id}/extensions", status=201)
    async def create_extension(self, tenant_id: str, *, extension: str, password: Secret) -> TenantExtension:
        """Create an extension of a tenant, with the password that its phone registers with.

        Raises: NotFound, Conflict, VendorRejected, VendorAuthFailed, VendorUnavailable.
        """

    @abstractmethod
    @operation("GET", "/tenants/{tenant_id}/extensions/{extension}")
    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """Get one extension of a tenant, with its password.

        Raises: NotFound, VendorAuthFailed, VendorUnavailable, VendorTimeout, VendorProtocolError.
        """
