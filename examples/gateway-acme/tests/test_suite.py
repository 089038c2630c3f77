"""Acme passes the suite, embedded and through a sidecar."""

from gateway_contracts.testing import Suite


class TestAcme(Suite):
    """Everything is inherited."""
