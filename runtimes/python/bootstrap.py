"""Loads one Python function and answers its calls: the inside end of crates/instance/PROTOCOL.md.

Everything here is paid for by somebody who waits, so two costs shape the file. A start imports next to nothing: what the
first error, log line or `async def` needs is imported then, or while the instance stands blank and nobody asks for it.
A call reads once, writes once, and touches nothing that only some calls need.

Runs on Python 3.6 and everything newer. Start it as `python -B -s bootstrap.py` with the socket on descriptor 3.
"""
import io
import os
import sys
from struct import Struct
from time import gmtime, monotonic, strftime
from _thread import RLock, _local

SOCKET = 3
PROTOCOL = 1
LOAD, INITIALIZE, INVOKE, STOP, INVOKE_AS = 1, 2, 3, 4, 5
HELLO, LOADED, INITIALIZED, RESULT, FAILED, LOG, STOPPED = 65, 66, 67, 68, 69, 70, 71
NOTHING, TEXT, JSON = 0, 1, 2
# Form of a FAILED after which the process ends.
LEAVING = 1
ENTRY = "function entry exception, error: "
INVOCATION = "function invocation exception, error: "
INITIALIZATION = "function initialization exception, error: "
INVALID = "function result is invalid, error: "
TOO_LARGE = "the return value of the function exceeds the maximum allowed limit"

HEADER = Struct("<IIHBB")
REQUEST_ID = 36
READ_AT_ONCE = 65536
LINE = 90 * 1024
LOG_FRAME = 1024 * 1024
MESSAGE = 64 * 1024
STACK_LINES = 400
# What a program already has before it imports anything: a file of the user's never shadows these in plain Python either.
AT_START = frozenset(sys.modules)
IMPORTED_WHILE_BLANK = ("json", "logging", "traceback")
PID = os.getpid()


# --- the socket -----------------------------------------------------------------------------------------------------


class Wire:
    """Frames on the socket. One thread reads; any thread writes."""

    def __init__(self):
        self._rest = b""
        # Re-entrant, because a signal handler of the user's may print while the main thread is writing.
        self._lock = RLock()

    def frame(self):
        """The next frame as (call, kind, payload). Ends the process where the platform has closed its end."""
        data = self._rest or os.read(SOCKET, READ_AT_ONCE)
        while len(data) < HEADER.size:
            data += self._more()
        length, call, _, kind, _ = HEADER.unpack_from(data)
        end = HEADER.size + length
        if len(data) < end:
            data = self._fill(data, end)
        self._rest = data[end:]
        return call, kind, data[HEADER.size:end]

    def whole_frames(self):
        """Reads once and returns the frames that are complete, for the event loop, which must not block."""
        data = self._rest + self._more()
        frames, start = [], 0
        while len(data) - start >= HEADER.size:
            length, call, _, kind, _ = HEADER.unpack_from(data, start)
            end = start + HEADER.size + length
            if len(data) < end:
                break
            frames.append((call, kind, data[start + HEADER.size:end]))
            start = end
        self._rest = data[start:]
        return frames

    def send(self, kind, call, payload, code=0, form=0):
        frame = HEADER.pack(len(payload), call, code, kind, form) + payload
        try:
            with self._lock:
                sent = os.write(SOCKET, frame)
                if sent != len(frame):
                    self._send_rest(memoryview(frame)[sent:])
        except BrokenPipeError:
            os._exit(1)

    def _more(self):
        return os.read(SOCKET, READ_AT_ONCE) or os._exit(0)

    def _fill(self, data, end):
        whole = bytearray(end)
        got = len(data)
        whole[:got] = data
        view = memoryview(whole)
        while got < end:
            # Never beyond this frame, so nothing of the next one has to be kept.
            got += os.readv(SOCKET, [view[got:]]) or os._exit(0)
        return bytes(whole)

    @staticmethod
    def _send_rest(view):
        while view:
            view = view[os.write(SOCKET, view):]


def without_alias(payload):
    """The payload of INVOKE_AS as alias and payload of INVOKE."""
    start = REQUEST_ID + 1
    end = start + payload[REQUEST_ID]
    return payload[start:end].decode(), payload[:REQUEST_ID] + payload[end:]


def in_forked_child():
    """True in a child the user forked: it shares the socket but must never speak on it."""
    return os.getpid() != PID


def leave_if_forked(error=None):
    """Ends a forked child that has come back out of the user's code; only its parent answers."""
    if not in_forked_child():
        return
    for output in (sys.stdout, sys.stderr):
        flush_quietly(output)
    if isinstance(error, SystemExit):
        os._exit(error.code if isinstance(error.code, int) else int(error.code is not None))
    if error is not None:
        import traceback
        os.write(2, "".join(traceback.format_exception(type(error), error, error.__traceback__)).encode("utf-8", "replace"))
    os._exit(int(error is not None))


