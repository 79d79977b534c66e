"""What every scenario needs: a client for the server that the test started, and functions on it."""
import base64
import json
import os
import unittest

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    DeleteFunctionRequest,
    FuncCode,
    FunctionGraphClient,
    InvokeFunctionRequest,
)


def credentials():
    with open(os.environ["FUNGRAPH_CREDENTIALS"]) as file:
        return json.load(file)


def client(**changes):
    """The SDK's client as README.md makes it; `changes` replace what credentials.json says."""
    known = dict(credentials(), **changes)
    basic = BasicCredentials(known["access_key"], known["secret_key"], known["project_id"])
    return FunctionGraphClient.new_builder().with_credentials(basic).with_endpoint(known["endpoint"]).build()


def inline(code):
    return FuncCode(file=base64.b64encode(code.encode()).decode())


class Scenario(unittest.TestCase):
    """Functions that a test creates are gone after it."""

    @classmethod
    def setUpClass(cls):
        cls.client = client()

    def create(self, name, code, runtime="Python3.9", **more):
        body = CreateFunctionRequestBody(
            func_name=name, package="default", runtime=runtime, handler="index.handler", timeout=more.pop("timeout", 10),
            memory_size=128, code_type="inline", func_code=inline(code), **more)
        created = self.client.create_function(CreateFunctionRequest(body=body))
        self.addCleanup(self.delete_if_there, created.func_urn)
        return created

    def delete_if_there(self, urn):
        try:
            self.client.delete_function(DeleteFunctionRequest(function_urn=urn.rsplit(":", 1)[0]))
        except Exception as error:  # The test deleted it itself.
            if getattr(error, "status_code", None) != 404:
                raise

    def invoke(self, urn, event=None, **headers):
        return self.client.invoke_function(InvokeFunctionRequest(function_urn=urn, body=event or {}, **headers))
