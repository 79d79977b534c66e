"""Starts the real bootstrap on every Python 3 it finds and speaks the protocol with it.

    python3 runtimes/python/tests/test_bootstrap.py [unittest arguments]

FUNGRAPH_TEST_PYTHONS, a list with colons, names the interpreters instead; FUNGRAPH_TEST_BOOTSTRAP another bootstrap,
a compiled one for instance.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import instance as platform
import samples

BOOTSTRAP = os.environ.get("FUNGRAPH_TEST_BOOTSTRAP", platform.BOOTSTRAP)
FIRST = "import sys; sys.exit(sys.version_info < (3, 6))"
PLACES = ("~/.pyenv/versions/*/bin/python3", "~/.local/share/uv/python/*/bin/python3", "/usr/local/bin/python3",
          "/usr/bin/python3")


def interpreters():
    named = os.environ.get("FUNGRAPH_TEST_PYTHONS")
    if named:
        return named.split(":")
    found = [path for place in PLACES for path in sorted(glob.glob(os.path.expanduser(place)))]
    return [path for path in found or [sys.executable] if subprocess.call([path, "-c", FIRST]) == 0]


class Case(unittest.TestCase):
    """On one interpreter: this one where a case is named on the command line, else each found, by `load_tests`."""

    python = sys.executable

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, **files):
        for name, source in files.items():
            self.write_file(name + ".py", source)

    def write_file(self, name, source):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(textwrap.dedent(source))

    def blank(self):
        instance = platform.Instance(self.python, BOOTSTRAP)
        self.addCleanup(instance.__exit__)
        return instance

    def loaded(self, source, **order):
        self.write(index=source)
        instance = self.blank()
        frame = instance.load(self.folder, **order)
        self.assertEqual(frame.kind, platform.LOADED, frame)
        return instance

    def refused(self, source=None, **order):
        """The error object of a LOAD that fails with 4001."""
        if source is not None:
            self.write(index=source)
        frame = self.blank().load(self.folder, **order)
        self.assertEqual((frame.kind, frame.code), (platform.FAILED, 4001), frame)
        self.assertTrue(frame.json["errorMessage"].startswith("function entry exception, error: "), frame)
        return frame.json

    def failed(self, answer, code, kind, message):
        self.assertEqual((answer.kind, answer.code), (platform.FAILED, code), answer)
        self.assertEqual(answer.json["errorType"], kind)
        self.assertIn(message, answer.json["errorMessage"])
        self.assertTrue(answer.text in answer.log, answer)

    def returned(self, answer, form, payload):
        same = (answer.kind, answer.form, answer.payload) == (platform.RESULT, form, payload)
        self.assertTrue(same, answer)


class Samples(Case):
    def test_samples(self):
        for name in samples.names("py-"):
            with self.subTest(name):
                samples.run(name, self.python, self.folder)


class Loading(Case):
    def test_hello_names_the_version(self):
        version = subprocess.check_output([self.python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"])
        hello = self.blank().hello
        self.assertEqual(hello.json, {"protocol": 1, "language": "python", "version": version.decode().strip()})

    def test_missing_module(self):
        error = self.refused(handler="gone/away.handler")
        self.assertEqual(error, {"errorMessage": "function entry exception, error: not found module './gone/away.py'",
                                 "errorType": "FunctionLoadError"})

    def test_module_of_the_library_is_not_the_functions(self):
        self.assertIn("not found module './calendar.py'", self.refused(handler="calendar.timegm")["errorMessage"])

    def test_missing_function(self):
        error = self.refused("main = 1\n")
        self.assertIn("handler 'handler' not found in module './index.py'", error["errorMessage"])
        self.assertEqual(error["errorType"], "FunctionConfigError")

    def test_not_callable(self):
        self.assertEqual(self.refused("handler = 7\n")["errorType"], "FunctionConfigError")

    def test_failing_import_has_a_relative_stack(self):
        error = self.refused("import nowhere_to_be_found\n")
        self.assertEqual(error["errorType"], "FunctionLoadError")
        self.assertIn("nowhere_to_be_found", error["errorMessage"])
        self.assertIn('  File "index.py", line 1, in <module>', error["stackTrace"])
        self.assertNotIn("bootstrap", "".join(error["stackTrace"]))

    def test_syntax_error(self):
        error = self.refused("def handler(event, context)\n    pass\n")
        self.assertEqual(error["errorType"], "FunctionLoadError")
        self.assertIn('File "index.py", line 1', "".join(error["stackTrace"]))

    def test_exit_while_loading(self):
        self.assertEqual(self.refused("import sys\nsys.exit(3)\n")["errorType"], "FunctionLoadError")

    def test_parameter_counts(self):
        for head, given in (("def handler():", 0), ("def handler(event):", 1), ("def handler(a, b, c):", 3),
                            ("def handler(a, b, *, c):", 3), ("handler = lambda event:", 1)):
            error = self.refused(head + " 1\n" if "lambda" in head else head + "\n    return 1\n")
            self.assertEqual(error["errorType"], "FunctionConfigError", head)
            self.assertIn("expect to have 2 parameters, but received %d" % given, error["errorMessage"])

    def test_parameters_that_fit(self):
        for source in ("def handler(*args):\n    return 'x'\n", "def handler(a, b, c=1, *, d=2):\n    return 'x'\n",
                       "class A:\n    def handler(self, a, b):\n        return 'x'\nhandler = A().handler\n",
                       "class A:\n    def __call__(self, a, b):\n        return 'x'\nhandler = A()\n",
                       "import functools\nhandler = functools.partial(lambda c, a, b: 'x', 1)\n"):
            self.returned(self.loaded(source).call({}), 1, b"x")

    def test_failed_load_is_logged(self):
        self.write(index="x = 1\n")
        instance = self.blank()
        frame = instance.load(self.folder)
        self.assertIn(frame.text, instance.logs[0])

    def test_name_main_and_argv(self):
        source = """
            import sys, __main__
            if __name__ == "__main__":
                raise RuntimeError("not a program")
            def handler(event, context):
                return [__name__, sorted(n for n in vars(__main__) if not n.startswith("__")), sys.argv]
        """
        answer = self.loaded(source).call({})
        self.assertEqual(answer.json, ["index", [], [self.folder + "/index.py"]])

    def test_import_path_is_code_root_then_folder(self):
        self.write(words="WORD = 'root'\n")
        self.write_file("app/words.py", "WORD = 'app'\n")
        self.write_file("app/near.py", "NEAR = 'near'\n")
        self.write_file("app/main.py", """
            import sys, words, near
            from . import words as sibling
            def handler(event, context):
                return [words.WORD, near.NEAR, sibling.WORD, sys.path[:2], [p for p in sys.path if "runtimes/python" in p]]
        """)
        instance = self.blank()
        self.assertEqual(instance.load(self.folder, handler="app/main.handler").kind, platform.LOADED)
        self.assertEqual(instance.call({}).json, ["root", "near", "app", [self.folder, self.folder + "/app"], []])

    def test_files_named_like_the_library(self):
        for path in ("json", "logging", "token", "test/main", "os", "my-app/the.main"):
            self.write_file(path + ".py", "def handler(event, context):\n    return 'mine'\n")
            instance = self.blank()
            frame = instance.load(self.folder, handler=path + ".handler")
            self.assertEqual(frame.kind, platform.LOADED, frame)
            self.returned(instance.call({"a": 1}), 1, b"mine")
            os.remove(os.path.join(self.folder, path + ".py"))

    def test_entries_of_one_module_share_it(self):
        self.write_file("my.app/main.py", """
            STATE = []
            def initializer(context):
                STATE.append(1)
            def handler(event, context):
                return STATE
        """)
        instance = self.blank()
        instance.load(self.folder, handler="my.app/main.handler", initializer="my.app/main.initializer")
        self.assertEqual(instance.initialize().kind, platform.INITIALIZED)
        self.assertEqual(instance.call({}).json, [1])


class Values(Case):
    def test_results(self):
        source = """
            import collections, enum
            class Text(str): pass
            VALUES = {"none": lambda: None, "text": lambda: "é€", "empty": lambda: "", "bytes": lambda: "é".encode(),
                      "int": lambda: 3, "float": lambda: 0.1, "bool": lambda: True, "list": lambda: [1, "é"],
                      "tuple": lambda: (1, 2), "dict": lambda: {"a": 1, 2: None}, "ordered": lambda:
                      collections.OrderedDict([("z", 1)]), "nan": lambda: float("nan"), "sub": lambda: Text("t")}
            def handler(event, context):
                return VALUES[event]()
        """
        instance = self.loaded(source)
        for name, form, payload in (
                ("none", 0, b""), ("text", 1, "é€".encode()), ("empty", 1, b""), ("bytes", 1, "é".encode()),
                ("int", 2, b"3"), ("float", 2, b"0.1"), ("bool", 2, b"true"), ("list", 2, b'[1, "\\u00e9"]'),
                ("tuple", 2, b"[1, 2]"), ("dict", 2, b'{"a": 1, "2": null}'), ("ordered", 2, b'{"z": 1}'),
                ("nan", 2, b"NaN"), ("sub", 1, b"t")):
            self.returned(instance.call(name), form, payload)

    def test_values_that_cannot_be_written(self):
        source = """
            ring = {}
            ring["ring"] = ring
            deep = []
            for _ in range(100000):
                deep = [deep]
            def handler(event, context):
                return {"ring": ring, "deep": deep, "set": {1}, "bytes": b"\\xff", "half": "\\ud800",
                        "inside": [b"x"], "good": {"ring": {"not": "a ring"}}}[event]
        """
        instance = self.loaded(source)
        for name, kind in (("ring", "ValueError"), ("set", "TypeError"), ("bytes", "UnicodeDecodeError"),
                           ("half", "UnicodeEncodeError"), ("inside", "TypeError"), ("deep", "RecursionError")):
            self.failed(instance.call(name), 4007, kind, "function result is invalid, error: ")
            self.returned(instance.call("good"), 2, b'{"ring": {"not": "a ring"}}')

    def test_user_teaches_json_its_types(self):
        source = """
            import json
            json.JSONEncoder.default = lambda self, value: sorted(value)
            def handler(event, context):
                return {"set": {2, 1}}
        """
        self.returned(self.loaded(source).call({}), 2, b'{"set": [1, 2]}')

    def test_size_limit_counts_bytes(self):
        instance = self.loaded("def handler(event, context):\n    return 'é' * event\n", max_result_bytes=100)
        self.assertEqual(instance.call(50).kind, platform.RESULT)
        self.failed(instance.call(51), 4004, "FunctionResultTooLarge",
                    "the return value of the function exceeds the maximum allowed limit")

    def test_large_event_and_result(self):
        instance = self.loaded("def handler(event, context):\n    return event\n")
        text = "é" * 3000000
        self.returned(instance.call(text), 1, text.encode())
        self.returned(instance.call({}), 2, b"{}")

    def test_events(self):
        instance = self.loaded("def handler(event, context):\n    return [event]\n")
        for raw, value in ((b" {} \n", {}), (b'"{\\"a\\": [1]}"', {"a": [1]}), (b'" [1] "', [1]), (b'"{no"', "{no"),
                           (b'"12"', "12"), (b"null", None), (b"1e3", 1000.0), (b"NaN", None)):
            if raw != b"NaN":
                self.assertEqual(instance.call(raw=raw).json, [value])
        self.failed(instance.call(raw=b"{oops"), 4001, "JSONDecodeError", "function entry exception")
        self.failed(instance.call(raw=b'"\xff"'), 4001, "UnicodeDecodeError", "function entry exception")
        self.assertEqual(instance.call({}).json, [{}])

    def test_async_handler_keeps_its_loop(self):
        source = """
            import asyncio
            LOOPS = set()
            async def handler(event, context):
                LOOPS.add(id(asyncio.get_event_loop()))
                await asyncio.sleep(0)
                if event == "fail":
                    raise KeyError("gone")
                return {"loops": len(LOOPS)}
        """
        instance = self.loaded(source)
        self.assertEqual(instance.call({}).json, {"loops": 1})
        self.failed(instance.call("fail"), 4002, "KeyError", "'gone'")
        self.assertEqual(instance.call({}).json, {"loops": 1})


class Failures(Case):
    def test_error_object_form(self):
        source = """
            def inner():
                raise ValueError("nöt\\ud800 good")
            def handler(event, context):
                try:
                    inner()
                except ValueError as error:
                    raise RuntimeError("outer") from error
        """
        answer = self.loaded(source).call({})
        self.failed(answer, 4002, "RuntimeError", "function invocation exception, error: outer")
        self.assertTrue(answer.text.startswith('{\n    "errorMessage": "'), answer)
        self.assertEqual(list(answer.json), ["errorMessage", "errorType", "stackTrace"])
        stack = answer.json["stackTrace"]
        self.assertIn('  File "index.py", line 3, in inner', stack)
        self.assertIn("RuntimeError: outer", stack)
        self.assertNotIn("bootstrap.py", answer.text)
        self.assertNotIn(self.folder, answer.text)

    def test_anything_thrown_leaves_the_instance_usable(self):
        source = """
            class Silent(Exception):
                def __str__(self):
                    raise RuntimeError("no text")
            def deeper():
                return deeper()
            def handler(event, context):
                if event == "interrupt": raise KeyboardInterrupt("now")
                if event == "generator": raise GeneratorExit()
                if event == "deep": return deeper()
                if event == "silent": raise Silent()
                if event == "long": raise ValueError("x" * 50000000)
                if event == "stop": raise StopIteration(1)
                return "alive"
        """
        instance = self.loaded(source)
        for event, kind in (("interrupt", "KeyboardInterrupt"), ("generator", "GeneratorExit"), ("deep", "RecursionError"),
                            ("silent", "Silent"), ("long", "ValueError"), ("stop", "StopIteration")):
            self.failed(instance.call(event), 4002, kind, "function invocation exception, error: ")
            self.returned(instance.call({}), 1, b"alive")

    def test_sys_exit_fails_the_call_and_ends_the_process(self):
        instance = self.loaded("import sys\ndef handler(event, context):\n    sys.exit(3)\n")
        answer = instance.call({})
        self.failed(answer, 4001, "SystemExit", "function invocation exception, error: ")
        self.assertEqual(answer.form, 1, "the platform is told that no call may follow")
        self.assertEqual(instance.end(), 3)

    def test_full_disk_has_a_number_of_its_own(self):
        instance = self.loaded("import errno\ndef handler(event, context):\n    raise OSError(getattr(errno, event), 'no')\n")
        for name, code in (("ENOSPC", 4207), ("EDQUOT", 4207), ("EIO", 4002)):
            answer = instance.call(name)
            self.failed(answer, code, "OSError", "function invocation exception, error: ")
            self.assertEqual(answer.form, 0)

    def test_os_exit_closes_the_socket(self):
        instance = self.loaded("import os\ndef handler(event, context):\n    print('last words')\n    os._exit(5)\n")
        instance.begin({})
        self.assertRaises(platform.Closed, instance.answer)
        self.assertEqual(instance.logs[1], "last words\n")

    def test_initializer(self):
        source = """
            async def later(context):
                print("in the initializer", context.getRemainingTimeInMilliSeconds() > 3000)
            def leaving(context):
                raise SystemExit(4)
            def two(context, callback):
                pass
            def handler(event, context):
                return "called"
        """
        for name, code in (("later", 0), ("two", 4009), ("gone", 4009), ("leaving", 4009)):
            instance = self.loaded(source, initializer="index." + name, initializer_timeout_ms=60000)
            answer = instance.initialize(7)
            if not code:
                self.assertEqual((answer.kind, answer.call), (platform.INITIALIZED, 7))
                self.assertEqual(answer.log, "in the initializer True\n")
                self.returned(instance.call({}), 1, b"called")
                continue
            self.assertEqual((answer.kind, answer.code, answer.call), (platform.FAILED, code, 7))
            self.assertTrue(answer.json["errorMessage"].startswith("function initialization exception, error: "))
            if name == "leaving":
                self.assertEqual(instance.end(), 4)

    def test_throwing_signal_handler_between_calls(self):
        source = """
            import os, signal
            def ring(number, frame):
                raise ValueError("alarm")
            def handler(event, context):
                signal.signal(signal.SIGUSR1, ring)
                return str(os.getpid())
        """
        instance = self.loaded(source)
        os.kill(int(instance.call({}).text), 10)
        while "ValueError: alarm" not in instance.logs.get(0, ""):
            frame = instance.receive()
            instance.logs[frame.call] = instance.logs.get(frame.call, "") + frame.text
        self.assertEqual(instance.call({}).kind, platform.RESULT)


class Logs(Case):
    def test_printed_lines(self):
        source = r"""
            import sys
            print("while loading")
            def handler(event, context):
                print("one", "two")
                print("part", end="")
                print(" of", end="", flush=True)
                sys.stderr.write("error\nlines\n")
                print(" a line\r")
                sys.stdout.buffer.write("bytes é".encode()[:-1])
                sys.stdout.buffer.write("é\n".encode()[1:])
                sys.__stdout__.write("old\n")
                print("half \ud800 \x00 left", end="")
                return "x"
        """
        instance = self.loaded(source)
        self.assertEqual(instance.logs[0], "while loading\n")
        answer = instance.call({})
        self.assertEqual(answer.log, "one two\nerror\nlines\npart of a line\r\nbytes é\nold\nhalf \\ud800 \x00 left\n")

    def test_streams_look_as_programs_expect(self):
        source = """
            import io, subprocess, sys
            def handler(event, context):
                out = sys.stdout
                out.reconfigure(line_buffering=True)
                with out:
                    pass
                out.close()
                facts = [out.fileno(), sys.stderr.fileno(), out.isatty(), out.encoding, out.writable(), out.closed,
                         isinstance(out, io.TextIOBase), isinstance(out.buffer, io.BufferedIOBase), out.name]
                try:
                    out.write(b"x")
                except TypeError:
                    facts.append("TypeError")
                subprocess.call(["echo", "from a child"], stdout=sys.stdout)
                return facts
        """
        instance = self.loaded(source)
        self.assertEqual(instance.call({}).json, [1, 2, False, "utf-8", True, False, True, True, "<stdout>", "TypeError"])
        instance.stop()
        self.assertEqual(instance.raw_output(), "from a child\n")

    def test_replaced_streams_are_flushed(self):
        source = """
            import codecs, io, os, sys
            def handler(event, context):
                if event == "wrap":
                    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
                    print("wrapped")
                elif event == "codec":
                    sys.stdout = codecs.getwriter("utf-8")(sys.__stdout__.buffer)
                    print("codec")
                elif event == "none":
                    sys.stdout = sys.stderr = None
                    os.close(1)
                    os.close(2)
                else:
                    sys.stdout = sys.__stdout__
                    print("back")
                return event
        """
        instance = self.loaded(source)
        for event, log in (("wrap", "wrapped\n"), ("codec", "codec\n"), ("none", ""), ("back", "back\n")):
            answer = instance.call(event)
            self.returned(answer, 1, event.encode())
            self.assertEqual(answer.log, log)

    def test_long_lines_are_cut(self):
        source = """
            import sys
            def handler(event, context):
                print("x" * (200 * 1024))
                for _ in range(100 * 1024):
                    sys.stdout.write("y")
                print()
                context.getLogger().warning("z" * (100 * 1024))
                print("many\\n" * 1000000, end="")
        """
        answer = self.loaded(source).call({})
        lines = answer.log[:-1].split("\n")
        most = 90 * 1024
        self.assertEqual([len(line) for line in lines if line[0] == "x"], [most, most, 20 * 1024])
        self.assertEqual(sum(len(line) for line in lines if line[0] == "y"), 100 * 1024)
        self.assertTrue(all(len(line) <= most for line in lines if line[0] == "y"))
        logger = [line for line in lines if " WARNING z" in line]
        self.assertEqual([line.count("z") for line in logger], [most, 10 * 1024])
        self.assertTrue(all(answer.request_id in line for line in logger))
        self.assertEqual(lines.count("many"), 1000000)

    def test_logger_line_form(self):
        source = """
            import logging
            logging.basicConfig(level=logging.DEBUG, format="twice %(message)s")
            def handler(event, context):
                logging.getLogger("a.b").warning("über %s", 1)
                try:
                    1 / 0
                except ZeroDivisionError:
                    context.getLogger().exception("caught")
        """
        answer = self.loaded(source).call({})
        lines = answer.log.split("\n")
        self.assertRegex(lines[0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z %s WARNING über 1$" % answer.request_id)
        self.assertRegex(lines[1], " ERROR caught$")
        self.assertEqual(lines[2], "Traceback (most recent call last):")
        self.assertEqual(answer.log.count("über"), 1)

    def test_logger_without_import(self):
        answer = self.loaded("def handler(event, context):\n    context.getLogger().info('here')\n").call({})
        self.assertTrue(answer.log.endswith(answer.request_id + " INFO here\n"), answer)

    def test_lines_of_threads(self):
        source = """
            import threading
            GO, DONE = threading.Event(), threading.Event()
            def late():
                GO.wait()
                print("after the call")
                DONE.set()
            def handler(event, context):
                if event == "start":
                    threading.Thread(target=late, daemon=True).start()
                    thread = threading.Thread(target=print, args=("within the call",))
                    thread.start()
                    thread.join()
                    threading.Timer(0.01, GO.set).start()
                else:
                    DONE.wait()
        """
        instance = self.loaded(source)
        self.assertEqual(instance.call("start").log, "within the call\n")
        frame = instance.receive()
        self.assertEqual((frame.kind, frame.call, frame.text), (platform.LOG, 0, "after the call\n"))


class Processes(Case):
    def test_socket_is_not_inherited(self):
        source = """
            import fcntl, subprocess, sys
            def handler(event, context):
                probe = "import os; print(os.path.exists('/proc/self/fd/3'))"
                inherited = subprocess.check_output([sys.executable, "-c", probe], close_fds=False).decode().strip()
                return [inherited, fcntl.fcntl(3, fcntl.F_GETFD) & fcntl.FD_CLOEXEC]
        """
        self.assertEqual(self.loaded(source).call({}).json, ["False", 1])

    def test_forked_child_never_answers(self):
        source = """
            import os, sys
            def handler(event, context):
                child = os.fork()
                if child == 0:
                    print("from the child")
                    print("no line end", end="")
                    if event == "raise": raise ValueError("child's own")
                    if event == "exit": sys.exit(7)
                    return "child"
                _, status = os.waitpid(child, 0)
                return {"status": status >> 8}
        """
        instance = self.loaded(source)
        for event, status in (("return", 0), ("raise", 1), ("exit", 7)):
            answer = instance.call(event)
            self.assertEqual(answer.json, {"status": status})
            self.assertEqual(answer.log, "")
        instance.stop()
        output = instance.raw_output()
        self.assertEqual(output.count("from the child\nno line end"), 3)
        self.assertIn("ValueError: child's own", output)

    def test_fork_at_several_at_once_and_in_the_initializer(self):
        source = """
            import os
            def initializer(context):
                if os.fork():
                    os.wait()
            def handler(event, context):
                if os.fork():
                    os.wait()
                return "once"
        """
        instance = self.loaded(source, initializer="index.initializer", concurrent_num=3)
        self.assertEqual(instance.initialize().kind, platform.INITIALIZED)
        self.returned(instance.call({}), 1, b"once")
        frame, _ = instance.stop()
        self.assertEqual(frame.kind, platform.STOPPED)

    def test_multiprocessing(self):
        source = """
            import multiprocessing
            def work(connection):
                print("working")
                connection.send("worked")
            def handler(event, context):
                ways = multiprocessing.get_context(event)
                ours, theirs = ways.Pipe()
                child = ways.Process(target=work, args=(theirs,))
                child.start()
                child.join()
                return ours.recv()
        """
        instance = self.loaded(source, timeout_ms=30000)
        for way in ("fork", "spawn"):
            self.returned(instance.call(way), 1, b"worked")
        instance.stop()
        self.assertEqual(instance.raw_output().count("working\n"), 2)

    def test_end_of_file_ends_the_process(self):
        for concurrent_num in (1, 2):
            instance = self.loaded("def handler(event, context):\n    pass\n", concurrent_num=concurrent_num)
            instance.socket.close()
            self.assertEqual(instance.end(), 0)

    def test_stop(self):
        source = """
            def pre_stop(context):
                print("bye", context.getFunctionName(), end="")
            def broken(context):
                raise ValueError("no farewell")
            def handler(event, context):
                pass
        """
        for name, log in (("pre_stop", "bye hello\n"), ("broken", "ValueError: no farewell"), ("gone", "not found"),
                          (None, "")):
            for concurrent_num in (1, 2):
                instance = self.loaded(source, pre_stop=name and "index." + name, concurrent_num=concurrent_num)
                frame, code = instance.stop()
                self.assertEqual((frame.kind, code), (platform.STOPPED, 0))
                self.assertIn(log, instance.logs.get(0, ""))

    def test_stop_of_a_blank_instance(self):
        frame, code = self.blank().stop()
        self.assertEqual((frame.kind, code), (platform.STOPPED, 0))

    def test_unknown_frame_ends_the_process(self):
        instance = self.loaded("def handler(event, context):\n    pass\n")
        instance.send(99)
        self.assertEqual(instance.end(), 1)

    def test_frames_in_pieces_and_together(self):
        instance = self.loaded("def handler(event, context):\n    return event\n")
        request = b"i" * 36
        frames = b"".join(platform.HEADER.pack(len(request) + 3, call, 0, platform.INVOKE, 0) + request + b'"%d"' % call
                          for call in range(1, 9))
        for start in range(0, 200):
            instance.socket.sendall(frames[start:start + 1])
        instance.socket.sendall(frames[200:])
        self.assertEqual([instance.answer().text for _ in range(8)], list("12345678"))


class AtOnce(Case):
    def test_threads_and_tasks_keep_calls_apart(self):
        threads = """
            import threading
            BARRIER = threading.Barrier(3)
            def handler(event, context):
                print("begin %s" % event, end="")
                BARRIER.wait()
                print(" end %s" % event)
                context.getLogger().info("log %s" % event)
                BARRIER.wait()
                if event == "b": raise ValueError(event)
                if event == "c": return {1}
                return [event, threading.current_thread() is threading.main_thread()]
        """
        tasks = """
            import asyncio, threading
            here = []
            opened = asyncio.Event() if False else None
            async def meet(event):
                global opened
                opened = opened or asyncio.Event()
                here.append(event)
                if len(here) % 3 == 0: opened.set()
                await opened.wait()
            async def inner(event):
                print(" end %s" % event)
            async def handler(event, context):
                print("begin %s" % event, end="")
                await meet(event)
                await inner(event)
                context.getLogger().info("log %s" % event)
                if event == "b": raise ValueError(event)
                if event == "c": return {1}
                return [event, threading.current_thread() is threading.main_thread()]
        """
        for source, main in ((threads, False), (tasks, True)):
            instance = self.loaded(source, concurrent_num=3, timeout_ms=20000)
            begun = {instance.begin(event)[0]: event for event in "abc"}
            frames = {begun[frame.call]: frame for frame in [instance.answer() for _ in "abc"]}
            self.assertEqual(frames["a"].json, ["a", main])
            self.assertEqual((frames["b"].code, frames["b"].json["errorType"]), (4002, "ValueError"))
            self.assertEqual(frames["c"].code, 4007)
            for call, event in begun.items():
                log = instance.logs[call]
                self.assertTrue(log.startswith("begin %s end %s\n" % (event, event)), log)
                self.assertEqual(log.count("INFO log " + event), 1)
                for other in set("abc") - set(event):
                    self.assertNotIn("begin " + other, log)

    def test_exit_ends_all(self):
        source = """
            import sys
            async def handler(event, context):
                sys.exit(6)
        """
        for text in (source, source.replace("async ", "")):
            instance = self.loaded(text, concurrent_num=2)
            self.failed(instance.call({}), 4001, "SystemExit", "sys.exit(6)")
            self.assertEqual(instance.end(), 6)


class Context(Case):
    def test_an_alias_belongs_to_its_call(self):
        plain = """
            def handler(event, context):
                return [event, context.getAlias(), context.getRequestID()]
        """
        for source, at_once in (plain, 1), (plain, 3), (plain.replace("def handler", "async def handler"), 3):
            with self.subTest(at_once=at_once):
                instance = self.loaded(source, concurrent_num=at_once)
                for alias in ("prod", "", "a" * 63):
                    answer = instance.call_as(alias, "\u017e") if alias else instance.call("\u017e")
                    self.assertEqual(answer.json, ["\u017e", alias, answer.request_id])

    def test_extras(self):
        source = """
            def handler(event, context):
                context.mine = 1
                names = ["get_trace_id", "get_instance_id", "get_invoke_property", "get_state", "get_invoke_id",
                         "getInvokeID", "getTraceID", "getInstanceID", "getInvokeProperty", "getState", "getAlias",
                         "getRunningTimeInSeconds"]
                return {name: getattr(context, name)() for name in names}
        """
        instance = self.loaded(source, alias="prod", timeout_ms=7000)
        answer = instance.call({})
        self.assertEqual(answer.json["getAlias"], "prod")
        self.assertEqual(answer.json["getRunningTimeInSeconds"], 7000)
        self.assertEqual(answer.json["get_invoke_id"], answer.request_id)
        self.assertIsNone(answer.json["getState"])

    def test_time_left_is_never_negative(self):
        source = """
            def handler(event, context):
                while context.getRemainingTimeInMilliSeconds() > 0:
                    pass
                return context.getRemainingTimeInMilliSeconds()
        """
        self.assertEqual(self.loaded(source, timeout_ms=1).call({}).json, 0)

    def test_environment(self):
        source = """
            import os, time
            def handler(event, context):
                return [os.environ["RUNTIME_X"], time.strftime("%H", time.localtime(0))]
        """
        instance = self.loaded(source, env={"RUNTIME_X": "1", "TZ": "UTC-5"})
        self.assertEqual(instance.call({}).json, ["1", "05"])


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for python in interpreters():
        version = subprocess.check_output([python, "-c", "import sys; print('%d_%d_%d' % sys.version_info[:3])"])
        for case in (Samples, Loading, Values, Failures, Logs, Processes, AtOnce, Context):
            name = "%s_%s" % (case.__name__, version.decode().strip())
            suite.addTests(loader.loadTestsFromTestCase(type(name, (case,), {"python": python})))
    return suite


if __name__ == "__main__":
    unittest.main()