def flush_quietly(output):
    try:
        output.flush()
    except Exception:
        # Closed or nonsense: the user put it there, and the call has its own result.
        pass


# Not __file__: a compiled bootstrap runs from another file than its code names.
HERE = in_forked_child.__code__.co_filename


# --- the log --------------------------------------------------------------------------------------------------------


class Running:
    """Which call runs now, where calls come one at a time: threads of the user's belong to it too."""

    context = None
    loop = None

    def now(self):
        return self.context


class Journal:
    """Log lines on their way to the platform, each with the call it belongs to."""

    def __init__(self, wire, running):
        self.wire = wire
        self.running = running
        self._second = None
        self._second_text = ""

    def send(self, call, text):
        """Sends whole lines, the last one with its line feed."""
        if in_forked_child():
            os.write(1, text.encode("utf-8", "backslashreplace"))
            return
        if len(text) <= LINE:
            self.wire.send(LOG, call, text.encode("utf-8", "backslashreplace"))
            return
        for part in frames_of(text):
            self.wire.send(LOG, call, part.encode("utf-8", "backslashreplace"))

    def logger_line(self, seconds, level, text):
        """Sends one line of a logger, cut where it is too long, each piece with the prefix."""
        context = self.running.now()
        call, request = (context._call, context._request_id + " ") if context else (0, "")
        prefix = "%s %s%s " % (self._stamp(seconds), request, level)
        for start in range(0, len(text) or 1, LINE):
            self.send_as_line(call, prefix + text[start:start + LINE] + "\n")

    def send_as_line(self, call, line):
        # The prefix comes on top of the longest line, so this must not cut again.
        if in_forked_child():
            self.send(call, line)
        else:
            self.wire.send(LOG, call, line.encode("utf-8", "backslashreplace"))

    def _stamp(self, seconds):
        whole = int(seconds)
        if whole != self._second:
            self._second_text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole))
            self._second = whole
        return "%s.%03dZ" % (self._second_text, (seconds - whole) * 1000)


def frames_of(text):
    """Cuts lines that are too long, and gathers lines into texts that fit a frame well."""
    gathered, size = [], 0
    for line in text[:-1].split("\n"):
        for start in range(0, len(line) or 1, LINE):
            piece = line[start:start + LINE]
            gathered.append(piece)
            size += len(piece) + 1
            if size >= LOG_FRAME:
                yield "\n".join(gathered) + "\n"
                gathered, size = [], 0
    if gathered:
        yield "\n".join(gathered) + "\n"


class Output(io.TextIOBase):
    """What `sys.stdout` and `sys.stderr` are: sends each line when it is complete, keeps what is not, per call."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    write_through = True
    mode = "w"

    def __init__(self, name, number, journal):
        self.name = name
        self._number = number
        self._journal = journal
        self._lock = RLock()
        self.open_lines = {}
        self._bytes = None

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not " + type(text).__name__)
        context = self._journal.running.now()
        call = context._call if context else 0
        with self._lock:
            end = text.rfind("\n") + 1
            if end:
                begun = self.open_lines.pop(call, None)
                whole = text[:end]
                if begun:
                    whole = "".join(begun) + whole
                self._journal.send(call, whole)
            if end < len(text):
                self._keep(call, text[end:])
        return len(text)

    def end_line(self, call):
        """Sends the line that the call has left open."""
        with self._lock:
            begun = self.open_lines.pop(call, None)
            if begun:
                self._journal.send(call, "".join(begun) + "\n")

    def _keep(self, call, text):
        begun = self.open_lines.setdefault(call, [])
        begun.append(text)
        # Joined now and then, so that a loop that prints dots cannot hoard memory.
        if len(text) > 1024 or len(begun) > 1024:
            whole = "".join(begun)
            cut = len(whole) - len(whole) % LINE
            for start in range(0, cut, LINE):
                self._journal.send(call, whole[start:start + LINE] + "\n")
            begun[:] = [whole[cut:]] if cut < len(whole) else []

    @property
    def buffer(self):
        if self._bytes is None:
            self._bytes = OutputBytes(self)
        return self._bytes

    def flush(self):
        # A line that is not complete waits for its end; a forked child has no end of call to wait for.
        if in_forked_child():
            for call in list(self.open_lines):
                begun = self.open_lines.pop(call)
                os.write(1, "".join(begun).encode("utf-8", "backslashreplace"))

    def unlock(self):
        """For a forked child, where the thread that held the lock does not exist."""
        self._lock = RLock()

    def fileno(self):
        return self._number

    def writable(self):
        return True

    def close(self):
        """Stays open: whatever closes it, the next call prints again."""

    def reconfigure(self, **_):
        """Accepted, so that programs that ask for UTF-8 or line buffering find what they have already."""


class OutputBytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes of UTF-8, whole lines of which go the same way as text."""

    def __init__(self, output):
        import codecs
        self._output = output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = self
        self.name = output.name
        self.mode = "wb"

    def write(self, data):
        self._output.write(self._decoder.decode(bytes(data)))
        return len(data)

    def flush(self):
        self._output.flush()

    def fileno(self):
        return self._output.fileno()

    def writable(self):
        return True

    def close(self):
        """Stays open, like the text above it."""


