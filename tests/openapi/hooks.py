"""Keeps what is generated on this machine and short, and leads half of it past the first check of a body.

What the test put there is named by the environment: a function that gives its event back, and a dependency that it has.
"""
import os

import schemathesis

# Values that can be taken where text of any kind is generated: names, base64, JSON.
GOOD = {
    "func_name": os.environ["FUZZED_FUNCTION"],
    "package": "default",
    "handler": "index.handler",
    "runtime": "Python3.9",
    "code_type": "inline",
    "code_filename": "index.py",
    "func_code": {"file": "ZGVmIGhhbmRsZXIoZXZlbnQsIGNvbnRleHQpOiByZXR1cm4gZXZlbnQ="},
    "user_data": '{"word": "text"}',
    "encrypted_user_data": "{}",
    "initializer_handler": "",
    "pre_stop_handler": "",
    "depend_version_list": [os.environ["FUZZED_DEPENDENCY"]],
    "depend_list": [],
    "mount_config": None,
    "gpu_memory": None,
    "gpu_type": None,
    "is_stateful_function": False,
    "enable_class_isolation": False,
    "heartbeat_handler": "",
    "restore_hook_handler": "",
    "depend_type": "zip",
    "depend_file": os.environ["FUZZED_ARCHIVE"],
    "name": "fuzzed",
    "func_vpc": {"vpc_id": "v", "subnet_id": "s"},
}


def is_led(case, one_in=3):
    """Whether this case is led: the same for the same case, whatever runs beside it."""
    return sum(map(ord, repr(case.body))) % one_in != 0


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("custom_image"), dict):
        # It would be asked for at a registry.
        body["custom_image"].pop("image", None)
    if isinstance(body.get("memory_size"), int) and body["memory_size"] > 256:
        # The host need not have it.
        body["memory_size"] = 128
    if is_led(case) and body.get("trigger_type_code") and "event_data" in body:
        body["trigger_type_code"] = "TIMER"
        body["event_data"] = {"name": f"t{sum(map(ord, repr(body))) % 50}", "schedule_type": "Rate", "schedule": "1d"}
    if is_led(case):
        body.update({name: value for name, value in GOOD.items() if name in body})
        if case.operation.label.startswith("POST") and "func_name" in body:
            # Each is another function; the one that is called stays.
            body["func_name"] = f"f{sum(map(ord, repr(body))) % 200}"
