# Leaves in the middle of a request, breaks one off, or answers no HTTP.
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
        if self.path == "/leave":
            print("leaving", flush=True)
            os._exit(3)
        if self.path == "/break":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
            return
        self.wfile.write(b"what is HTTP?\r\n\r\n")


ThreadingHTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