def install_log_handler(logging, journal):
    """Makes the root logger ours, so that every library's lines appear once, with the request they belong to."""

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                journal.logger_line(record.created, record.levelname, self.format(record))
            except Exception:
                self.handleError(record)

    logging.root.addHandler(Handler())
    logging.root.setLevel(logging.INFO)


class LoggingFinder:
    """Stands first on `sys.meta_path` until somebody imports `logging`, and then installs our handler."""

    def __init__(self, journal):
        self._journal = journal

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = LoggingLoader(spec.loader, self)
                return spec
        return None

    def loaded(self, module):
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        # A file of the user's may have this name; then there is no root logger to speak for.
        if hasattr(module, "root") and hasattr(module, "Handler"):
            install_log_handler(module, self._journal)


class LoggingLoader:
    """Loads `logging` with its own loader and leaves no other trace than our handler."""

    def __init__(self, loader, finder):
        self._loader = loader
        self._finder = finder

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._finder.loaded(module)


# --- JSON -----------------------------------------------------------------------------------------------------------


class _ScannerOptions:
    """What `json.JSONDecoder()` is by default, for the scanner written in C."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = {"-Infinity": float("-inf"), "Infinity": float("inf"), "NaN": float("nan")}.__getitem__
    memo = {}


def make_scanner():
    """`scan(text, index)` gives (value, end). Package json imports re, which costs a start 10 ms, so not through it."""
    try:
        from _json import make_scanner as make
        return make(_ScannerOptions)
    except (ImportError, AttributeError, TypeError):
        import json
        return json.JSONDecoder().scan_once


def make_encoder():
    """`encode(value)` gives the text that `json.dumps(value)` gives. Not to be shared by threads: it knows its cycles."""
    try:
        from _json import encode_basestring_ascii, make_encoder as make
        pieces = make({}, not_serialisable, encode_basestring_ascii, None, ": ", ", ", False, False, True)
        join = "".join
        if join(pieces({"a": [1, None, "\u00e9"]}, 0)) == '{"a": [1, null, "\\u00e9"]}':
            return lambda value: join(pieces(value, 0))
    except (ImportError, TypeError):
        pass
    import json
    return json.dumps


def not_serialisable(value):
    # Looked up now, since programs replace JSONEncoder.default to teach it their types.
    import json
    return json.JSONEncoder.default(json._default_encoder, value)


scan = make_scanner()


def parse(text, start):
    """The JSON value that `text` holds from `start` on."""
    try:
        value, end = scan(text, start)
        if end == len(text):
            return value
    except StopIteration:
        pass
    import json
    return json.loads(text[start:])


def parse_event(text, start):
    """The event. A text whose content is an object or a list is decoded once more."""
    event = parse(text, start)
    if type(event) is str and event.lstrip()[:1] in ("{", "["):
        try:
            inner = parse(event, 0)
        except (ValueError, RecursionError):
            return event
        if isinstance(inner, (dict, list)):
            return inner
    return event


# --- the context ----------------------------------------------------------------------------------------------------


class Context:
    """The handler's second argument. What is the same for all calls is kept on the class, set by `describe`."""

    def __init__(self, call, request_id, arrived):
        self._call = call
        self._request_id = request_id
        self._arrived = arrived

    @classmethod
    def describe(cls, order):
        cls._timeout_ms = cls._limit_ms = order["timeout_ms"]
        cls._memory = str(order["memory_mb"])
        cls._cpu = str(order["cpu_millicores"])
        cls._project = order["project_id"]
        cls._package = order["package"]
        cls._function = order["function"]
        cls._version = order["version"]
        cls._alias = order["alias"]
        cls._user_data = order["user_data"]

    def getRequestID(self):
        return self._request_id

    def getRemainingTimeInMilliSeconds(self):
        left = self._limit_ms - int((monotonic() - self._arrived) * 1000)
        return left if left > 0 else 0

    def getRunningTimeInSeconds(self):
        # The name says seconds; the service gives milliseconds, and programs rely on it.
        return self._timeout_ms

    def getUserData(self, key, default=None):
        return self._user_data.get(key, default)

    def getLogger(self):
        import logging
        return logging.getLogger()

    def getFunctionName(self):
        return self._function

    def getVersion(self):
        return self._version

    def getPackage(self):
        return self._package

    def getProjectID(self):
        return self._project

    def getAlias(self):
        return self._alias

    def getMemorySize(self):
        return self._memory

    def getCPUNumber(self):
        return self._cpu

    def _empty(self):
        return ""

    # Keys and tokens come from agencies, workflow ids from function flows; the service gives empty texts without them.
    getAccessKey = getSecretKey = getToken = _empty
    getSecurityAccessKey = getSecuritySecretKey = getSecurityToken = _empty
    getWorkflowID = getWorkflowRunID = getWorkflowStateID = _empty
    getTraceID = getInstanceID = getInvokeProperty = _empty
    get_trace_id = get_instance_id = get_invoke_property = _empty
    getInvokeID = get_invoke_id = getRequestID

    def get_state(self):
        return None

    def set_state(self, state):
        raise NotImplementedError("this function is not stateful: set_state has nowhere to keep the state")

    getState, setState = get_state, set_state


