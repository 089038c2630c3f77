"""Adapters that are wrong in one way each, as a change to the sources of one that is right."""

from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
SUITES = {
    "tel4vn-v1": "tests/vendors/test_tel4vn_v1_suite.py",
    "tel4vn-v2": "tests/vendors/test_tel4vn_v2_suite.py",
    "antbuddy": "tests/vendors/test_antbuddy_suite.py",
    "memory": "tests/vendors/test_memory_suite.py",
}
"""The suite of each vendor."""


@attrs.frozen
class Mutant:
    """What is *wrong*, seen by the suite of *vendor*: *old* stands once in *file* and becomes *new*."""

    wrong: str
    vendor: str
    file: str
    old: str
    new: str

    def applied(self):
        """The file's text with the fault in it."""
        text = (ROOT / self.file).read_text(encoding="utf-8")
        found = text.count(self.old)
        assert found == 1, f"{self.wrong}: {found} places in {self.file} hold {self.old!r}"
        return text.replace(self.old, self.new)


V1, V2 = "plugins/gateway_tel4vn/v1/adapter.py", "plugins/gateway_tel4vn/v2/adapter.py"
V1_REPORTS, V1_TENANTS = "plugins/gateway_tel4vn/v1/reports.py", "plugins/gateway_tel4vn/v1/tenants.py"
V2_QUEUES = "plugins/gateway_tel4vn/v2/queues.py"
ANSWERS, CALLS, HOOKS, PAGES, READING, RECORDS, TOKENS, WORDS = (
    f"plugins/gateway_tel4vn/{name}.py"
    for name in ("responses", "calls", "hooks", "pages", "reading", "records", "tokens", "words")
)
ANTBUDDY, HISTORY, REQUESTS, STREAM, ANTBUDDY_CALLS = (
    f"plugins/gateway_antbuddy/{name}.py" for name in ("adapter", "history", "requests", "stream", "calls")
)
MEMORY = "plugins/gateway_memory/adapter.py"
ARGUMENTS, AUDIO, ROWS, CLIENT, CONNECTION, RESPONSE, CACHE = (
    f"contracts/gateway_contracts/{name}.py"
    for name in ("arguments", "audio", "rows", "http/client", "http/connection", "http/response", "http/tokens")
)


def _of(vendor, *rows):
    return [Mutant(wrong, vendor, file, old, new) for wrong, file, old, new in rows]


