"""A stateful AntBuddy on a loopback socket, built from the vendor's document and Kazoo's two event sockets."""

from gateway_simulators.antbuddy.behaviour import Behaviour
from gateway_simulators.antbuddy.phones import Call, Device, Originated
from gateway_simulators.antbuddy.simulator import AntbuddySimulator
from gateway_simulators.antbuddy.sockets import Emitted
from gateway_simulators.received_requests import ReceivedRequest

__all__ = ["AntbuddySimulator", "Behaviour", "Call", "Device", "Emitted", "Originated", "ReceivedRequest"]