# --- failures -------------------------------------------------------------------------------------------------------


class Failure(Exception):
    """Something the platform is told as FAILED, already in its words."""

    def __init__(self, code, prefix, kind, message, stack=None):
        Exception.__init__(self, message)
        self.code = code
        self.prefix = prefix
        self.kind = kind
        self.message = message
        self.stack = stack

    def __reduce__(self):
        return Failure, (self.code, self.prefix, self.kind, self.message, self.stack)

    def payload(self):
        import json
        fields = {"errorMessage": (self.prefix + self.message)[:MESSAGE], "errorType": self.kind}
        if self.stack is not None:
            fields["stackTrace"] = self.stack
        # Not sorted, and 3.6 keeps the order too. A lone surrogate becomes its escape, which JSON reads back.
        encoder = json.JSONEncoder(indent=4, ensure_ascii=False)
        return encoder.encode(fields).encode("utf-8", "backslashreplace")


def thrown(code, prefix, error, code_root, kind=None):
    """The Failure that tells of an exception of the user's."""
    if isinstance(error, SystemExit) and code == 4002:
        code, message = 4001, "the handler called sys.exit(%s)" % ("" if error.code is None else text_of(error))
    else:
        message = text_of(error)
    return Failure(code, prefix, kind or type(error).__name__, message, stack_of(error, code_root))


def text_of(error):
    try:
        return str(error)
    except BaseException:
        return "<a %s that cannot be printed>" % type(error).__name__


def stack_of(error, code_root):
    """The traceback as lines, with paths inside the code folder made relative and without our own frames."""
    try:
        import traceback
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == HERE:
            trace = trace.tb_next
        text = "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:
        return []
    lines = text.replace('"' + code_root + "/", '"').split("\n")
    marks = isinstance(error, SyntaxError)
    lines = [line.rstrip()[:MESSAGE] for line in lines if line.strip() and (marks or line.strip(" ~^"))]
    if len(lines) > STACK_LINES:
        lines[100:-300] = ["  ..."]
    return lines


# --- loading --------------------------------------------------------------------------------------------------------


class Loaded:
    """The function after LOAD: its entry points, each a callable or the Failure that tells why there is none."""

    def __init__(self, order):
        self.code_root = order["code_root"].rstrip("/")
        self.max_result_bytes = order["max_result_bytes"]
        self.at_once = order["concurrent_num"]
        self._modules = {}
        self.handler = self._entry(order["handler"], 2)
        self.initializer = self._entry(order["initializer"], 1, 4009, INITIALIZATION)
        self.pre_stop = self._entry(order["pre_stop"], 1)

    def _entry(self, name, parameters, code=4001, prefix=ENTRY):
        if not name:
            return None
        try:
            path, _, function = name.rpartition(".")
            module = self._module(path, code, prefix)
            found = getattr(module, function, None)
            if found is None:
                message = "handler '%s' not found in module './%s.py'" % (function, path)
                return Failure(code, prefix, "FunctionConfigError", message)
            return check_parameters(found, name, parameters, code, prefix)
        except Failure as failure:
            return failure

    def _module(self, path, code, prefix):
        folder, _, base = path.rpartition("/")
        if not holds_module(os.path.join(self.code_root, folder), base):
            raise Failure(code, prefix, "FunctionLoadError", "not found module './%s.py'" % path)
        try:
            # Kept, because handler and initializer must meet in one module, whatever way it was loaded.
            if path not in self._modules:
                self._modules[path] = import_path(self.code_root, path)
            return self._modules[path]
        except BaseException as error:
            leave_if_forked(error)
            raise thrown(code, prefix, error, self.code_root, "FunctionLoadError")


