"""The tests that every plugin passes. Each looks at both ends: what the adapter says and what the vendor really did."""

from .calls import CallTests
from .every_operation import EveryOperationTests
from .history import HistoryTests
from .recordings import RecordingTests


class Suite(CallTests, HistoryTests, RecordingTests, EveryOperationTests):
    """Subclass it with the fixtures `far` and `pbx`."""
