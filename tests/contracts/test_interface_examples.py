"""What the docstrings of the interfaces show can be written."""

import ast
import inspect
import textwrap

import gateway_contracts
import pytest
from gateway_contracts import INTERFACES, EventStream, Hooks, operations_of
from gateway_contracts import http as contracts_http
from gateway_contracts.http import Effect, HttpClient

# What an author writes, and what Python has; everything else in an example must be in the contracts.
OF_THE_AUTHOR = {
    "DialRow",
    "LiveRow",
    "CdrRow",
    "HookRow",
    "StreamRow",
    "CountRow",
    "AgentRow",
    "CustomerRow",
    "TenantRow",
}
OF_PYTHON = {"tuple", "len", "ValueError", "datetime", "UTC"}


def example_of(interface):
    code = inspect.getdoc(interface).partition("\n\n")[2]
    return ast.parse(textwrap.dedent(code)).body


def nodes(interface, kind):
    return [node for statement in example_of(interface) for node in ast.walk(statement) if isinstance(node, kind)]


def requests_in(interface):
    """The method of `self.http` and the call of it, for each that the example shows."""
    return [
        (call.func.attr, call)
        for call in nodes(interface, ast.Call)
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "self.http"
    ]


@pytest.mark.parametrize("interface", [*INTERFACES, Hooks, EventStream])
def test_an_example_is_an_operation_as_the_interface_has_it(interface):
    """It compiles, its method is one of the interface, and its arguments have the names that the interface gives."""
    (method,) = example_of(interface)

    declared = inspect.signature(getattr(interface, method.name)).parameters
    shown = [each.arg for each in (*method.args.args, *method.args.kwonlyargs)]
    assert isinstance(method, ast.AsyncFunctionDef)
    assert {method.name} <= {*operations_of(interface), "parse_webhook", "follow_events"}
    assert [] == [name for name in shown if name not in declared]


@pytest.mark.parametrize("interface", [*INTERFACES, Hooks, EventStream])
def test_an_example_asks_the_client_for_what_it_has(interface):
    """Each request is a method of `HttpClient` with arguments that it takes, and says what it does at the vendor."""
    requests = requests_in(interface)

    for name, call in requests:
        arguments = {each.arg: None for each in call.keywords}
        inspect.signature(getattr(HttpClient, name)).bind(None, *call.args, **arguments)
        effects = [ast.unparse(each.value).partition(".")[2] for each in call.keywords if each.arg == "effect"]
        assert set(effects) <= set(Effect.__members__)
        assert bool(effects) == ("GET" != ast.literal_eval(call.args[0]))
    assert bool(requests) == (interface.__name__ not in {"Events", "Hooks", "EventStream"})


@pytest.mark.parametrize("interface", [*INTERFACES, Hooks, EventStream])
def test_an_example_uses_names_that_there_are(interface):
    """Each is in the contracts, or is an argument, a row or a variable of the example's own."""
    own = {each.arg for each in nodes(interface, ast.arg)}
    own |= {each.id for each in nodes(interface, ast.Name) if isinstance(each.ctx, ast.Store)}
    own |= {each.name for each in nodes(interface, ast.ExceptHandler)}
    known = {*dir(gateway_contracts), *dir(contracts_http), *OF_THE_AUTHOR, *OF_PYTHON, *own}

    assert [] == [each.id for each in nodes(interface, ast.Name) if each.id not in known]


@pytest.mark.parametrize("interface", [*INTERFACES, Hooks, EventStream])
def test_an_id_becomes_part_of_an_examples_path_through_segment(interface):
    """Nothing of a caller's stands in a path as it is, but words of ours."""
    inserted = [
        ast.unparse(node.value)
        for _, call in requests_in(interface)
        for node in ast.walk(call.args[1])
        if isinstance(node, ast.FormattedValue)
    ]

    assert [] == [each for each in inserted if not each.startswith("segment(") and each != "kind"]