def holds_module(folder, base):
    try:
        return any(name == base or name.startswith(base + ".") for name in os.listdir(folder))
    except OSError:
        return False


def import_path(code_root, path):
    """Imports `folder/file` as `folder.file`, so that relative imports work; by its place where the name is taken."""
    name = path.replace("/", ".")
    top = sys.modules.get(name.partition(".")[0])
    if "." not in path and (top is None or is_below(top, code_root)):
        try:
            __import__(name)
            return sys.modules[name]
        except ImportError as error:
            # A folder without __init__.py gives way to a package of the same name elsewhere, `test` for instance.
            if not error.name or not name.startswith(error.name):
                raise
    from importlib import util
    spec = util.spec_from_file_location(name.replace(".", "_"), "%s/%s.py" % (code_root, path))
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_below(module, code_root):
    """True for a module or package of the function's own, a folder without `__init__.py` included."""
    places = [getattr(module, "__file__", None) or ""] + list(getattr(module, "__path__", ()))
    return any(place.startswith(code_root + "/") for place in places)


def check_parameters(found, name, wanted, code, prefix):
    """Refuses what can be known not to take `wanted` arguments; leaves the rest to the call."""
    if not callable(found):
        raise Failure(code, prefix, "FunctionConfigError", "handler '%s' is not a function" % name)
    method = getattr(found, "__func__", None)
    plain = method or found
    body = getattr(plain, "__code__", None)
    if body is None or hasattr(plain, "__signature__"):
        return found
    bound = 1 if method is not None else 0
    given = body.co_argcount - bound
    needed = given - len(plain.__defaults__ or ())
    takes_any = body.co_flags & 0x04
    keywords = body.co_kwonlyargcount - len(plain.__kwdefaults__ or ())
    if keywords > 0 or needed > wanted or (given < wanted and not takes_any):
        message = "expect to have %d parameter%s, but received %d"
        message %= (wanted, "" if wanted == 1 else "s", given + max(keywords, 0))
        raise Failure(code, prefix, "FunctionConfigError", message)
    return found


def prepare_process(order):
    """Makes the process look as the function expects it: environment, import path, nothing of ours in the way."""
    os.environ.update(order["env"])
    if "TZ" in order["env"]:
        from time import tzset
        tzset()
    code_root = order["code_root"].rstrip("/")
    folders = [code_root]
    for entry in (order["handler"], order["initializer"], order["pre_stop"]):
        folder = os.path.join(code_root, os.path.dirname(entry or "")).rstrip("/")
        if folder not in folders:
            folders.append(folder)
    here = os.path.dirname(os.path.abspath(HERE))
    sys.path[:] = folders + [place for place in sys.path if place not in folders and os.path.abspath(place) != here]
    sys.argv[:] = [os.path.join(code_root, order["handler"].rpartition(".")[0] + ".py")]
    for folder in folders:
        uncover_names(folder)


