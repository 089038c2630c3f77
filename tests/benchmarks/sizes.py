"""How much is measured: `--small` only shows that everything works, `--full` is what the goals speak of."""

import attrs


@attrs.frozen(kw_only=True)
class Sizes:
    """The sizes of one run, in one place. Where there are several numbers, each is measured."""

    rounds: int
    seconds_of_rounds: float  # after which no further round of the same begins
    seconds: float  # that one way is under load, in each round
    calls: int  # of the facade, in each round
    calls_at_once: int
    singles: int  # requests that go out one after the other, in each round
    held: int
    held_rate: int  # calls begun a second
    held_seconds: float
    records: int
    page_sizes: tuple[int, ...]
    slow_pages: int  # of a vendor that takes its time
    writers: tuple[int, ...]
    appended: int  # events, by each number of writers
    journals: tuple[int, ...]  # events that are there already
    readers: tuple[int, ...]
    stuck: int
    events: int  # that readers wait for
    starts: int  # of each command
    started_accounts: tuple[int, ...]
    accounts: tuple[int, ...]
    subscriptions: tuple[int, ...]


SMALL = Sizes(
    rounds=1,
    seconds_of_rounds=1,
    seconds=0.05,
    calls=8,
    calls_at_once=4,
    singles=8,
    held=8,
    held_rate=400,
    held_seconds=0.2,
    records=400,
    page_sizes=(100,),
    slow_pages=3,
    writers=(8,),
    appended=32,
    journals=(300,),
    readers=(2,),
    stuck=1,
    events=3,
    starts=1,
    started_accounts=(2,),
    accounts=(2,),
    subscriptions=(2,),
)
USUAL = Sizes(
    rounds=5,
    seconds_of_rounds=8,
    seconds=0.8,
    calls=300,
    calls_at_once=64,
    singles=250,
    held=2_000,
    held_rate=1_000,
    held_seconds=5,
    records=20_000,
    page_sizes=(100, 1_000),
    slow_pages=40,
    writers=(1, 16, 128, 512),
    appended=2_000,
    journals=(200_000,),
    readers=(1, 100, 1_000),
    stuck=10,
    events=30,
    starts=5,
    started_accounts=(1, 200),
    accounts=(1, 100, 1_000),
    subscriptions=(1, 100, 1_000),
)
FULL = attrs.evolve(
    USUAL,
    rounds=9,
    seconds_of_rounds=600,
    seconds=3,
    calls=2_000,
    singles=2_000,
    held=10_000,
    held_seconds=60,
    records=1_000_000,
    slow_pages=200,
    appended=20_000,
    journals=(2_000_000, 10_000_000),
    events=300,
    starts=20,
)
