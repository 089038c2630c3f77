"""`gateway call`: any operation, with its answer on stdout and a problem on stderr."""

import asyncio
import json
import signal

import pytest
from gateway_contracts import OPERATIONS, InvalidRequest, Outcome, QueueCustomer, QueueKind
from gateway_simulators import Fault

from gateway.cli.operation_arguments import arguments_in, synopsis

DIAL = ("call", "hanoi", "start_call", "extension=101", "number=0899098899")


def test_answer_is_json_on_one_line(gateway, config, phones):
    """A program reads the answer from stdout, and the phone rang once."""
    done = gateway(*DIAL, config=config)

    assert done.exit_code == 0
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["call_id"] == phones.pbx.originated[0].call_id
    assert len(phones.pbx.originated) == 1


def test_answer_is_indented_on_a_terminal(gateway, config, terminal):
    """People get JSON that they can read."""
    assert '\n  "extension": "101",\n' in gateway(*DIAL, config=config).stdout


def test_json_option_keeps_one_line_on_a_terminal(gateway, config, terminal):
    """`--json` answers on one line everywhere."""
    assert gateway(*DIAL, "--json", config=config).stdout.count("\n") == 1


def test_arguments_reach_the_vendor(gateway, config, phones):
    """Text becomes the type that the operation wants; hyphens do for underscores."""
    gateway(*DIAL, "auto-answer=yes", "caller_id_name=Nguyễn Văn A", "hotline=19001919", config=config)

    sent = phones.pbx.originated[0].query
    assert sent["auto_answer"] == "true"
    assert sent["src_cid_name"] == "Nguyễn Văn A"
    assert sent["hotline"] == "19001919"


def test_operation_without_answer_prints_nothing(gateway, config, phones):
    """A transfer has no answer; the exit code says that it worked."""
    call_id = phones.talk()

    done = gateway("call", "hanoi", "transfer-call", f"call_id={call_id}", "to=102", config=config)

    assert (done.exit_code, done.output) == (0, "")
    assert phones.pbx.rung == [("transfer", call_id, "102")]


def test_unknown_operation_names_the_nearest(gateway, config):
    """A misspelt operation is a usage error that helps."""
    refused = gateway("call", "hanoi", "strt_call", config=config)

    assert refused.exit_code == 2
    assert "did you mean 'start_call'?" in refused.stderr


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("extnsion=101", "start_call has no argument 'extnsion' (did you mean 'extension'?)"),
        ("extension", "'extension' is not an argument: write it as name=value"),
        ("number=@/no/such/file", "the file '/no/such/file' cannot be read"),
    ],
)
def test_wrong_word_is_a_usage_error(gateway, config, phones, word, text):
    """What cannot be understood is said with the arguments that there are, and nothing is sent."""
    refused = gateway(*DIAL, word, config=config)

    assert refused.exit_code == 2
    assert text in refused.stderr
    assert phones.pbx.requests == []


def test_wrong_arguments_list_those_that_there_are(gateway, config):
    """Whoever misspells an argument sees all of them."""
    assert synopsis(OPERATIONS["start_call"]) in gateway(*DIAL, "extnsion=101", config=config).stderr


def test_bad_values_are_named_all_at_once(gateway, config, phones):
    """Each bad or missing argument is a field of the problem; nothing rang, and the exit code says so."""
    refused = gateway("call", "hanoi", "start_call", "wait=maybe", "number= ", "--json", config=config)

    problem = json.loads(refused.stderr)
    assert refused.exit_code == 2
    assert problem["fields"] == {"wait": "must be true or false", "extension": "is missing"}
    assert problem["dial_state"] == "not_placed"
    assert phones.pbx.requests == []


def test_value_is_checked_before_anything_is_sent(gateway, config, phones):
    """Values of the right type that make no sense are refused here, too."""
    refused = gateway("call", "hanoi", "list_records", "limit=0", config=config)

    assert refused.exit_code == 2
    assert "must be from 1 to" in refused.stderr
    assert phones.pbx.requests == []


def test_argument_given_twice_is_refused(gateway, config):
    """One value is not silently taken for another."""
    refused = gateway(*DIAL, "number=0899098890", config=config)

    assert refused.exit_code == 2
    assert "number      is given more than once" in refused.stderr


def test_unknown_account_names_the_nearest(gateway, config):
    """A misspelt account is a usage error that helps."""
    refused = gateway("call", "hanoy", *DIAL[2:], config=config)

    assert refused.exit_code == 2
    assert "There is no account 'hanoy' (did you mean 'hanoi'?); there are: hanoi" in refused.stderr


