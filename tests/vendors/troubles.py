"""The suite's troubles, as faults of the simulators."""

from gateway_contracts.testing import Trouble
from gateway_simulators import Fault, FaultKind

KINDS = {
    Trouble.REPLY_LOST: FaultKind.DROP,
    Trouble.NOT_DONE: FaultKind.DROP_BEFORE,
    Trouble.ERROR_AFTER: FaultKind.ERROR_AFTER,
    Trouble.WEB_PAGE: FaultKind.HTML,
    Trouble.HALF_JSON: FaultKind.HALF_JSON,
    Trouble.HALF_BODY: FaultKind.TRUNCATE,
    Trouble.WRONG_TYPES: FaultKind.WRONG_TYPES,
    Trouble.SLOW: FaultKind.HOLD,
}


def fault_of(path, trouble, *, lasts):
    """*trouble* as the simulators make it."""
    times = None if lasts else 1
    if trouble.status:
        return Fault(path, kind=FaultKind.REFUSE, status=trouble.status, headers=trouble.headers, times=times)
    return Fault(path, kind=KINDS[trouble], execute=trouble is Trouble.SLOW, times=times)