def uncover_names(folder):
    """Forgets modules of ours that a file of the user's has the name of: `token.py` must mean the user's."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        module = name.partition(".")[0]
        if module in sys.modules and module not in AT_START and module != "__main__":
            for known in [known for known in sys.modules if known == module or known.startswith(module + ".")]:
                del sys.modules[known]


# --- calls ----------------------------------------------------------------------------------------------------------


class Function:
    """The loaded function and its ties to the platform: what all ways of running calls share."""

    def __init__(self):
        self.wire = Wire()
        self.journal = Journal(self.wire, Running())
        self.stdout = Output("<stdout>", 1, self.journal)
        self.stderr = Output("<stderr>", 2, self.journal)
        self.loaded = None
        self.initializer_ms = 0

    def take_output(self):
        """Everything the language prints goes through us, also where programs go back to `sys.__stdout__`."""
        sys.stdout = sys.__stdout__ = self.stdout
        sys.stderr = sys.__stderr__ = self.stderr
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._unlock_output)

    def load(self, call, payload):
        order = parse(payload.decode(), 0)
        self.initializer_ms = order["initializer_timeout_ms"]
        Context.describe(order)
        prepare_process(order)
        known = sys.modules.get("logging")
        if known is not None:
            install_log_handler(known, self.journal)
        else:
            sys.meta_path.insert(0, LoggingFinder(self.journal))
        self.loaded = Loaded(order)
        leave_if_forked()
        self.end_lines(call)
        if isinstance(self.loaded.handler, Failure):
            self.fail(call, self.loaded.handler)
        else:
            self.wire.send(LOADED, call, b"")

    def initializing(self, call, payload):
        context = Context(call, payload[:REQUEST_ID].decode(), monotonic())
        context._limit_ms = self.initializer_ms
        return context

    def initialized(self, call, error):
        """Answers INITIALIZE, and leaves where the initializer did."""
        leave_if_forked(error)
        if error is None:
            self.end_lines(call)
            self.wire.send(INITIALIZED, call, b"")
            return
        if not isinstance(error, Failure):
            failure = thrown(4009, INITIALIZATION, error, self.loaded.code_root)
            self.fail(call, failure, isinstance(error, SystemExit))
            leave_if_exit(error)
            return
        self.fail(call, error)

    def raised(self, call, error):
        """Answers a call whose handler has thrown."""
        leave_if_forked(error)
        code = 4207 if is_disk_full(error) else 4002
        self.fail(call, thrown(code, INVOCATION, error, self.loaded.code_root), isinstance(error, SystemExit))
        leave_if_exit(error)

    def stopped(self, error=None):
        leave_if_forked(error)
        if error is not None:
            self.tell(error)
        self.end_lines(0)
        self.wire.send(STOPPED, 0, b"")
        os._exit(0)

    def fail(self, call, failure, leaving=False):
        """Sends FAILED; the error object stands in the log of the call too, as it does in the service."""
        payload = failure.payload()
        self.end_lines(call)
        for part in frames_of(payload.decode() + "\n"):
            self.wire.send(LOG, call, part.encode())
        self.wire.send(FAILED, call, payload, failure.code, LEAVING if leaving else 0)

    def tell(self, error):
        """Logs what no call can be blamed for."""
        if isinstance(error, Failure):
            lines = [error.prefix + error.message]
        else:
            lines = stack_of(error, self.loaded.code_root)
        self.journal.send(0, "".join(line + "\n" for line in lines))

    def end_lines(self, call):
        """Brings out what the call has printed but not ended."""
        for own, current in ((self.stdout, sys.stdout), (self.stderr, sys.stderr)):
            if current is not own:
                flush_quietly(current)
            if own.open_lines:
                own.end_line(call)

    def _unlock_output(self):
        self.stdout.unlock()
        self.stderr.unlock()


def is_disk_full(error):
    from errno import EDQUOT, ENOSPC
    return isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)


def leave_if_exit(error):
    """An exit costs the instance, as it does in the service; the failure has been told by now."""
    if isinstance(error, SystemExit):
        os._exit(error.code if isinstance(error.code, int) else 1)


def written(value, encode, limit):
    """A result as (form, payload), or the Failure it is."""
    try:
        shape = type(value)
        if shape is dict or shape is list:
            form, payload = JSON, encode(value).encode()
        elif value is None:
            return NOTHING, b""
        elif isinstance(value, str):
            form, payload = TEXT, value.encode()
        elif isinstance(value, (bytes, bytearray)):
            form, payload = TEXT, bytes(value)
            payload.decode()
        else:
            form, payload = JSON, encode(value).encode()
    except BaseException as error:
        raise Failure(4007, INVALID, type(error).__name__, text_of(error))
    if len(payload) > limit:
        raise Failure(4004, "", "FunctionResultTooLarge", TOO_LARGE)
    return form, payload


def event_of(text):
    try:
        return parse_event(text, REQUEST_ID)
    except (ValueError, RecursionError) as error:
        raise not_an_event(error)


def not_an_event(error):
    return Failure(4001, ENTRY, type(error).__name__, "the event is not JSON: " + text_of(error))


def invoker(function, running):
    """`invoke(call, payload)` for one thread, with all that stays the same bound once: here microseconds count."""
    handler = function.loaded.handler
    limit = function.loaded.max_result_bytes
    send = function.wire.send
    stdout, stderr = function.stdout, function.stderr
    encode = make_encoder()

    def invoke(call, payload, alias=None):
        nonlocal encode
        arrived = monotonic()
        try:
            text = payload.decode()
        except UnicodeDecodeError as error:
            function.fail(call, not_an_event(error))
            return
        context = running.context = Context(call, text[:REQUEST_ID], arrived)
        if alias is not None:
            context._alias = alias
        try:
            event = event_of(text)
        except Failure as failure:
            function.fail(call, failure)
            running.context = None
            return
        try:
            value = handler(event, context)
            if hasattr(value, "__await__"):
                value = await_on(running, value)
        except BaseException as error:
            function.raised(call, error)
            running.context = None
            return
        if os.getpid() != PID:
            leave_if_forked()
        try:
            form, body = written(value, encode, limit)
        except Failure as failure:
            # The encoder still holds the objects of the failed one as parts of a cycle.
            encode = make_encoder()
            function.fail(call, failure)
            running.context = None
            return
        if stdout.open_lines or stderr.open_lines or sys.stdout is not stdout or sys.stderr is not stderr:
            function.end_lines(call)
        running.context = None
        send(RESULT, call, body, 0, form)

    return invoke


def await_on(running, awaitable):
    """Runs it on the thread's own loop, which stays: sessions and locks that the user keeps belong to it."""
    import asyncio
    loop = running.loop
    if loop is None or loop.is_closed():
        loop = running.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.run_until_complete(awaitable)