MUTANTS = [
    # Ids in paths
    *_of(
        "tel4vn-v1",
        ("a record id goes into the path as it is", RECORDS, 'segment("record_id", record_id)', "record_id"),
        (
            "a call id that goes into the path keeps its slashes",
            CALLS,
            'segment("call_id", call_id)',
            "__import__('urllib.parse').parse.quote(call_id)",
        ),
    ),
    *_of(
        "tel4vn-v2",
        ("an agent id goes into the path as it is", V2, 'segment("agent_id", agent_id)', "agent_id"),
    ),
    # Arguments
    *_of(
        "tel4vn-v1",
        ("the hotline of a dial is dropped", V1, "            hotline=hotline,", "            hotline=None,"),
        ("the caller's name is dropped", V1, "caller_id_name=caller_id_name,", "caller_id_name=None,"),
        (
            "the callee's name goes out as the caller's",
            CALLS,
            "src_cid_name=caller_id_name",
            "src_cid_name=callee_id_name",
        ),
        ("auto_answer is dropped", CALLS, '"true" if auto_answer else None', "None"),
        ("wait is dropped", V1, '"start_call_and_wait" if wait else "start_call"', '"start_call"'),
        ("customer_id is dropped in silence", V1, 'refuse("tel4vn-v1", customer_id=customer_id)', "pass"),
        (
            "the wrong extension is dialled",
            CALLS,
            '("ext", extension), ("phone", number)',
            '("ext", "102"), ("phone", number)',
        ),
        ("the number is cut", CALLS, '("phone", number),', '("phone", number[:-1]),'),
        (
            "a transfer's leg is dropped",
            V1,
            "chosen = leg or await self._customer_leg(call_id)",
            "chosen = await self._customer_leg(call_id)",
        ),
        ("a whisper is a listen", V1, '"whisper_call", call_id', '"listen_call", call_id'),
        ("a transfer goes nowhere", V1, '{"ext": to, **', '{"ext": "102" + to, **'),
        ("since is dropped", V1, '"start_date": first,\n            "end_date": last,', '"end_date": last,'),
        ("until is dropped", V1, '"end_date": last,\n            "extension"', '"extension"'),
        ("the number is no filter", V1, '"phone": number,', '"phone": None,'),
        ("the extension is no filter", V1, '"extension": extension,\n            "phone"', '"phone"'),
        ("the direction is no filter", V1, "DIRECTION_FILTERS[direction] if direction else None", "None"),
        (
            "an outcome without a spelling is no filter",
            V1,
            "outcome if outcome not in wire.STATUS_FILTERS else None",
            "None",
        ),
        ("at least means more than", V1, "str(min_duration_seconds - 1)", "str(min_duration_seconds)"),
        (
            "a hook's address is dropped",
            HOOKS,
            "address = url or self.own_url",
            'address = self.own_url or "https://pbx.example.vn/"',
        ),
        ("a hook's key is dropped", HOOKS, 'body["callback_apikey"] = api_key', "pass"),
        ("a hook is for another event", HOOKS, 'EventType.ENDED: "hangup",', 'EventType.ENDED: "answered",'),
    ),
    *_of(
        "tel4vn-v2",
        ("a customer's id is dropped from a dial", V2, "customer_id=customer_id,\n        )", ")"),
        ("retries are dropped", V2, '"max_retries": max_retries,', '"max_retries": None,'),
        (
            "a queue's customers lose their numbers",
            V2_QUEUES,
            '"mobiles": list(customer.numbers)',
            '"mobiles": list(customer.numbers)[:0]',
        ),
        ("the customers to block are dropped", V2_QUEUES, '[{"id": each} for each in customer_ids]', "[]"),
        ("stop starts", V2_QUEUES, '_send(f"stop_{kind}_queue"', '_send(f"start_{kind}_queue"'),
        ("a queue's kind is dropped", V2_QUEUES, '_send(f"delete_{kind}_queue"', '_send("delete_autodialer_queue"'),
        ("a customer's campaign is no filter", V2, "query(campaign_id=campaign_id)", "()"),
        ("a new customer loses the name", V2, '"name": name,\n        }', "}"),
    ),
    # Pages and rows
    *_of(
        "tel4vn-v1",
        ("a page lies that it is the last", PAGES, "    last = not came.ids\n", "    last = True\n"),
        ("a row at a page's edge is missing", PAGES, "offset=at + len(came.ids),", "offset=at + len(came.ids) + 1,"),
        (
            "the cursor forgets the filters",
            PAGES,
            "*((pair[0], pair[1]) for pair in self.query),",
            "*((pair[0], pair[1]) for pair in self.query if not self.offset),",
        ),
        ("the page's number is not sent", PAGES, 'frozenset({"page", "offset"})', 'frozenset({"offset"})'),
        ("the offset is not sent", PAGES, 'frozenset({"page", "offset"})', 'frozenset({"page"})'),
        ("the id of a scroll is overlooked", PAGES, "if self.scroll_id else []", "if False else []"),
        (
            "a page that comes again is the end",
            PAGES,
            "if place.given != said or counts_itself:",
            "if False:",
        ),
        (
            "a row that is pushed on comes twice",
            RECORDS,
            "if turned.again:",
            "if False:",
        ),
        ("limit is dropped", PAGES, "first = self.size or limit or default", "first = self.size or default"),
        ("the last row of a page is dropped", RECORDS, "Page(items=tuple(records),", "Page(items=tuple(records[:-1]),"),
        ("rows come in another order", RECORDS, "Page(items=tuple(records),", "Page(items=tuple(records[::-1]),"),
        (
            "live calls are cut to one",
            CALLS,
            "        return found.page(total=total_of(response, len(found)))",
            "        return Page(items=found.items[:1], total=len(found))",
        ),
        ("call ids are asked for one day only", V1_REPORTS, "while start < end:", "for _ in range(1):"),
        ("a row without an id stops the list", ROWS, "skipped[place] = raw", "raise"),
        ("rows that are left out are not counted", RECORDS, "skipped=len(left),", "skipped=0,"),
        ("a field that cannot be read is not named", RECORDS, "unreadable=unreadable,", "unreadable=(),"),
        ("a time that is none stops the list", WORDS, 'raise Unreadable(name, "is not a time")', "raise TypeError"),
        ("a negative duration is one", WORDS, "if not 0 <= value < below:", "if not value < below:"),
    ),
    *_of(
        "antbuddy",
        ("only the newest slice is read", HISTORY, "if self.start <= self.since:", "if True:"),
        (
            "a slice forgets its first second",
            HISTORY,
            "if here.start <= row.at < here.end:",
            "if here.start < row.at < here.end:",
        ),
        (
            "a page that is not full is the last",
            HISTORY,
            "taken=0) if rows else",
            "taken=0) if len(rows) >= PAGE else",
        ),
        ("the vendor's pages are skipped", HISTORY, "page=here.page + 1, taken=0)", "page=here.page + 2, taken=0)"),
        (
            "the number is no filter of ours",
            HISTORY,
            "self.number in (None, record.from_number, record.to_number)",
            "True",
        ),
    ),
    # Times
    *_of(
        "tel4vn-v1",
        (
            "local time is taken for UTC",
            WORDS,
            'datetime.fromisoformat(f"{hour}:{end}").replace(tzinfo=self.zone)',
            'datetime.fromisoformat(f"{hour}:{end}").replace(tzinfo=UTC)',
        ),
        (
            "times have a zone of their own",
            WORDS,
            'datetime.fromisoformat(stamp + "+00:00") - offset',
            'datetime.fromisoformat(stamp + "+00:00").astimezone(self.zone) - offset',
        ),
        (
            "filters are written in UTC",
            WORDS,
            "return moment.astimezone(self.zone).replace(tzinfo=None)",
            "return moment.astimezone(UTC).replace(tzinfo=None)",
        ),
        ("until is included", READING, "(until or LATEST) - timedelta(microseconds=1)", "(until or LATEST)"),
        (
            "since is not included",
            READING,
            "self._walls(whole_second(since or EARLIEST),",
            "self._walls(whole_second(since or EARLIEST) + SECOND,",
        ),
        (
            "a dial's time is local",
            CALLS,
            "requested_at = datetime.now(UTC)",
            "requested_at = datetime.now(self.reading.time.zone)",
        ),
        (
            "reports end a second early",
            V1_REPORTS,
            'f"{moment:{STAMP}}" for moment in (start, end)',
            'f"{moment:{STAMP}}" for moment in (start, end - 60 * SECOND)',
        ),
    ),
    *_of(
        "antbuddy",
        (
            "a range is asked for in local time",
            HISTORY,
            "datetime.fromtimestamp(second, UTC).strftime",
            "datetime.fromtimestamp(second + 7 * 3600, UTC).strftime",
        ),
    ),
    # Words
    *_of(
        "tel4vn-v1",
        (
            "an unknown word is a crash",
            WORDS,
            '(status or "").strip().lower()), Outcome.UNKNOWN)',
            '(status or "").strip().lower())) or _none[status]',
        ),
        ("busy is no answer", WORDS, '"busy": Outcome.BUSY', '"busy": Outcome.NO_ANSWER'),
        ("the vendor's word is lost", RECORDS, "vendor_status=status", "vendor_status=None"),
        ("internal calls are outbound", WORDS, '"local": Direction.INTERNAL', '"local": Direction.OUTBOUND'),
        (
            "the sides are the wrong way round",
            RECORDS,
            "from_number=source,\n            to_number=target",
            "from_number=target,\n            to_number=source",
        ),
        ("talk is as long as the call", RECORDS, "talk: int | None = 0", "talk: int | None = duration"),
        (
            "the vendor's own answer is lost",
            RECORDS,
            "has_recording=recording is not None,\n            raw=raw",
            "has_recording=recording is not None,\n            raw=None",
        ),
    ),
    # Errors, and what rings
    *_of(
        "tel4vn-v1",
        ("a refusal is swallowed", ANSWERS, "if succeeded and not refused:", "if succeeded:"),
        (
            "an unregistered extension is only refused",
            ANSWERS,
            '"USER_NOT_REGISTERED": AgentNotRegistered,',
            '"USER_NOT_REGISTERED": VendorRejected,',
        ),
        (
            "a dial is a read, so it is sent again",
            CALLS,
            "effect=Effect.RING,\n            timeout",
            "effect=Effect.READ,\n            timeout",
        ),
        (
            "steering is a read, so it is sent again",
            CALLS,
            "effect=Effect.RING,\n            refusals",
            "effect=Effect.READ,\n            refusals",
        ),
        (
            "everything is sent three times",
            CLIENT,
            "last = effect is not Effect.READ or attempt == READ_ATTEMPTS",
            "last = attempt == READ_ATTEMPTS",
        ),
        ("the client sends again below us", CLIENT, "middlewares=(never_resend,),", ""),
        ("a dial passes no fence", CONNECTION, "if RINGING.get():", "if False:"),
        (
            "a lost dial is taken for none",
            RESPONSE,
            "dial_state=DialState.UNKNOWN if effect is Effect.RING else None",
            "dial_state=DialState.NOT_PLACED if effect is Effect.RING else None",
        ),
        ("reads are not tried again", CLIENT, "READ_ATTEMPTS = 3", "READ_ATTEMPTS = 1"),
        (
            "the time to wait is dropped",
            RESPONSE,
            "retry_after = retry_after_of(response.headers)",
            "retry_after = None",
        ),
        ("too many requests is a refusal", RESPONSE, "429: RateLimited", "429: VendorRejected"),
        ("forbidden is the caller's fault", RESPONSE, "403: VendorAuthFailed", "403: InvalidRequest"),
        (
            "no connection is an unknown outcome",
            CONNECTION,
            "raise NotSent(_network_words(error)) from error",
            'raise SentAndLost("no connection") from error',
        ),
        (
            "a timeout is an answer from the vendor",
            CLIENT,
            'outcome_unknown("The vendor did not answer in time", effect, account, origin=Origin.NETWORK)',
            'outcome_unknown("The vendor did not answer in time", effect, account)',
        ),
        (
            "half an answer is an answer",
            CONNECTION,
            'raise SentAndLost(f"the answer broke off ({type(error).__name__})") from None',
            "return True",
        ),
    ),
    *_of(
        "antbuddy",
        (
            "a limit that is reached is no proof",
            REQUESTS,
            "dial_state=DialState.NOT_PLACED if response.effect is Effect.RING else None,\n            retry_after",
            "retry_after",
        ),
        ("auto_answer is dropped in silence", ANTBUDDY, "            auto_answer=auto_answer,\n", ""),
        ("a body takes a success back", ANTBUDDY, "            successes=_PLACED,\n", ""),
        (
            "a success is lost with its body",
            CLIENT,
            "lost.enter_context(contextlib.suppress(TimeoutError, SentAndLost, TooLong))",
            "pass",
        ),
    ),
    # Tokens, secrets and cleanliness
    *_of(
        "tel4vn-v1",
        (
            "a refused token is not replaced",
            CLIENT,
            "if tokens and token and self._asks_again(token, tokens, response, asked):",
            "if False:",
        ),
        (
            "a token that is refused by 403 is kept",
            CLIENT,
            "refused = isinstance(self._error_in(response), VendorAuthFailed)",
            "pass",
        ),
        (
            "a dial is sent again after a 403",
            CLIENT,
            "return refused and response.effect is Effect.READ",
            "return refused",
        ),
        ("a forbidden read costs a token each time", CLIENT, "if now >= self._doubted_until:", "if True:"),
        ("everybody asks for a token", CACHE, "if self._fetching is None:", "if True:"),
        (
            "a token is asked for each time",
            CACHE,
            "if token is None or self._clock() >= token.renew_at:",
            "if True:",
        ),
        (
            "a token leaks in errors",
            CLIENT,
            'pause, text = next(pauses), f"The request was sent and {error}"',
            'pause, text = next(pauses), f"The request with {token} was sent and {error}"',
        ),
        (
            "a token is logged",
            CLIENT,
            "tokens.refuse(token)\n            return True",
            "tokens.refuse(token); __import__('logging').getLogger('x').error(token)\n            return True",
        ),
        ("the session is left open", CLIENT, "await self._session.close()", "pass"),
        (
            "a cancelled waiter cancels the others",
            CACHE,
            "token = await asyncio.shield(fetching)",
            "token = await fetching",
        ),
    ),
    *_of(
        "antbuddy",
        (
            "the socket's reader is left behind",
            STREAM,
            "            reader.cancel()\n            await asyncio.wait([reader])",
            "            pass",
        ),
    ),
    # Events
    *_of(
        "tel4vn-v1",
        (
            "event ids are new each time",
            HOOKS,
            'return hashlib.sha256("\\n".join(part or "" for part in key).encode()).hexdigest()[:32]',
            "return __import__('uuid').uuid4().hex",
        ),
        (
            "events of one call have one id",
            HOOKS,
            "*map(text, ids), state, *map(text, sides))",
            "*map(text, ids), *map(text, sides))",
        ),
        ("a recording is never told to be ready", HOOKS, "if event.type is EventType.RECORD_CREATED", "if False"),
        ("an answer is told as an end", HOOKS, '"answered": EventType.ANSWERED', '"answered": EventType.ENDED'),
        ("an unknown event is a crash", HOOKS, "EVENTS.get(state, EventType.UNKNOWN)", "EVENTS[state]"),
        (
            "a hostile webhook is a crash",
            HOOKS,
            '    except ValueError as error:\n        raise InvalidRequest(\n            f"The webhook',
            '    except ZeroDivisionError as error:\n        raise InvalidRequest(\n            f"The webhook',
        ),
        (
            "an event's call has another id",
            HOOKS,
            "        call_id=text(row.call_id),\n        sip_call_id",
            "        call_id=text(row.sip_call_id),\n        sip_call_id",
        ),
        (
            "an event's time is the time of arrival",
            HOOKS,
            "occurred_at=reading.time.read(occurred)",
            "occurred_at=received_at",
        ),
        (
            "a deleted hook stays",
            HOOKS,
            'await self.http.send("DELETE", path,',
            'await self.http.send("GET", self.list_path) if path else await self.http.send("DELETE", path,',
        ),
    ),
    *_of(
        "antbuddy",
        (
            "the end of a call is not told",
            STREAM,
            "for event in calls.hear(*named, life.heard_at):",
            "for event in [each for each in calls.hear(*named, life.heard_at) if each.type is not EventType.ENDED]:",
        ),
        (
            "the first loss ends the stream",
            STREAM,
            "except (ConnectionLost, GatewayError) as error:",
            "except GatewayError as error:",
        ),
    ),
    # Recordings, reports, agents, tenants, customers
    *_of(
        "tel4vn-v1",
        ("a recording's range is dropped", RECORDS, "byte_range=byte_range,", "byte_range=None,"),
        ("a recording loses its last byte", AUDIO, "take = end - start + 1", "take = end - start"),
        (
            "a record that is not there is another",
            RECORDS,
            'path = self.get_path.format(record_id=segment("record_id", record_id))',
            "path = self.list_path",
        ),
        ("counts are doubled", V1_REPORTS, "count=whole(row.count) or 0", "count=2 * (whole(row.count) or 0)"),
        (
            "the call ids of reports are cut",
            V1_REPORTS,
            "call_id = row.call_id.strip()",
            "call_id = row.call_id.strip()[:8]",
        ),
        ("any agent will do", V1, "if agent_id in {agent.agent_id, agent.username, agent.extension}:", "if True:"),
        ("a tenant is enabled whatever is said", V1_TENANTS, '{"enable": enabled}', '{"enable": True}'),
        ("a new extension's password is masked", V1_TENANTS, '"pwd": password}', '"pwd": "********"}'),
    ),
    *_of(
        "tel4vn-v2",
        (
            "a customer's number is the contract's",
            V2,
            "number=text(row.phone_number)",
            "number=text(row.contract_number)",
        ),
    ),
    # A vendor without a network
    *_of(
        "memory",
        ("ended calls stay in progress", MEMORY, "call = self.calls.pop(call_id)", "call = self.calls[call_id]"),
        (
            "what is not understood is dropped",
            ARGUMENTS,
            "    if named:\n",
            "    if False:\n",
        ),
        (
            "the cursor forgets the filters",
            MEMORY,
            'return attrs.evolve(asked, limit=filters.get("limit", asked.limit))',
            "return _Asked(before=asked.before, limit=asked.limit)",
        ),
        ("until is included", MEMORY, "record.started_at < self.until", "record.started_at <= self.until"),
    ),
]
