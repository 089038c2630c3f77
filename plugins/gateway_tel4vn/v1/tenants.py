"""The tenants of a reseller, which need a secret token of their own (003:981-1140)."""

from collections.abc import Mapping
from typing import Any

import attrs
from gateway_contracts import NotFound, Secret, Tenant, TenantExtension, TenantUser, Unsupported
from gateway_contracts.http import Effect, HttpClient, Response, segment

from ..reading import Reading, read
from ..responses import MAINTENANCE, confirm, unwrap
from ..words import text, truth, whole
from . import wire


@attrs.frozen(kw_only=True)
class TenantAdministration:
    """What an account with a *secret* token does to tenants. *tries_later_path* is for `get_extension`."""

    http: HttpClient
    paths: Mapping[str, str]
    reading: Reading
    secret: Secret | None
    tries_later_path: bool

    async def create(self, tenant_id: str) -> Tenant:
        """Create a tenant (003:1001)."""
        response = await self._send("POST", self.paths["create_tenant"], {}, {"tenant_id": tenant_id})
        confirm(response, "created")
        return self._tenant(response, tenant_id)

    async def get(self, tenant_id: str) -> Tenant:
        """Get one tenant (003:1032)."""
        return self._tenant(await self._send("GET", self.paths["get_tenant"], {"tenant_id": tenant_id}), tenant_id)

    async def update(self, tenant_id: str, enabled: bool) -> None:
        """Switch a tenant on or off (003:1061)."""
        ids, body = {"tenant_id": tenant_id}, {"enable": enabled}
        confirm(await self._send("PUT", self.paths["update_tenant"], ids, body))

    async def create_extension(self, tenant_id: str, extension: str, password: Secret) -> TenantExtension:
        """Create an extension of a tenant (003:1096)."""
        ids, body = {"tenant_id": tenant_id}, {"ext": extension, "pwd": password}
        response = await self._send("POST", self.paths["create_extension"], ids, body)
        confirm(response, "created")
        return self._extension(response, tenant_id, made=extension)

    async def get_extension(self, tenant_id: str, extension: str) -> TenantExtension:
        """Get one extension of a tenant, with its password (003:1108).

        The path there says "extension" twice, and in the later edition once. That one is asked for after a 404, unless
        the setting `paths` names the path.
        """
        ids = {"tenant_id": tenant_id, "extension": extension}
        try:
            response = await self._send("GET", self.paths["get_extension"], ids)
        except NotFound:
            if not self.tries_later_path:
                raise
            response = await self._send("GET", wire.OTHER_EXTENSION_PATH, ids)
        return self._extension(response, tenant_id)

    async def _send(
        self, verb: str, path: str, ids: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> Response:
        if self.secret is None:
            raise Unsupported(
                "Tenants need the vendor's separate secret token: set tenant_secret in "
                f"accounts.{self.reading.account}.settings",
                account=self.reading.account,
            )
        return await self.http.send(
            verb,
            path.format(**{name: segment(name, value) for name, value in ids.items()}),
            json=body,
            effect=Effect.READ if verb == "GET" else Effect.WRITE,
            headers={"Authorization": Secret(f"Bearer {self.secret.reveal()}")},
            authorized=False,
            refusals={MAINTENANCE},
        )

    def _tenant(self, response: Response, tenant_id: str) -> Tenant:
        raw = unwrap(response.data, "domain")
        row = response.parse(wire.TenantRow, raw)
        user = None
        if row.user is not None:
            user = TenantUser(
                user_id=text(row.user.user_id),
                username=text(row.user.username),
                password=Secret(row.user.password) if row.user.password else None,
                api_key=Secret(row.user.api_key) if row.user.api_key else None,
                group=text(row.user.group),
                enabled=truth(row.user.enabled),
            )
        return Tenant(
            account=self.reading.account,
            tenant_id=tenant_id,
            domain=text(row.domain),
            url=text(row.tenant_url),
            outbound_proxy=text(row.outbound_proxy),
            port=read(response, whole, row.port),
            transports=text(row.transports),
            websocket_url=text(row.wss),
            enabled=truth(row.enabled),
            user=user,
            raw=response.data,
        )

    def _extension(self, response: Response, tenant_id: str, made: str | None = None) -> TenantExtension:
        """The extension of *response*, which names it; what was *made* need not be described."""
        row = response.parse(wire.ExtensionRow, unwrap(response.data, "ext"))
        extension = text(row.ext) or made
        if extension is None:
            raise response.nonsense("names no extension")
        return TenantExtension(
            account=self.reading.account,
            tenant_id=tenant_id,
            extension=extension,
            password=Secret(row.pwd) if row.pwd else None,
            enabled=truth(row.enabled),
            raw=response.data,
        )
