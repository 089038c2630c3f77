"""Help with the arguments of an operation: send those that were given, refuse those that a vendor cannot be told."""

from typing import TypeVar

from .errors import Unsupported

T = TypeVar("T")


def refuse(vendor: str, purpose: str = "", /, **arguments: object) -> None:
    """Refuse by name those of *arguments* that were given: None and False count as not given.

        refuse("acme", wait=wait, hotline=hotline)

    Call it before anything is sent, and give it every argument that the vendor cannot be told, so that no argument is
    dropped in silence. *purpose* says what the vendor cannot be told them for, where it takes them elsewhere.

    Raises: Unsupported. The gateway adds that nothing rang.
    """
    named = [name for name, value in arguments.items() if value is not None and value is not False]
    if named:
        what, them = ", ".join(named) + (f" for {purpose}" if purpose else ""), "it" if len(named) == 1 else "them"
        raise Unsupported(f"{vendor} cannot be told {what}: leave {them} out")


def given(**values: T | None) -> dict[str, T]:
    """Keep those of *values* that are not None: the fields of a body, for example."""
    return {name: value for name, value in values.items() if value is not None}


def query(**values: str | int | None) -> list[tuple[str, str]]:
    """Write those of *values* that are not None as the parameters of a query, or the fields of a form.

    response = await http.send("GET", "/cdr", params=query(agent=extension, max=limit))
    """
    return [(name, str(value)) for name, value in values.items() if value is not None]
