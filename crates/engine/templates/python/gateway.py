"""Answers an HTTP request that a gateway trigger hands on."""
import base64


def handler(event, context):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    name = (event.get("queryStringParameters") or {}).get("name", "world")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain"},
        "isBase64Encoded": False,
        "body": "Hello, %s! You sent %d characters." % (name, len(body)),
    }
