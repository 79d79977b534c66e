"""Runs the samples of tests/contract/samples against a bootstrap and compares, as far as a bootstrap has a say.

Left to the platform: time limits, memory, who may read what in the file system, and what a gateway makes of a result.
"""
import base64
import json
import os
import re
import shutil
import uuid

import instance as platform

SAMPLES = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..", "tests", "contract", "samples"))
# Time and memory limits are the platform's to enforce: nothing of them is the bootstrap's.
OF_THE_PLATFORM = {"py-timeout", "py-memory-hog"}
# Uid, folders and their modes come from the sandbox.
FROM_THE_SANDBOX = {"uid", "cwd", "RUNTIME_CODE_ROOT", "code_writable"}
PLATFORM_LINES = ("Start invoke request", "Finish invoke request", "billing duration")


def names(prefix):
    return sorted(name for name in os.listdir(SAMPLES) if name.startswith(prefix) and name not in OF_THE_PLATFORM)


def run(name, python, folder):
    """Packs the sample below `folder`, runs all its calls, raises AssertionError where one differs."""
    source = os.path.join(SAMPLES, name)
    with open(os.path.join(source, "fixture.json"), encoding="utf-8") as file:
        fixture = json.load(file)
    code_root = pack(source, fixture, os.path.join(folder, name))
    player = Player(python, code_root, fixture)
    try:
        steps = [fixture] + fixture.get("then", [])
        for step in steps:
            if step.get("parallel"):
                player.together(step)
            else:
                player.alone(step)
    finally:
        player.close()


def pack(source, fixture, code_root):
    left_out = ["fixture.json"] + fixture.get("dependencies", [])
    shutil.copytree(source, code_root, ignore=lambda place, _: left_out if place == source else [])
    for dependency in fixture.get("dependencies", []):
        for place, _, files in os.walk(os.path.join(source, dependency)):
            target = os.path.join(code_root, os.path.relpath(place, os.path.join(source, dependency)))
            os.makedirs(target, exist_ok=True)
            for file in files:
                shutil.copy(os.path.join(place, file), target)
    return code_root


class Player:
    """Plays the platform for one sample: starts another instance where the last one has left."""

    def __init__(self, python, code_root, fixture):
        self.python, self.code_root, self.fixture = python, code_root, fixture
        self.instance = None
        self.clear_tmp()

    def close(self):
        if self.instance is not None:
            self.instance.__exit__()
        self.clear_tmp()

    @staticmethod
    def clear_tmp():
        # The sample expects a /tmp of its own.
        if os.path.exists("/tmp/numbers.txt"):
            os.remove("/tmp/numbers.txt")

    def alone(self, step):
        failed = self.start()
        answer = failed or self.instance.call(step["event"])
        check(answer, step["expect"])
        if failed or answer.code in (4001, 4009):
            self.close()
            self.instance = None

    def together(self, step):
        assert self.start() is None
        begun = [self.instance.begin(event) for event in [step["event"]] + step["parallel"]]
        answers = [self.instance.answer() for _ in begun]
        ids = dict(begun)
        values = []
        for frame in answers:
            check(platform.Answer(frame, self.instance.logs[frame.call], ids[frame.call]), step["expect"])
            values.append(frame.json)
            assert frame.json["id"] == ids[frame.call], frame
            assert ids[frame.call] + " INFO through" in self.instance.logs[frame.call], self.instance.logs
        for field in step["expect"].get("distinct", []):
            assert len({value[field] for value in values}) == len(values), values

    def start(self):
        """Starts and initializes where needed; gives the Answer of what failed."""
        if self.instance is not None:
            return None
        self.instance = platform.Instance(self.python)
        fixture = self.fixture
        memory = fixture.get("memory_size", 128)
        loaded = self.instance.load(
            self.code_root, handler=fixture["handler"], initializer=fixture.get("initializer_handler"),
            timeout_ms=fixture.get("timeout", 3) * 1000, memory_mb=memory, cpu_millicores=memory * 100 // 128 + 200,
            concurrent_num=fixture.get("concurrent_num", 1), user_data=fixture.get("user_data", {}))
        if loaded.kind == platform.FAILED:
            return platform.Answer(loaded, self.instance.logs.get(0, ""), str(uuid.uuid4()))
        if fixture.get("initializer_handler"):
            answer = self.instance.initialize()
            if answer.kind == platform.FAILED:
                return answer
        return None


def check(answer, expect):
    outcome = {platform.RESULT: "returned", platform.FAILED: "raised"}[answer.kind]
    if answer.code == 4009:
        outcome = "init_failed"
    same(outcome, expect["outcome"], answer)
    if "inner_code" in expect:
        assert answer.code == expect["inner_code"], answer
    if "result" in expect:
        assert answer.json == expect["result"], answer
    if "result_like" in expect:
        like(answer.json, expect["result_like"], answer)
    if "result_text" in expect:
        assert answer.text == expect["result_text"] and answer.form == 1, answer
    if expect.get("result_empty"):
        assert answer.payload == b"" and answer.form == 0, answer
    if expect.get("content_type") == "application/json":
        assert answer.form == 2, answer
    check_error(answer, expect.get("error"))
    check_http(answer, expect.get("http", {}))
    for line in expect.get("logs", []):
        assert line.startswith(PLATFORM_LINES) or answer.log.count(line) == 1, answer
    for line in expect.get("logs_absent", []):
        assert line not in answer.log, answer


def check_error(answer, error):
    if error is None:
        return
    value = answer.json
    assert list(value) == ["errorMessage", "errorType", "stackTrace"][:len(value)], answer
    assert answer.text in answer.log, answer
    same(value["errorType"], error.get("errorType", value["errorType"]), answer)
    same(value["errorMessage"], error.get("errorMessage", value["errorMessage"]), answer)
    assert error.get("errorMessage_contains", "") in value["errorMessage"], answer
    stack = "\n".join(value.get("stackTrace", []))
    assert error.get("stackTrace", bool(stack)) == bool(stack), answer
    assert all(part in stack for part in error.get("stackTrace_contains", [])), answer


def check_http(answer, http):
    if "status" not in http or "error_code" in http:
        return
    value = answer.json
    body = value["body"].encode()
    if value.get("isBase64Encoded"):
        body = base64.b64decode(body)
    assert value["statusCode"] == http["status"], answer
    for name, text in http.get("headers", {}).items():
        assert {key.lower(): header for key, header in value["headers"].items()}[name] == text, answer
    if "body_json" in http:
        assert json.loads(body.decode()) == http["body_json"], answer
    if "body_base64" in http:
        assert body == base64.b64decode(http["body_base64"]), answer


def like(value, pattern, answer):
    for key, wanted in pattern.items():
        if key in FROM_THE_SANDBOX:
            continue
        if isinstance(wanted, dict) and not any(name.startswith("$") for name in wanted):
            like(value[key], wanted, answer)
        else:
            same(value[key], wanted, answer)


def same(value, wanted, answer):
    if not isinstance(wanted, dict):
        assert value == wanted, (value, wanted, answer)
    elif "$one_of" in wanted:
        assert value in wanted["$one_of"], (value, wanted, answer)
    elif "$between" in wanted:
        assert wanted["$between"][0] <= value <= wanted["$between"][1], (value, wanted, answer)
    elif "$regex" in wanted:
        assert re.search(wanted["$regex"], value), (value, wanted, answer)
    elif "$json" in wanted:
        assert json.loads(value) == wanted["$json"], (value, wanted, answer)
