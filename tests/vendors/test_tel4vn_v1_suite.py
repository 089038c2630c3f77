"""TEL4VN v1 passes the suite, embedded and through a sidecar."""

from gateway_contracts.testing import Suite


class TestTel4vnV1(Suite):
    """Everything is inherited."""