def test_value_from_a_file(gateway, config, phones, tmp_path):
    """`@` reads a value from a file, without the line's end that editors leave."""
    (tmp_path / "number").write_text("0899098899\n")

    done = gateway(*DIAL[:4], f"number=@{tmp_path / 'number'}", config=config)

    assert done.exit_code == 0
    assert phones.pbx.originated[0].number == "0899098899"


def test_hyphen_is_plain_text(gateway, config, phones):
    """`-` means nothing special as a value."""
    gateway("call", "hanoi", "start_call", "extension=-", "number=1", config=config)

    assert ("ext", "-") in phones.pbx.requests[-1].query


def test_several_values_make_a_list():
    """A list is a name given several times, once, or as JSON."""
    block = OPERATIONS["block_customers"]

    assert arguments_in(block, ["queue_code=q", "customer_ids=a", "customer_ids=b"])["customer_ids"] == ("a", "b")
    assert arguments_in(block, ["queue_code=q", "customer_ids=a"])["customer_ids"] == ("a",)
    assert arguments_in(block, ["queue_code=q", 'customer_ids=["a", "b"]'])["customer_ids"] == ("a", "b")


def test_objects_are_json():
    """What has parts is given as JSON; what is wrong in it is named by its path."""
    load, words = OPERATIONS["load_queue"], ["queue_code=q", "kind=autocall"]
    good = 'customers=[{"customer_id": "a", "numbers": ["1"]}]'
    bad = 'customers=[{"customer_id": "a", "numbers": [1]}]'

    assert arguments_in(load, [*words, good]) == {
        "queue_code": "q",
        "kind": QueueKind.AUTOCALL,
        "customers": (QueueCustomer(customer_id="a", numbers=("1",)),),
    }
    with pytest.raises(InvalidRequest, match=r"customers\[0\]\.numbers\[0\] must be text"):
        arguments_in(load, [*words, bad])


def test_list_shows_every_operation(gateway):
    """Without any configuration one finds out what can be asked, and how."""
    listed = gateway("call", "--list")

    assert listed.exit_code == 0
    for operation in OPERATIONS.values():
        line = next(line for line in listed.stdout.splitlines() if line.startswith(f"{operation.name} "))
        assert synopsis(operation) in line
        assert operation.summary in line


def test_synopsis_says_what_values_look_like():
    """Required arguments come first, choices are spelt out."""
    assert synopsis(OPERATIONS["transfer_call"]).startswith("call_id=TEXT to=TEXT [leg=a|b]")
    assert synopsis(OPERATIONS["list_calls"]) == "no arguments"
    assert f"[outcome={'|'.join(Outcome)}]" in synopsis(OPERATIONS["list_records"])


def test_refusal_is_a_readable_block(gateway, config):
    """A refusal that is proven to have rung nothing: exit 1, with code, state and the vendor's word."""
    failed = gateway("call", "hanoi", "start_call", "extension=104", "number=0899098899", config=config)

    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("Error: hanoi.start_call: The extension's phone is not connected")
    assert "\n  code        agent_not_registered\n  dial_state  not_placed\n" in failed.stderr
    assert "\n  vendor_code USER_NOT_REGISTERED\n" in failed.stderr


def test_lost_reply_has_an_exit_code_of_its_own(gateway, config, phones):
    """A dial whose reply is lost rang once and ends as 4, so that no script dials again."""
    phones.fault(Fault("/v1/click2call/async", kind="drop"))

    failed = gateway(*DIAL, "--json", config=config)

    problem = json.loads(failed.stderr)
    assert failed.exit_code == 4
    assert (problem["code"], problem["dial_state"]) == ("outcome_unknown", "unknown")
    assert len(phones.pbx.originated) == 1


def test_vendor_that_is_down_rang_nothing(gateway, tmp_path, closed_port):
    """No connection is proof that nothing rang."""
    config = tmp_path / "gateway.toml"
    settings = f'{{ base_url = "http://127.0.0.1:{closed_port}", api_key = "k" }}'
    config.write_text(f'[accounts.hanoi]\nvendor = "tel4vn-v1"\nsettings = {settings}\n')

    failed = gateway(*DIAL, "--json", config=config)

    problem = json.loads(failed.stderr)
    assert failed.exit_code == 1
    assert (problem["code"], problem["dial_state"]) == ("vendor_unavailable", "not_placed")


