"""A stateful TEL4VN v2 call center on a loopback socket, built from the vendor's document of 2021."""

from gateway_simulators.received_requests import ReceivedRequest
from gateway_simulators.tel4vn.behaviour import WebhookFaults
from gateway_simulators.tel4vn.phones import Call, Extension, Originated, Rung
from gateway_simulators.tel4vn.webhooks import SentWebhook
from gateway_simulators.tel4vn_v2.behaviour import Behaviour
from gateway_simulators.tel4vn_v2.campaigns import Queue
from gateway_simulators.tel4vn_v2.simulator import Tel4vnV2Simulator

__all__ = [
    "Behaviour",
    "Call",
    "Extension",
    "Originated",
    "Queue",
    "ReceivedRequest",
    "Rung",
    "SentWebhook",
    "Tel4vnV2Simulator",
    "WebhookFaults",
]
