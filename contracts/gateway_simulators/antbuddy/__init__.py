"""A stateful AntBuddy on a loopback socket, built from the vendor's document and Kazoo's two event sockets."""

from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.antbuddy.phones import Call, Device, Originated
from gateway_simulators.antbuddy.server import ReceivedRequest
from gateway_simulators.antbuddy.simulator import AntbuddySimulator
from gateway_simulators.antbuddy.sockets import Emitted

__all__ = ["AntbuddySimulator", "Behaviour", "Call", "Device", "Emitted", "Originated", "ReceivedRequest"]
