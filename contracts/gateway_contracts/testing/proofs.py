"""Which operation each test of the suite proves to do what it is for."""

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])

_NAMES = "proves"


def proves(*names: str) -> Callable[[T], T]:
    """Say that a test looks at what the operations of these *names* do, and not only at what all of them share."""

    def mark(test: T) -> T:
        setattr(test, _NAMES, names)
        return test

    return mark


def proven(suite: type) -> frozenset[str]:
    """The operations that the tests of *suite* prove."""
    tests = [getattr(suite, name) for name in dir(suite) if name.startswith("test_")]
    return frozenset(name for test in tests for name in getattr(test, _NAMES, ()))
