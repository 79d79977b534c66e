"""A client that is given an access key only, or what `fungraph env` prints, and users with small roles."""
import os
import re
import subprocess
import unittest

from common import Scenario, credentials
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkfunctiongraph.v2 import FunctionGraphClient, ListFunctionsRequest
from huaweicloudsdkfunctiongraph.v2.region.functiongraph_region import FunctionGraphRegion

HELLO = "def handler(event, context):\n    return 'hello'\n"


def fungraph(*args, **more):
    folder = os.path.dirname(os.environ["FUNGRAPH_CREDENTIALS"])
    command = [os.environ["FUNGRAPH_PROGRAM"], *args, "--data-dir", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def variables(text):
    return dict(re.findall(r"^export (\w+)='(.*)'$", text, re.MULTILINE))


def client_of(access_key, secret_key, security_token=None):
    """What somebody writes who was given a key, an address and nothing else."""
    known = credentials()
    basic = BasicCredentials(access_key, secret_key).with_iam_endpoint(known["endpoint"])
    if security_token:
        basic.with_security_token(security_token)
    region = Region(known["region"], known["endpoint"])
    return FunctionGraphClient.new_builder().with_credentials(basic).with_region(region).build()


class Accounts(Scenario):
    def key(self, name, role, project):
        fungraph("user", "create", name)
        self.addCleanup(fungraph, "user", "delete", name)
        fungraph("user", "grant", name, role, "--project", project)
        made = variables(fungraph("key", "create", name))
        return made["HUAWEICLOUD_SDK_AK"], made["HUAWEICLOUD_SDK_SK"]

    def test_a_key_and_a_region_find_the_project(self):
        known = credentials()
        client = client_of(known["access_key"], known["secret_key"])
        self.assertEqual(client.list_functions(ListFunctionsRequest()).count, 0)

    def test_a_key_of_another_project_finds_that_one(self):
        project = fungraph("project", "create", "team-b").strip()
        self.addCleanup(fungraph, "project", "delete", "team-b")
        client = client_of(*self.key("bob", "developer", "team-b"))
        self.assertEqual(client.list_functions(ListFunctionsRequest()).count, 0)
        foreign = BasicCredentials(*self.key("eve", "developer", "team-b"), credentials()["project_id"])
        endpoint = credentials()["endpoint"]
        client = FunctionGraphClient.new_builder().with_credentials(foreign).with_endpoint(endpoint).build()
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            client.list_functions(ListFunctionsRequest())
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (403, "FSS.0403"))
        self.assertEqual(len(project), 32)

    def test_roles_that_are_too_small_are_told(self):
        urn = self.create("roles", HELLO).func_urn
        self.assertEqual(self.invoke(urn).raw_content, b"hello")
        reader, invoker = (client_of(*self.key(role, role, "local")) for role in ("reader", "invoker"))
        self.assertEqual(reader.list_functions(ListFunctionsRequest()).count, 1)
        for client, call in ((reader, lambda: self.invoke_by(reader, urn)),
                             (invoker, lambda: invoker.list_functions(ListFunctionsRequest()))):
            with self.assertRaises(exceptions.ClientRequestException) as raised:
                call()
            self.assertEqual((raised.exception.status_code, raised.exception.error_code), (401, "FSS.0401"))
        self.assertEqual(self.invoke_by(invoker, urn).raw_content, b"hello")

    def invoke_by(self, client, urn):
        own, self.client = self.client, client
        try:
            return self.invoke(urn)
        finally:
            self.client = own

    def test_an_account_finds_its_id(self):
        known = credentials()
        credential = GlobalCredentials(known["access_key"], known["secret_key"]).with_iam_endpoint(known["endpoint"])
        credential = credential.process_auth_params(self.client.get_http_client(), "global")
        self.assertEqual(credential.domain_id, known["domain_id"])

    def test_what_env_prints_is_all_the_sdk_needs(self):
        printed = variables(fungraph("env"))
        del printed["HUAWEICLOUD_SDK_PROJECT_ID"]  # Found by the region, then.
        before = dict(os.environ)
        os.environ.update(printed)
        try:
            region = FunctionGraphRegion.value_of("local")
            client = FunctionGraphClient.new_builder().with_region(region).build()
            self.assertEqual(client.list_functions(ListFunctionsRequest()).count, 0)
        finally:
            os.environ.clear()
            os.environ.update(before)


if __name__ == "__main__":
    unittest.main()
