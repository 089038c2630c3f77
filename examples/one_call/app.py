"""Call a number, wait for the call to end, and keep its recording; the vendor is gateway.toml's business.

python app.py 101 0899098899
"""

import asyncio
import sys
from pathlib import Path

from gateway import AccountFacade, AgentBusy, AgentNotRegistered, CallRecord, Gateway, NotFound, OutcomeUnknown

SECONDS_BETWEEN_LOOKS = 0.5


async def call(extension: str, number: str) -> None:
    async with Gateway.from_file("gateway.toml") as gateway:
        pbx = gateway["main"]
        try:
            started = await pbx.click_to_call.start_call(extension=extension, number=number)
        except (AgentNotRegistered, AgentBusy) as refused:
            sys.exit(f"Nothing rang: {refused.message}")
        except OutcomeUnknown:
            sys.exit("Nobody knows whether it rang. Look at the live calls and records; do not call again.")
        print(f"{extension} calls {number}")
        if started.call_id is None:
            sys.exit("This vendor gives no id to find the call by")
        record = await ended(pbx, started.call_id)
        print(f"{record.outcome}: {record.duration_seconds} seconds, {record.talk_seconds} of them talking")
        try:
            async with await pbx.recording.fetch_recording(record.record_id) as recording:
                file = Path(f"{record.record_id}.{recording.media_type.rpartition('/')[2]}")
                file.write_bytes(await recording.read())
                print(f"The recording is in {file}")
        except NotFound:
            print("It was not recorded")


async def ended(pbx: AccountFacade, call_id: str) -> CallRecord:
    """The record of a call, which is there when the call has ended."""
    while True:
        try:
            return await pbx.history.get_record(call_id)
        except NotFound:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


if __name__ == "__main__":
    asyncio.run(call(*sys.argv[1:3]))
