"""Dials: what was asked to ring, written before the vendor is called, and how each ended.

The modules, from the top to the bottom; each imports only those below it:

    statements    what a person said of a dial
    tries         the intent of a try, and its move to the next account of a route
    finding       how unknown dials are found out about
    endings       how a try ends
    linking       the conversation of a dial
    processes     the leases of processes that dial
    rows          the stored rows, and how they are read
"""

from .endings import abandoned, end, give_up, is_current, undo
from .finding import (
    FarEnds,
    Seen,
    accounts_to_look_at,
    hear,
    is_elsewhere,
    settle,
    stop_looking_elsewhere,
    to_look_for,
)
from .processes import LIFE_SECONDS, leave, renew
from .rows import MOST, Ending, StoredDial, StoredStatement, StoredTry, history, read
from .statements import make_statement
from .tries import Intent, begin, later, move, quoted

__all__ = [
    "LIFE_SECONDS",
    "MOST",
    "Ending",
    "FarEnds",
    "Intent",
    "Seen",
    "StoredDial",
    "StoredStatement",
    "StoredTry",
    "abandoned",
    "accounts_to_look_at",
    "begin",
    "end",
    "give_up",
    "hear",
    "history",
    "is_current",
    "is_elsewhere",
    "later",
    "leave",
    "make_statement",
    "move",
    "quoted",
    "read",
    "renew",
    "settle",
    "stop_looking_elsewhere",
    "to_look_for",
    "undo",
]
