"""A stateful TEL4VN v1 PBX on a loopback socket, built from the vendor's documents of 2021."""

from gateway_simulators.received_requests import ReceivedRequest
from gateway_simulators.tel4vn.behaviour import WebhookFaults
from gateway_simulators.tel4vn.phones import Call, Extension, Originated, Rung
from gateway_simulators.tel4vn.webhooks import SentWebhook
from gateway_simulators.tel4vn_v1.access import Tenant
from gateway_simulators.tel4vn_v1.behaviour import Behaviour
from gateway_simulators.tel4vn_v1.simulator import Tel4vnV1Simulator

__all__ = [
    "Behaviour",
    "Call",
    "Extension",
    "Originated",
    "ReceivedRequest",
    "Rung",
    "SentWebhook",
    "Tel4vnV1Simulator",
    "Tenant",
    "WebhookFaults",
]
