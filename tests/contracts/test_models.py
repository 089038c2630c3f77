"""Every model survives the way over JSON."""

import copy
import functools
import pickle
import types
import typing
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import attrs
import gateway_contracts
import pytest
from gateway_contracts import Audio, CallRecord, Page, Secret, WebhookRequest, dumps, from_json, loads, to_json

# Audio is a stream and a webhook is bytes: neither travels as JSON.
MODELS = [
    value
    for name, value in sorted(vars(gateway_contracts).items())
    if isinstance(value, type)
    and value.__module__ == "gateway_contracts.models"
    and attrs.has(value)
    and value not in (Audio, Page, WebhookRequest)
]


def example(kind, name="x"):
    """A value of *kind*, made from its type alone."""
    if kind is Any:
        return {"unseen": [1, None]}
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return example(next(part for part in parts if part is not type(None)), name)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return tuple(example(parts[0], f"{name} {index}") for index in range(2))
    if origin is dict:
        return {name: 5, "word": name, "share": 0.5}
    if attrs.has(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: example(hints[field.name], field.name) for field in attrs.fields(kind)})
    if issubclass(kind, Enum):
        return next(iter(kind))
    simple = {
        str: name,
        int: 7,
        bool: True,
        datetime: datetime(2026, 1, 31, 9, 0, 0, 5, tzinfo=UTC),
        Secret: Secret(name),
    }
    return simple[kind]


def test_there_are_models():
    """The list of models is not empty by mistake."""
    assert {"Call", "CallRecord", "CallEvent", "StartedCall", "Hook", "Tenant"} <= {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_comes_back_from_json_as_it_was(model):
    """Through dumps and loads every attribute keeps its value and its type, `raw` included when asked for."""
    given = example(model)

    found = from_json(loads(dumps(to_json(given, raw=True))), model, refuse_unknown=True)

    assert given == found
    assert attrs.asdict(given, recurse=False) == attrs.asdict(found, recurse=False)


@pytest.mark.parametrize("model", MODELS)
def test_a_page_of_a_model_comes_back_from_json_as_it_was(model):
    """Pages too, with their items."""
    given = Page(items=(example(model),), next="cursor", total=1)

    assert given == from_json(loads(dumps(to_json(given))), Page[model], refuse_unknown=True)


@pytest.mark.parametrize("model", [model for model in MODELS if "account" in attrs.fields_dict(model)])
def test_a_model_hides_the_vendors_answer(model):
    """`raw` is neither printed nor compared, nor sent unless asked for."""
    given = example(model)

    assert "unseen" not in repr(given)
    assert given == attrs.evolve(given, raw=None)
    assert "raw" not in to_json(given)


@pytest.mark.parametrize("model", [model for model in MODELS if "raw" in attrs.fields_dict(model)])
def test_every_answer_names_its_account(model):
    """Whatever carries a vendor's answer says which account it came through."""
    assert "account" in attrs.fields_dict(model)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_cannot_be_changed(model):
    """Models are values."""
    given = example(model)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(given, attrs.fields(model)[0].name, "other")


def by_pickle(given):
    return pickle.loads(pickle.dumps(given))  # noqa: S301 # our own


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, by_pickle])
def test_a_record_stays_what_it_is_when_it_is_copied(again):
    """To another process too: equal, with the same hash, and as little to be changed."""
    given = example(CallRecord)

    found = again(given)

    assert (given, hash(given), repr(given), given.raw) == (found, hash(found), repr(found), found.raw)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.account = "other"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del found.account
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.what_it_never_had = 1


def test_what_an_application_adds_to_a_record_is_not_told():
    """Only fields are: not what a class of its own keeps beside them."""

    class Known(CallRecord):
        @functools.cached_property
        def caller(self):
            return "somebody"

    known = Known(**{field.name: example(field.type, field.name) for field in attrs.fields(CallRecord)})

    assert "somebody" == known.caller
    assert "caller" not in to_json(known)
    assert "caller" not in to_json(known, raw=True)