def run_entry(running, entry, context):
    """Runs an initializer or pre-stop handler to its end; gives what it threw, or None."""
    try:
        if isinstance(entry, Failure):
            raise entry
        if entry is not None:
            value = entry(context)
            if hasattr(value, "__await__"):
                await_on(running, value)
    except BaseException as error:
        return error
    return None


def obey(function, running, call, kind, payload):
    """The orders besides INVOKE."""
    if kind == INITIALIZE:
        context = running.context = function.initializing(call, payload)
        error = run_entry(running, function.loaded.initializer, context)
        function.initialized(call, error)
        running.context = None
    elif kind == STOP:
        # A blank instance is stopped too.
        entry = function.loaded.pre_stop if function.loaded else None
        function.stopped(run_entry(running, entry, Context(0, "", monotonic())))
    else:
        os.write(2, b"fungraph: the bootstrap was sent a frame it does not know; it leaves\n")
        os._exit(1)


# --- one call at a time ---------------------------------------------------------------------------------------------


def serve_one_by_one(function):
    """Calls run on the main thread, where signal handlers and many libraries insist on being."""
    running = function.journal.running
    frame, invoke = function.wire.frame, invoker(function, running)
    while True:
        try:
            while True:
                call, kind, payload = frame()
                if kind == INVOKE:
                    invoke(call, payload)
                elif kind == INVOKE_AS:
                    alias, payload = without_alias(payload)
                    invoke(call, payload, alias)
                else:
                    obey(function, running, call, kind, payload)
        except BaseException as error:
            # A signal handler of the user's has thrown, not inside the handler. Between calls nothing is lost by going
            # on; within one nobody knows how much has been sent.
            leave_if_forked(error)
            function.tell(error)
            if running.context is not None or not isinstance(error, Exception):
                os._exit(1)


# --- several at once, in threads ------------------------------------------------------------------------------------


class ThreadRunning(_local):
    """Which call runs in this thread. A thread of the user's own belongs to the only running call, or to none."""

    _mine = None
    loop = None
    active = {}

    @property
    def context(self):
        return self._mine

    @context.setter
    def context(self, context):
        if context is None:
            self.active.pop(self._mine._call, None)
        else:
            self.active[context._call] = context
        self._mine = context

    def now(self):
        if self._mine is not None:
            return self._mine
        contexts = list(self.active.values())
        return contexts[0] if len(contexts) == 1 else None


def serve_in_threads(function):
    """The main thread reads, `concurrent_num` others call the handler; they start as calls come."""
    import queue
    import threading
    running = function.journal.running = ThreadRunning()
    orders = getattr(queue, "SimpleQueue", queue.Queue)()

    def work():
        invoke = invoker(function, running)
        try:
            while True:
                invoke(*orders.get())
        except BaseException as error:
            leave_if_forked(error)
            function.tell(error)
            os._exit(1)

    started = 0
    while True:
        call, kind, payload = function.wire.frame()
        order = call, payload
        if kind == INVOKE_AS:
            alias, payload = without_alias(payload)
            order = call, payload, alias
        elif kind != INVOKE:
            obey(function, running, call, kind, payload)
            continue
        if started < function.loaded.at_once:
            started += 1
            threading.Thread(target=work, name="call-%d" % started, daemon=True).start()
        orders.put(order)


# --- several at once, as tasks --------------------------------------------------------------------------------------


class TaskRunning:
    """Which call runs in this task; tasks it starts inherit that, except on 3.6, which has no context variables."""

    def __init__(self):
        self.active = {}
        try:
            from contextvars import ContextVar
            self._mine = ContextVar("fungraph_call", default=None)
        except ImportError:
            self._mine = TaskVariable()

    def begin(self, context):
        self._mine.set(context)
        self.active[context._call] = context

    def end(self, context):
        self.active.pop(context._call, None)

    def now(self):
        context = self._mine.get()
        # What outlives its call prints into none: its result has been sent.
        return context if context is not None and context._call in self.active else None


