"""Which addresses nobody but this machine can reach."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an IP address without brackets, is this machine and nobody else can make it another.

    A name such as `127.example.com` is not.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
