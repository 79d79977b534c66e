"""The platform's end of the socket, for tests: starts a bootstrap as its own process and speaks PROTOCOL.md with it."""
import json
import os
import socket
import struct
import subprocess
import uuid

BOOTSTRAP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "bootstrap.py"))
LOAD, INITIALIZE, INVOKE, STOP, INVOKE_AS = 1, 2, 3, 4, 5
HELLO, LOADED, INITIALIZED, RESULT, FAILED, LOG, STOPPED = 65, 66, 67, 68, 69, 70, 71
HEADER = struct.Struct("<IIHBB")
# Only so that a broken bootstrap fails a test and does not hang it; nothing is decided by it.
GIVE_UP_SECONDS = 60
# Holds descriptor 3 here, so that nothing the child still needs at its start is there when the socket takes that place.
RESERVED = os.open(os.devnull, os.O_RDONLY)


class Closed(Exception):
    """The bootstrap has closed its end."""


class Frame:
    def __init__(self, call, code, kind, form, payload):
        self.call, self.code, self.kind, self.form, self.payload = call, code, kind, form, payload

    @property
    def text(self):
        return self.payload.decode()

    @property
    def json(self):
        return json.loads(self.payload.decode())

    def __repr__(self):
        return "Frame(call=%d code=%d kind=%d form=%d %r)" % (self.call, self.code, self.kind, self.form, self.payload[:500])


class Answer:
    """What a call came to: its last frame, and its log as one text."""

    def __init__(self, frame, log, request_id):
        self.frame, self.log, self.request_id = frame, log, request_id

    def __getattr__(self, name):
        return getattr(self.frame, name)

    def __repr__(self):
        return "%r log=%r" % (self.frame, self.log[-500:])


class Instance:
    """One bootstrap process. Use it in a `with`."""

    def __init__(self, python, bootstrap=BOOTSTRAP):
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.socket.settimeout(GIVE_UP_SECONDS)
        # What else is open here is close-on-exec.
        self.process = subprocess.Popen([python, "-B", "-s", bootstrap], preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
                                        close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        theirs.close()
        self.calls = 0
        self.logs = {}
        self.hello = self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def send(self, kind, call=0, payload=b""):
        self.socket.sendall(HEADER.pack(len(payload), call, 0, kind, 0) + payload)

    def receive(self):
        length, call, code, kind, form = HEADER.unpack(self._exactly(HEADER.size))
        return Frame(call, code, kind, form, self._exactly(length))

    def answer(self):
        """The next frame that is not LOG; LOG frames are gathered per call in `logs`."""
        while True:
            frame = self.receive()
            if frame.kind != LOG:
                return frame
            assert frame.payload.endswith(b"\n"), frame
            self.logs[frame.call] = self.logs.get(frame.call, "") + frame.text

    def load(self, code_root, **order):
        self.send(LOAD, 0, json.dumps(load_order(code_root, **order)).encode())
        return self.answer()

    def initialize(self, call=1):
        request_id = str(uuid.uuid4())
        self.send(INITIALIZE, call, request_id.encode())
        return Answer(self.answer(), self.logs.get(call, ""), request_id)

    def begin(self, event=None, raw=None):
        """Sends INVOKE; gives the call's number and its request id."""
        self.calls += 1
        request_id = str(uuid.uuid4())
        payload = raw if raw is not None else json.dumps(event, ensure_ascii=False).encode()
        self.send(INVOKE, self.calls, request_id.encode() + payload)
        return self.calls, request_id

    def call(self, event=None, raw=None):
        call, request_id = self.begin(event, raw)
        frame = self.answer()
        assert frame.call == call, frame
        return Answer(frame, self.logs.get(call, ""), request_id)

    def call_as(self, alias, event=None):
        self.calls += 1
        request_id = str(uuid.uuid4())
        payload = request_id.encode() + bytes([len(alias)]) + alias.encode() + json.dumps(event).encode()
        self.send(INVOKE_AS, self.calls, payload)
        return Answer(self.answer(), self.logs.get(self.calls, ""), request_id)

    def stop(self):
        """STOPPED and the exit code."""
        self.send(STOP)
        return self.answer(), self.process.wait(GIVE_UP_SECONDS)

    def end(self):
        """Waits for the process to leave by itself; gives its exit code."""
        return self.process.wait(GIVE_UP_SECONDS)

    def raw_output(self):
        """What came through descriptors 1 and 2, once the process and its children are gone."""
        return self.process.stdout.read().decode()

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(min(size - len(data), 1 << 20))
            if not more:
                raise Closed()
            data += more
        return data


def load_order(code_root, **changes):
    order = {
        "runtime": "Python3.9", "handler": "index.handler", "initializer": None, "pre_stop": None,
        "timeout_ms": 3000, "initializer_timeout_ms": 3000, "concurrent_num": 1, "memory_mb": 128,
        "cpu_millicores": 300, "max_result_bytes": 6291456, "project_id": "0a1b", "package": "default",
        "function": "hello", "version": "latest", "alias": "", "user_data": {}, "code_root": code_root,
    }
    order.update(changes)
    order.setdefault("env", {
        "RUNTIME_PROJECT_ID": order["project_id"], "RUNTIME_FUNC_NAME": order["function"],
        "RUNTIME_FUNC_VERSION": order["version"], "RUNTIME_PACKAGE": order["package"],
        "RUNTIME_HANDLER": order["handler"], "RUNTIME_TIMEOUT": str(order["timeout_ms"] // 1000),
        "RUNTIME_CPU": str(order["cpu_millicores"]), "RUNTIME_MEMORY": str(order["memory_mb"]),
        "RUNTIME_CODE_ROOT": code_root, "RUNTIME_USERDATA": json.dumps(order["user_data"]),
    })
    return order
