"""Rows that the documents of TEL4VN's products have in common."""

from tests.vendors.access_paths import Row

NUMBER = "0899888999"
STARTED = {"account": "hanoi", "extension": "101", "number": NUMBER}
SEEN_HOOK = {"hook_id": "{hook}", "event": "call.ended", "domain": "test.tel4vn.com"}
HOOKS = [
    Row("3", "list_hooks", {}, "GET", "/v1/event", sees={"items": [SEEN_HOOK]}),
    Row(
        "4",
        "create_hook",
        {"event": "record.created", "url": "https://crm.example.vn/hooks", "api_key": "foo"},
        "POST",
        "/v1/event",
        body={"callback_url": "https://crm.example.vn/hooks", "callback_apikey": "foo", "event": "cdr"},
        sees={"event": "record.created", "vendor_event": "cdr", "url": "https://crm.example.vn/hooks"},
    ),
    Row(
        "4 for recordings",
        "create_hook",
        {"event": "recording.ready", "url": "https://crm.example.vn/hooks"},
        "POST",
        "/v1/event",
        body={"callback_url": "https://crm.example.vn/hooks", "event": "cdr"},
        sees={"event": "recording.ready", "vendor_event": "cdr"},
    ),
    Row("5", "delete_hook", {"hook_id": "{hook}"}, "DELETE", "/v1/event/{hook}"),
]
EVERY_DIAL_ARGUMENT = {
    "extension": "101",
    "number": NUMBER,
    "auto_answer": True,
    "caller_id_name": "Chị Hoa & con",
    "caller_id_number": "1900",
    "callee_id_name": "Công ty",
    "callee_id_number": "+84 28 7301",
    "hotline": "19001919",
}
EVERY_DIAL_PARAMETER = {
    "ext": "101",
    "phone": NUMBER,
    "auto_answer": "true",
    "src_cid_name": "Chị Hoa & con",
    "src_cid_number": "1900",
    "dest_cid_name": "Công ty",
    "dest_cid_number": "+84 28 7301",
    "hotline": "19001919",
}
