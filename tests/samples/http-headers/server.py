# Shows what it was sent.
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, form, *values):
        pass

    def do_POST(self):
        import json
        names = ["x-cff-request-id", "x-cff-memory", "x-cff-timeout", "x-cff-func-version", "x-cff-func-name", "x-cff-package",
                 "x-cff-region", "x-cff-secret-key", "x-cff-security-token", "x-apig-api-id", "host", "connection", "accept"]
        shown = {name: self.headers.get_all(name) for name in names}
        shown.update(path=self.path, body=self.body().decode(), mood=os.environ["MOOD"], cwd=os.getcwd(), uid=os.getuid(),
                     region_variable=os.environ.get("FUNGRAPH_REGION"), version=os.environ["RUNTIME_FUNC_VERSION"])
        self.answer(200, json.dumps(shown).encode(), [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])


ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
