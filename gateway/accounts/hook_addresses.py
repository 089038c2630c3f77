"""Where vendors send the webhooks of each account."""

from ..config import Config
from ..journal.lazy import LazyJournal


async def hook_urls(config: Config, journal: LazyJournal | None) -> dict[str, str]:
    """Where the vendors reach each account's hooks, if they can."""
    public = config.proxy.public_url
    if public is None:
        return {}
    return {name: hook_url(public, name, token) for name, token in (await hook_tokens(config, journal)).items()}


async def hook_tokens(config: Config, journal: LazyJournal | None) -> dict[str, str]:
    """The secret in each account's hook address: the configured one, or that of the journal, which makes one.

    An account without either has none. Raises: ConfigError, JournalError.
    """
    tokens = {name: each.hook_token.reveal() for name, each in config.accounts.items() if each.hook_token}
    others = [name for name in config.accounts if name not in tokens]
    if others and journal is not None:
        tokens |= await (await journal.get()).hook_tokens(others)
    return tokens


def hook_url(public_url: str, account: str, token: str) -> str:
    """Where a vendor sends the webhooks of *account*: letters, digits, `-`, `_` and `/` behind the host, as vendors
    refuse addresses with anything else.
    """
    return f"{public_url.rstrip('/')}/hooks/{account}/{token}"
