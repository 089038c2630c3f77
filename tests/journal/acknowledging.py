"""A program that writes events for ever, and says which are acknowledged. Its argument is a journal's url."""

import asyncio
import sys

from gateway.journal.store import open_store
from tests.journal.rows import append_events


async def keep_writing(store, name):
    number = 0
    while True:
        number += 1
        sys.stdout.write(await store.append(append_events, f"{name}-{number}") + "\n")
        sys.stdout.flush()


async def main(url):
    async with open_store(url) as store:
        await asyncio.gather(*(keep_writing(store, name) for name in "abcdefgh"))


asyncio.run(main(sys.argv[1]))
