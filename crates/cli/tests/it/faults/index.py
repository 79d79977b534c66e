"""A function that does what it is told, all of it bad. `calls` tells a fresh instance from one that has served before."""
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

calls = 0


def handler(event, context):
    global calls
    calls += 1
    return globals()[event["do"]](event)


def count(event):
    return calls


def tree(event):
    """Children that ignore being asked to leave, one in a session of its own, and a function that does the same."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sh", "-c", "trap '' TERM; setsid sleep %s & sleep %s" % (event["mark"], event["mark"])])
    time.sleep(60)


def hog(event):
    return len(bytearray(400 << 20))


def hog_child(event):
    """The child makes itself the one that the kernel prefers to kill, which is the usual case anyway."""
    child = subprocess.run([sys.executable, "-c", "x = bytearray(400 << 20)"])
    return child.returncode


def leave(event):
    os._exit(3)


def hurt(event):
    os.kill(os.getpid(), event["signal"])
    time.sleep(event.get("linger", 20))
    return "survived"


def abort(event):
    os.abort()


def close(event):
    os.close(3)
    time.sleep(20)


def garbage(event):
    os.write(3, b"\xff" * 64)
    time.sleep(20)


def forge(event):
    """An answer to a call that nobody made: length, call, code, kind RESULT, form text."""
    os.write(3, struct.pack("<IIHBB", 2, 999, 0, 68, 1) + b"no")
    time.sleep(20)


def twice(event):
    """An answer to this very call, behind the bootstrap's back; its own is then the second."""
    os.write(3, struct.pack("<IIHBB", 5, calls, 0, 68, 1) + b"first")
    return "second"


def endless(event):
    while True:
        print("x" * 1000)


def endless_child(event):
    subprocess.run(["yes", "y" * 1000])


def endless_line(event):
    while True:
        sys.stdout.write("x" * 65536)


def storm(event):
    """Forks until it may not; then lets one be forked in whose place is free again."""
    children = []
    try:
        while True:
            children.append(subprocess.Popen(["sleep", "1000"]))
    except OSError as error:
        name = type(error).__name__
    return [len(children), name]


def fill(event):
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(b"\0" * (1 << 20))


def linger(event):
    """Answers at once, and goes on printing."""
    def run():
        while True:
            print("beside " * 20)
            time.sleep(0.001)
    threading.Thread(target=run, daemon=True).start()
    return calls


def slowly(event):
    time.sleep(1)
    print("to the end")


def orphans(event):
    """Grandchildren whose parent leaves before them, more than the limit on processes allows to be kept as zombies."""
    for _ in range(event["times"]):
        subprocess.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do true & done"], check=True)
    return calls


def limits(event):
    with open("/proc/self/limits") as file:
        return [line.split()[-3:] for line in file if line.startswith("Max address space")][0]
