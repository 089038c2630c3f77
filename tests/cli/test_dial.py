"""`gateway dial`, and idempotency keys on the command line."""

import contextlib
import json
import sqlite3

from gateway_simulators import Fault


def test_a_dial_is_shown_and_its_key_dials_once(gateway, config, phones):
    """Each command is a process with a journal beside the configuration."""
    words = ("call", "hanoi", "start_call", "extension=101", "number=0899098899", "idempotency_key=k1")
    first, again = gateway(*words, config=config), gateway(*words, config=config)
    call = json.loads(first.stdout)
    shown = gateway("dial", "hanoi", call["dial_id"], "--json", config=config)
    found = json.loads(shown.stdout)

    assert (0, first.stdout) == (again.exit_code, again.stdout)
    assert [call["call_id"]] == [each.call_id for each in phones.pbx.originated]
    assert ("placed", call["call_id"], "answer") == (found["state"], found["call_id"], found["evidence"])


def test_a_dial_that_there_is_not(gateway, config):
    """Said as such, with the exit code of an error."""
    failed = gateway("dial", "hanoi", "dl_none", config=config)

    assert failed.exit_code == 1
    assert "There is no dial 'dl_none'" in failed.stderr


def lose(gateway, config, phones):
    """Dial with the key k1, and lose the vendor's answer; gives the id of the dial."""
    phones.fault(Fault("/v1/click2call/async", kind="drop_before"))
    words = ("extension=101", "number=0899098899", "idempotency_key=k1", "--json")
    return json.loads(gateway("call", "hanoi", "start_call", *words, config=config).stderr)["dial_id"]


def test_a_person_says_how_a_dial_ended(gateway, config, phones):
    """Then the key dials again, and every try of it is told."""
    dial_id = lose(gateway, config, phones)
    with contextlib.closing(sqlite3.connect(config.parent / "gateway.db", isolation_level=None)) as journal:
        journal.execute("UPDATE dials SET tried_at = tried_at - 600000000")  # ten minutes ago
    words = ("--state", "not_placed", "--note", "Lan: it was silent", "--json")
    stated = json.loads(gateway("dial", "hanoi", dial_id, *words, config=config).stdout)
    before = gateway("explain", dial_id, config=config)
    call = ("call", "hanoi", "start_call", "extension=101", "number=0899098899", "idempotency_key=k1")
    placed = json.loads(gateway(*call, config=config).stdout)
    after = gateway("explain", dial_id, config=config)
    dial = json.loads(gateway("explain", dial_id, "--json", config=config).stdout)["dials"][0]

    assert ("not_placed", "stated") == (stated["state"], stated["resolution"])
    for told in (before.stdout, after.stdout):
        for text in ("not_placed, known by statement", "stated: not_placed", "silent"):
            assert text in told
    assert "begun again" in after.stdout
    assert dial_id == placed["dial_id"] == dial["dial_id"]
    assert (["not_placed"], "placed") == ([each["state"] for each in dial["tries"]], dial["state"])


def test_a_statement_needs_both_state_and_note(gateway, config):
    """Or a slip of the keyboard frees a key."""
    for words in (("--state", "not_placed"), ("--note", "x"), ("--state", "perhaps", "--note", "x")):
        assert 2 == gateway("dial", "hanoi", "dl_1", *words, config=config).exit_code


def test_a_statement_comes_too_early(gateway, config, phones):
    """The vendor may still answer: nothing is written, and the error says when."""
    dial_id = lose(gateway, config, phones)
    failed = gateway("dial", "hanoi", dial_id, "--state", "not_placed", "--note", "x", config=config)

    assert 1 == failed.exit_code
    assert "may still answer this dial: make the statement in 1" in failed.stderr


def test_a_dial_that_was_refused_is_explained_too(gateway, config, phones):
    """It rang nobody, so it belongs to no conversation."""
    phones.do(phones.pbx.unregister, "101")
    words = ("extension=101", "number=0899098899", "--json")
    dial_id = json.loads(gateway("call", "hanoi", "start_call", *words, config=config).stderr)["dial_id"]
    told = gateway("explain", dial_id, config=config)

    assert 0 == told.exit_code
    assert "agent_not_registered" in told.stdout