def test_what_the_vendor_has_not_is_not_placed(gateway, config):
    """An operation that the vendor lacks rang nothing."""
    failed = gateway("call", "hanoi", "start_queue", "queue_code=q", "kind=autocall", "--json", config=config)

    problem = json.loads(failed.stderr)
    assert failed.exit_code == 1
    assert (problem["code"], problem["dial_state"]) == ("unsupported", "not_placed")


def test_vendors_text_cannot_steer_the_terminal(gateway, config, phones):
    """Control characters in what the vendor says are not printed."""
    phones.fault(Fault("/v1/call", kind="replace", status=400, body={"message": "\x1b[2J\x07no"}))

    failed = gateway("call", "hanoi", "list_calls", config=config)

    assert failed.exit_code == 1
    assert "?[2J?no" in failed.stderr


@pytest.mark.parametrize("text", ["", "[accounts"])
def test_missing_or_broken_configuration(gateway, tmp_path, text):
    """Without a configuration that can be read the exit code is 3."""
    config = tmp_path / "gateway.toml"
    if text:
        config.write_text(text)

    failed = gateway(*DIAL, "--json", config=config)

    assert failed.exit_code == 3
    assert json.loads(failed.stderr)["code"] == "config_error"


def test_configuration_from_the_environment(gateway, config):
    """`GATEWAY_CONFIG` names the configuration."""
    assert gateway("call", "hanoi", "list_calls", env={"GATEWAY_CONFIG": str(config)}).exit_code == 0


def test_all_streams_every_page(gateway, config, phones):
    """`--all` goes on to the last page, one item a line."""
    phones.do(phones.pbx.seed_records, 5, phones.pbx.clock.now())

    done = gateway("call", "hanoi", "list_records", "limit=2", "--all", config=config)

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["record_id"] for row in rows}) == 5
    assert len(rows) == 5


def test_a_page_is_the_page_itself(gateway, config, phones):
    """Without `--all` a page says how to go on."""
    phones.do(phones.pbx.seed_records, 5, phones.pbx.clock.now())

    page = json.loads(gateway("call", "hanoi", "list_records", "limit=2", config=config).stdout)
    following = gateway("call", "hanoi", "list_records", "limit=2", f"cursor={page['next']}", config=config)

    assert (len(page["items"]), page["total"]) == (2, 5)
    assert not {row["record_id"] for row in page["items"]} & {
        row["record_id"] for row in json.loads(following.stdout)["items"]
    }


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("list_calls", "--all"), "--all is for operations that answer pages"),
        (("list_calls", "--out", "x.wav"), "--out is for recordings"),
        (("list_calls", "--key-env", "HOME"), "--key-env is for --url"),
        (("list_calls", "--url", "localhost:8080"), "must be the address of a sidecar"),
        (
            ("list_calls", "--url", "http://127.0.0.1:1", "--key-env", "NO_SUCH_NAME"),
            "must name an environment variable that holds the key, and it is not set",
        ),
        (("fetch_recording", "record_id=x", "--out", "/no/such/directory/x.wav"), "there is no directory"),
    ],
)
def test_options_that_do_not_fit_are_refused(gateway, config, phones, words, text):
    """An option that would do nothing, or could not be done, is refused before anything is sent."""
    refused = gateway("call", "hanoi", *words, config=config)

    assert refused.exit_code == 2
    assert text in refused.stderr
    assert phones.pbx.requests == []


def test_raw_adds_the_vendors_answer(gateway, config, phones):
    """`--raw` shows what the vendor really said, also in a stream."""
    phones.finished()

    page = gateway("call", "hanoi", "list_records", "--raw", config=config)
    stream = gateway("call", "hanoi", "list_records", "--raw", "--all", config=config)

    assert json.loads(page.stdout)["items"][0]["raw"]["status"] == "ANSWERED"
    assert json.loads(stream.stdout)["raw"]["status"] == "ANSWERED"


def test_recording_is_saved(gateway, config, phones, tmp_path):
    """A recording becomes a file, whole or not at all."""
    record_id = phones.finished()
    out = tmp_path / "call.wav"

    done = gateway("call", "hanoi", "fetch_recording", f"record_id={record_id}", "--out", out, config=config)

    assert (done.exit_code, done.stdout) == (0, "")
    assert f"bytes of audio/wav in {out}" in done.stderr
    assert out.read_bytes()[:4] == b"RIFF"


