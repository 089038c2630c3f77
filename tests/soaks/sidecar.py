"""`gateway …`, less patient: a soak cannot wait for minutes until a dial that nothing shows was not placed."""

from gateway import resolving
from gateway.cli import main
from gateway.journal import dials

LIFE_SECONDS = 1.0
PATIENCE = resolving.Patience(settle=-2.0, blind=2.5, again=0.3, every=0.1, rarely=0.3)
"""With a `dial_wait` of 4 seconds; longer than any call of the soak lasts, since AntBuddy shows them when they end."""

if __name__ == "__main__":
    dials.LIFE_SECONDS = LIFE_SECONDS
    resolving.PATIENCE = PATIENCE
    main()