class TaskVariable:
    """The little of `ContextVar` that 3.6 needs."""

    def __init__(self):
        from weakref import WeakKeyDictionary
        self._values = WeakKeyDictionary()

    def set(self, value):
        self._values[self._task()] = value

    def get(self):
        task = self._task()
        return self._values.get(task) if task is not None else None

    @staticmethod
    def _task():
        import asyncio
        try:
            return asyncio.Task.current_task()
        except RuntimeError:
            return None


def serve_in_tasks(function):
    """One event loop on the main thread for all calls: what they share, sessions and locks, belongs to that loop."""
    import asyncio
    running = function.journal.running = TaskRunning()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    tasks = set()

    def begin(call, kind, payload):
        if kind == INVOKE:
            order = invoke_in_task(function, running, call, payload)
        elif kind == INVOKE_AS:
            alias, payload = without_alias(payload)
            order = invoke_in_task(function, running, call, payload, alias)
        else:
            order = obey_in_task(function, running, call, kind, payload)
        task = loop.create_task(order)
        # The loop itself keeps only weak references.
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def readable():
        for frame in function.wire.whole_frames():
            begin(*frame)

    loop.add_reader(SOCKET, readable)
    while True:
        # Comes back only where a callback of the user's has stopped the loop or thrown what is not an Exception.
        try:
            loop.run_forever()
        except BaseException as error:
            leave_if_forked(error)
            function.tell(error)
            os._exit(1)


async def invoke_in_task(function, running, call, payload, alias=None):
    arrived = monotonic()
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        function.fail(call, not_an_event(error))
        return
    context = Context(call, text[:REQUEST_ID], arrived)
    if alias is not None:
        context._alias = alias
    running.begin(context)
    try:
        event = event_of(text)
        value = function.loaded.handler(event, context)
        if hasattr(value, "__await__"):
            value = await value
        leave_if_forked()
        form, body = written(value, make_encoder(), function.loaded.max_result_bytes)
    except Failure as failure:
        function.fail(call, failure)
    except BaseException as error:
        function.raised(call, error)
    else:
        function.end_lines(call)
        function.wire.send(RESULT, call, body, 0, form)
    running.end(context)


async def obey_in_task(function, running, call, kind, payload):
    """As `obey`, with entry points that may be coroutines on this same loop."""
    loaded = function.loaded
    context = function.initializing(call, payload) if kind == INITIALIZE else Context(0, "", monotonic())
    entry = loaded.initializer if kind == INITIALIZE else loaded.pre_stop
    running.begin(context)
    error = None
    try:
        if isinstance(entry, Failure):
            raise entry
        value = entry(context) if entry is not None else None
        if hasattr(value, "__await__"):
            await value
    except BaseException as raised:
        error = raised
    if kind == INITIALIZE:
        function.initialized(call, error)
    else:
        function.stopped(error)
    running.end(context)


# --- the start ------------------------------------------------------------------------------------------------------


def use_blank_time():
    """Imports what calls may want, as long as the platform has not asked for anything."""
    from select import select
    for name in IMPORTED_WHILE_BLANK:
        if select([SOCKET], [], [], 0)[0]:
            return
        __import__(name)


def choose_way(loaded):
    if loaded.at_once <= 1:
        return serve_one_by_one
    plain = getattr(loaded.handler, "__func__", loaded.handler)
    body = getattr(plain, "__code__", None) or getattr(getattr(type(plain), "__call__", None), "__code__", None)
    # 0x80 marks `async def`.
    return serve_in_tasks if body is not None and body.co_flags & 0x80 else serve_in_threads


def main():
    os.set_inheritable(SOCKET, False)
    function = Function()
    hello = '{"protocol":%d,"language":"python","version":"%d.%d.%d"}' % ((PROTOCOL,) + sys.version_info[:3])
    function.wire.send(HELLO, 0, hello.encode())
    use_blank_time()
    function.take_output()
    call, kind, payload = function.wire.frame()
    if kind != LOAD:
        obey(function, function.journal.running, call, kind, payload)
    function.load(call, payload)
    choose_way(function.loaded)(function)


if __name__ == "__main__":
    # The user's code must find an empty __main__; multiprocessing would otherwise run this file again in its children.
    _ourselves = sys.modules["__main__"]
    sys.modules["__main__"] = type(sys)("__main__")
    main()
