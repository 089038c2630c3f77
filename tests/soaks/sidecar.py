"""`gateway …`, less patient: a soak cannot wait for a day until looking for a dial that nothing shows is over."""

from gateway.cli.main import main
from gateway.dialling import resolver as resolving
from gateway.journal import dials

LIFE_SECONDS = 1.0
PATIENCE = resolving.Patience(looking=0, every=0.1, rarely=0.3)
"""Looking is over after a `dial_wait` of 4 seconds, longer than any call lasts: AntBuddy shows them when they end."""

if __name__ == "__main__":
    dials.LIFE_SECONDS = LIFE_SECONDS
    resolving.PATIENCE = PATIENCE
    main()
