"""The README's support table, made by trying everything: `python -m tests.vendors.support_table` writes it."""

import asyncio
import contextlib
import re
from pathlib import Path

from gateway_contracts.testing import support_table, survey

from tests.vendors.conftest import FAR_SIDES, reaching

README = Path(__file__).parents[2] / "README.md"
MARKS = re.compile(r"(<!-- support table -->\n).*?(<!-- end of support table -->)", re.DOTALL)


async def surveyed():
    """What every vendor can do, as the table."""
    found = {}
    for far_side in FAR_SIDES:
        async with contextlib.AsyncExitStack() as stack:
            far = await stack.enter_async_context(far_side.open())
            pbx = await stack.enter_async_context(reaching(far, "embedded"))
            found[far.vendor] = await survey(pbx, far)
    return support_table(found)


def with_table(text, table):
    """*text* with *table* between its marks."""
    return MARKS.sub(lambda marks: f"{marks[1]}{table}\n{marks[2]}", text)


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8"), asyncio.run(surveyed())), encoding="utf-8")
