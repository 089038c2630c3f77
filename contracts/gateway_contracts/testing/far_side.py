"""The vendor's end of a test: what it really received, and what it can be told to do."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol


class Trouble(StrEnum):
    """What the next request can run into."""

    REPLY_LOST = "reply_lost"  # carried out, then the connection drops without an answer
    NOT_DONE = "not_done"  # read, not carried out, then the connection drops
    ERROR_AFTER = "error_after"  # carried out, then a 5xx
    WEB_PAGE = "web_page"  # 200 with HTML
    HALF_JSON = "half_json"  # carried out, half of the JSON
    HALF_BODY = "half_body"  # carried out, fewer bytes than announced
    WRONG_TYPES = "wrong_types"  # carried out, JSON of other types than documented


class FarSide(Protocol):
    """A vendor, real or simulated, as the suite sees it.

    *extension* and *second_extension* are registered and free after `reset`; *unregistered_extension* exists and is
    not. *settings* are what an account of *vendor* needs to reach it.
    """

    vendor: str
    settings: Mapping[str, Any]
    extension: str
    second_extension: str
    unregistered_extension: str
    number: str
    hotline: str

    async def reset(self) -> None:
        """End all live calls and forget all trouble."""

    async def live_call(self) -> str:
        """The call id of a new answered call from *extension* to *number*."""

    async def finished_call(self) -> str:
        """The record id of a new call from *extension* to *number* that was answered and recorded."""

    async def agent(self) -> str:
        """The id of an agent that can be asked for."""

    async def hook(self) -> str:
        """The id of a registered hook."""

    async def tenant(self) -> str:
        """The id of a tenant that has the extension *extension*."""

    def rang(self) -> Sequence[str]:
        """The extension of every click-to-call that really rang, oldest first."""

    def steered(self) -> Sequence[str]:
        """The operation of every transfer, listen, whisper, barge and park that was really done, oldest first."""

    def received(self) -> int:
        """How many requests arrived, without those for tokens."""

    def make_trouble(self, operation: str, trouble: Trouble) -> None:
        """Let the next request of *operation* run into *trouble*."""

    def refuse_tokens(self) -> None:
        """Answer 401 to every token that was given out so far."""
