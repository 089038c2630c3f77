"""Hook sync: the hooks at the vendor are kept as configured, also when somebody else changes or deletes them."""

import asyncio
from collections.abc import Sequence

import attrs
from gateway_contracts import Events, EventType, GatewayError, Hook, NotFound, Secret, Unsupported

from ..accounts.account import AccountFacade
from ..logs import log, place_of

WATCHED = (EventType.RINGING, EventType.ANSWERED, EventType.ENDED, EventType.RECORD_CREATED)
EVERY_SECONDS = 300.0


@attrs.frozen(eq=False)
class HookSync:
    """Keeps the hooks of *account*: one at *url*, our own address, for each event of `WATCHED`, which shows *key*.

    *prefix* is what all our addresses of this account begin with, also those with an earlier token. Hooks at other
    addresses belong to others, and hook sync leaves them alone.
    """

    account: AccountFacade
    url: str = attrs.field(repr=False)
    prefix: str
    key: Secret | None = None

    async def run(self) -> None:
        """Compare now and every five minutes until cancelled; return if the vendor has no hooks."""
        if Events not in self.account.interfaces:
            return
        first = True
        while True:
            pause = EVERY_SECONDS
            try:
                # The vendor does not show which key a hook has; before this start it may have been another one.
                await self.mend(renew=first and self.key is not None)
                first = False
            except Unsupported:
                return
            except Exception as error:  # noqa: BLE001 # no error may end this: the hooks are needed later too
                code = error.code if isinstance(error, GatewayError) else "internal_error"
                pause = max(pause, (error.retry_after or 0.0) if isinstance(error, GatewayError) else 0.0)
                log.warning("hook_sync.failed", account=self.account.name, code=code, **place_of(error))
            await asyncio.sleep(pause)

    async def mend(self, *, renew: bool = False) -> bool:
        """Create, renew and delete hooks until they are as configured; return whether anything changed. *renew* creates
        all of them again.

        It creates a new hook before it deletes the old one, so that no event is lost in between. Raises: the errors of
        `list_hooks`, `create_hook` and `delete_hook`.
        """
        hooks = await self._hooks()
        foreign = [hook for hook in hooks if not hook.url.startswith(self.prefix)]
        before = {hook.hook_id for hook in hooks}
        changed = False
        for event in WATCHED:
            there = any(hook.event is event and hook.url == self.url for hook in hooks)
            if renew or not there:
                hook = await self.account.events.create_hook(event=event, url=self.url, api_key=self.key)
                self._say("hook.renewed" if there else "hook.created", hook)
                changed = True
        if changed:
            hooks = await self._hooks()  # some vendors replace a hook by a new one of its event, others keep both
            self._warn_of_displaced(foreign, hooks)
        seen: set[tuple[str, str]] = set()
        for hook in sorted(hooks, key=lambda hook: hook.hook_id in before):  # of doubles, the new one stays
            if hook.hook_id is None or not hook.url.startswith(self.prefix):
                continue
            if hook.url == self.url and (hook.vendor_event, hook.url) not in seen:
                seen.add((hook.vendor_event, hook.url))
                continue
            try:
                await self.account.events.delete_hook(hook.hook_id)
            except NotFound:
                continue  # it is gone already
            self._say("hook.deleted", hook)
            changed = True
        return changed

    async def _hooks(self) -> tuple[Hook, ...]:
        return (await self.account.events.list_hooks()).items

    def _say(self, what: str, hook: Hook) -> None:
        log.warning(what, account=self.account.name, hook_id=hook.hook_id, hook_event=hook.vendor_event)

    def _warn_of_displaced(self, before: Sequence[Hook], after: Sequence[Hook]) -> None:
        left = {(hook.vendor_event, hook.url) for hook in after}
        for hook in before:
            if (hook.vendor_event, hook.url) not in left:
                self._say("hook.displaced", hook)