def test_recording_can_be_piped(gateway, config, phones):
    """Without a file the audio goes to stdout, and only the asked-for part of it."""
    record_id = phones.finished()

    done = gateway("call", "hanoi", "fetch_recording", f"record_id={record_id}", "byte_range=bytes=0-3", config=config)

    assert done.stdout_bytes == b"RIFF"


def test_recording_is_not_written_to_a_terminal(gateway, config, terminal, phones):
    """Audio on a terminal helps nobody."""
    refused = gateway("call", "hanoi", "fetch_recording", "record_id=x", config=config)

    assert refused.exit_code == 2
    assert "name a file with --out" in refused.stderr
    assert phones.pbx.requests == []


def test_recording_that_breaks_off_leaves_the_old_file(gateway, config, phones, tmp_path):
    """Half a recording is not taken for a whole one."""
    record_id = phones.finished()
    out = tmp_path / "recordings" / "call.wav"
    out.parent.mkdir()
    out.write_bytes(b"old")
    phones.fault(Fault("/recording/*", kind="truncate"))

    failed = gateway("call", "hanoi", "fetch_recording", f"record_id={record_id}", "--out", out, config=config)

    assert failed.exit_code == 1
    assert {out: b"old"} == {path: path.read_bytes() for path in out.parent.iterdir()}


def test_sidecar_is_asked_with_a_key(gateway, sidecar, phones):
    """`--url` asks a sidecar; the key comes from the environment, by its usual or by another name."""
    usual = gateway(*DIAL, "--url", sidecar.url, env={"GATEWAY_KEY": sidecar.key})
    named = gateway(
        "call", "hanoi", "list_calls", "--raw", "--url", f"{sidecar.url}/", "--key-env", "K", env={"K": sidecar.key}
    )

    assert json.loads(usual.stdout)["call_id"] == phones.pbx.originated[0].call_id
    assert json.loads(named.stdout)["items"][0]["raw"]["call_id"] == phones.pbx.originated[0].call_id


def test_sidecars_problem_is_shown_as_our_own(gateway, sidecar):
    """A problem that a sidecar answers ends like one of this process, with the request's id."""
    failed = gateway(*DIAL[:3], "extension=104", "number=1", "--url", sidecar.url, env={"GATEWAY_KEY": sidecar.key})

    assert failed.exit_code == 1
    assert "\n  dial_state  not_placed\n" in failed.stderr
    assert "\n  request_id  " in failed.stderr


@pytest.mark.parametrize("key", [None, "gw_wrong"])
def test_sidecar_that_refuses_the_key(gateway, sidecar, key):
    """Without the right key nothing rang; the key is not shown."""
    failed = gateway(*DIAL, "--url", sidecar.url, "--json", env={"GATEWAY_KEY": key})

    problem = json.loads(failed.stderr)
    assert failed.exit_code == 1
    assert (problem["code"], problem["dial_state"]) == ("unauthenticated", "not_placed")
    assert "gw_wrong" not in failed.output


async def test_usable_beside_a_running_loop(gateway, config, phones):
    """A program that has an event loop runs commands in a thread."""
    done = await asyncio.to_thread(gateway, *DIAL, config=config)

    assert done.exit_code == 0
    assert len(phones.pbx.originated) == 1


def test_dial_whose_answer_cannot_be_printed(gateway, config, phones, monkeypatch):
    """A reader that went away does not make a dial that worked look like one to repeat."""

    def closed(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("gateway.cli.commands.call.show_json", closed)

    failed = gateway(*DIAL, config=config)

    assert failed.exit_code == 4
    assert "\n  dial_state  placed\n" in failed.stderr
    assert len(phones.pbx.originated) == 1


def test_ctrl_c_while_dialling_warns(process, config, phones):
    """Ctrl-C ends a dial that waits at once, without a traceback, and says that a phone may have rung."""
    phones.fault(Fault("/v1/click2call", kind="hold", execute=True))
    running = process("--config", config, *DIAL, "wait=true")
    phones.do(phones.pbx.until, lambda: phones.pbx.originated)

    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()

    assert running.returncode == 130
    assert "a phone may have rung" in errors
    assert "Traceback" not in errors


def test_reader_that_goes_away_is_no_trouble(process, config, phones):
    """`gateway call … | head -1` ends quietly."""
    phones.do(phones.pbx.seed_records, 500, phones.pbx.clock.now())
    running = process("--config", config, "call", "hanoi", "list_records", "limit=1", "--all")

    running.stdout.readline()
    running.stdout.close()
    errors = running.stderr.read()

    assert running.wait() == 1
    assert errors == ""
