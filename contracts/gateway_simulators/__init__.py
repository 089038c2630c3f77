"""Stateful fake vendor servers, for demos and for tests without a vendor; a package for each vendor."""

from gateway_simulators.clock import Clock, LiveClock, ManualClock, Timer
from gateway_simulators.faults import Fault, FaultKind, Faults

__all__ = ["Clock", "Fault", "FaultKind", "Faults", "LiveClock", "ManualClock", "Timer"]
