# Ends as soon as an answer is sent.
import os
import socket

listener = socket.create_server(("127.0.0.1", 8000))
while True:
    connection, _ = listener.accept()
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65536)
        if not more:
            # It was only looked whether somebody listens.
            break
        request += more
    if request:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3000000)
        os._exit(0)
