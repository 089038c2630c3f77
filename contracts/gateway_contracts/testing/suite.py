"""The tests that every plugin passes. Each looks at both ends: what the adapter says and what the vendor really did."""

from .behaviour import BehaviourTests
from .calls import CallTests
from .events import EventTests
from .every_operation import EveryOperationTests
from .history import HistoryTests
from .paging import PagingTests
from .recordings import RecordingTests
from .secrecy import SecrecyTests
from .troubles import TroubleTests


class Suite(
    BehaviourTests,
    CallTests,
    HistoryTests,
    PagingTests,
    RecordingTests,
    EventTests,
    EveryOperationTests,
    TroubleTests,
    SecrecyTests,
):
    """Subclass it with the fixtures `far`, `pbx` and `connect`."""
