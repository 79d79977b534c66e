# Answers with the status that the path names.
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

    def do_GET(self):
        status = int(self.path[1:])
        self.answer(status, b"" if status == 204 else b"status %d" % status, [("Content-Type", "text/plain; charset=utf-8")])

    def do_HEAD(self):
        self.do_GET()

    def do_DELETE(self):
        # In pieces, whose number and length nobody knows before.
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"4\r\ngone\r\n1\r\n!\r\n0\r\n\r\n")


ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
