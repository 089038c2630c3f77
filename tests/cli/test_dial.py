"""`gateway dial`, and idempotency keys on the command line."""

import json


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
