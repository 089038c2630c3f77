"""Pages one after the other: the next is asked for while one is looked at, and never more than that."""

import asyncio

import pytest
from gateway_contracts import OPERATIONS, History

from gateway import AccountFacade, Page, VendorTimeout

LIST = OPERATIONS["list_records"]


@pytest.fixture
async def history(adapter_of, gateway_of):
    """Opens an account whose history answers what a function says, and gives it with what it was asked."""

    async def opened(answer):
        adapter = adapter_of(History, list_records=answer)
        context = gateway_of({"a": adapter})
        gateway = await context.__aenter__()
        contexts.append(context)
        return gateway["a"], adapter.asked

    contexts = []
    yield opened
    for context in contexts:
        await context.__aexit__(None, None, None)


async def turns():
    """Everybody who can go on goes on."""
    for _ in range(20):
        await asyncio.sleep(0)


def endless(**arguments):
    return Page(items=(), next=str(int(arguments.get("cursor", 0)) + 1))


async def test_one_page_is_asked_for_ahead_and_no_more(history):
    """However long a page is looked at, memory holds two."""
    account, asked = await history(endless)
    pages = account.pages(LIST, {})

    first = await anext(pages)
    await turns()
    after_one = len(asked)
    second = await anext(pages)
    await turns()

    assert ("1", "2") == (first.next, second.next)
    assert (2, 3) == (after_one, len(asked))
    await pages.aclose()


async def test_the_first_page_is_there_before_the_last_is_asked_for(history):
    """Nobody waits for a list to end."""
    account, asked = await history(lambda **given: Page(items=(), next=None if given.get("cursor") == "x" else "x"))

    pages = account.pages(LIST, {"limit": 5})
    await anext(pages)

    assert [{"limit": 5}] == [arguments for _, arguments in asked]
    assert [None] == [page.next async for page in pages]


async def test_an_error_comes_after_the_pages_before_it(history):
    """What was read is not lost because the next page failed while it was looked at."""
    account, _ = await history(
        lambda **given: VendorTimeout("late") if given.get("cursor") else Page(items=(), next="x")
    )
    pages = account.pages(LIST, {})

    first = await anext(pages)
    await turns()

    assert "x" == first.next
    with pytest.raises(VendorTimeout):
        await anext(pages)


async def test_whoever_stops_has_nothing_asked_for_any_longer(history, caplog):
    """What was asked for ahead is given up, and its end, however it comes, disturbs nobody."""
    account, _ = await history(
        lambda **given: VendorTimeout("late") if given.get("cursor") else Page(items=(), next="x")
    )
    before = asyncio.all_tasks()
    pages = account.pages(LIST, {})

    await anext(pages)
    await pages.aclose()
    others = account.pages(LIST, {})
    await anext(others)
    await turns()
    await others.aclose()

    assert before == asyncio.all_tasks()
    assert "never retrieved" not in caplog.text


async def test_a_page_that_nobody_wants_any_more_is_not_waited_for():
    """Whoever stops is free at once, however slow the vendor is."""
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def carry_out(operation, arguments):
        if "cursor" not in arguments:
            return Page(items=(), next="x")
        asked.set()
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        except asyncio.CancelledError:
            given_up.set()
            raise

    pages = AccountFacade(name="a", vendor="v", interfaces=(History,), carry_out=carry_out).pages(LIST, {})
    await anext(pages)
    await asked.wait()

    await pages.aclose()

    assert given_up.is_set()
