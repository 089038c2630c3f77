"""Call a number, follow the call to its end, and keep its recording. Which vendor does it is one line of gateway.toml.

python app.py 101 0899098899
"""

import asyncio
import dataclasses
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from gateway import (
    AccountFacade,
    Call,
    CallRecord,
    CallState,
    DialState,
    Gateway,
    GatewayError,
    NotFound,
    StartedCall,
    Unsupported,
)

SECONDS_BETWEEN_LOOKS = 0.5
CLOCKS_DIFFER = timedelta(seconds=2)  # a vendor's clock is not ours, and counts whole seconds
SHOWN = "record_id outcome direction from_number to_number extension started_at ended_at duration_seconds talk_seconds"

Say = Callable[[str, object], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """One call as this application saw it. `states` are those of the live call, None where the vendor shows none."""

    started: StartedCall
    states: list[CallState] | None
    record: CallRecord
    recording: bytes | None
    media_type: str | None


async def call(gateway: Gateway, extension: str, number: str, say: Say) -> Seen:
    """Call, follow, fetch; *say* is told each thing as it becomes known. Raises: GatewayError."""
    pbx = gateway["main"]
    started = await pbx.click_to_call.start_call(extension=extension, number=number)
    for name in ("account", "requested_at", "call_id"):
        say(name, getattr(started, name))

    found, states = await follow(pbx, started, say)
    record = await pbx.history.get_record(found.record_id)  # as anybody can who has kept the id
    for name in SHOWN.split():
        say(name, getattr(record, name))

    recording = media_type = None
    try:
        async with await pbx.recording.fetch_recording(record.record_id) as audio:
            recording, media_type = await audio.read(), audio.media_type
        say("recording", f"{len(recording)} bytes of {media_type}")
    except NotFound:
        say("recording", None)
    return Seen(started=started, states=states, record=record, recording=recording, media_type=media_type)


async def follow(pbx: AccountFacade, started: StartedCall, say: Say) -> tuple[CallRecord, list[CallState] | None]:
    """The record of a call, which is there when the call has ended, and the states that were seen until then."""
    states: list[CallState] | None = []
    while (record := await record_of(pbx, started)) is None:
        if states is not None:
            try:
                live = (await pbx.call_control.list_calls()).items
            except Unsupported as lacking:
                states = None
                say("live", lacking)
            else:
                for state in (each.state for each in live if is_of(each, started)):
                    if state not in states[-1:]:
                        states.append(state)
                        say("live", state)
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
    return record, states


async def record_of(pbx: AccountFacade, started: StartedCall) -> CallRecord | None:
    since = started.requested_at - CLOCKS_DIFFER
    async for record in pbx.records(since=since, extension=started.extension, number=started.number):
        if is_of(record, started):
            return record
    return None


def is_of(found: Call | CallRecord, started: StartedCall) -> bool:
    """Whether *found* is the started call: by its id, or by extension and number where the vendor gave no id."""
    if started.call_id is not None:
        return found.call_id == started.call_id
    return found.extension == started.extension and found.to_number == started.number


async def main(extension: str, number: str) -> None:
    async with Gateway.from_file("gateway.toml") as gateway:
        try:
            seen = await call(gateway, extension, number, lambda name, value: print(f"{name:<16} {value}", flush=True))
        except GatewayError as error:
            if error.dial_state is DialState.UNKNOWN:
                print("Nobody knows whether it rang. Look at the live calls and records; do not call again.")
            sys.exit(f"{error.title}. {error}")
    if seen.recording is not None and seen.media_type is not None:
        file = Path(f"{seen.record.record_id}.{seen.media_type.rpartition('/')[2]}")
        file.write_bytes(seen.recording)
        print(f"{'file':<16} {file}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
