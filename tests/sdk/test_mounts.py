"""File mounts with the official SDK: given on create, shown, changed, removed, refused."""
from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    FuncMount,
    MountConfig,
    MountUser,
    ShowFunctionConfigRequest,
    UpdateFunctionConfigRequest,
    UpdateFunctionConfigRequestBody,
)

CODE = """
import os

def handler(event, context):
    with open(event['file'], 'a') as file:
        file.write(event['text'])
    with open(event['file']) as file:
        return file.read()
"""


def mounts(*paths, user=-1, resource="data"):
    return MountConfig(
        mount_user=MountUser(user_id=user, user_group_id=user),
        func_mounts=[FuncMount(mount_type="sfsTurbo", mount_resource=resource, mount_share_path="/", local_mount_path=path)
                     for path in paths])


class Mounts(Scenario):
    def update(self, created, config):
        body = UpdateFunctionConfigRequestBody(
            func_name="mounted", runtime="Python3.9", handler="index.handler", timeout=10, memory_size=128, mount_config=config)
        return self.client.update_function_config(UpdateFunctionConfigRequest(function_urn=created.func_urn, body=body))

    def test_a_mount_from_create_to_its_end(self):
        created = self.create("mounted", CODE, mount_config=mounts("/mnt/data"))
        self.assertEqual(created.mount_config.func_mounts[0].mount_resource, "data")
        event = {"file": "/mnt/data/notes", "text": "one "}
        self.assertEqual(self.invoke(created.func_urn, event).raw_content, b"one ")
        # At another place, in another instance, it is the same folder.
        shown = self.update(created, mounts("/data"))
        self.assertEqual(shown.mount_config.mount_user.user_id, -1)
        event = {"file": "/data/notes", "text": "two"}
        self.assertEqual(self.invoke(created.func_urn, event).raw_content, b"one two")
        self.update(created, mounts())
        shown = self.client.show_function_config(ShowFunctionConfigRequest(function_urn=created.func_urn))
        self.assertIsNone(shown.mount_config)

    def test_what_cannot_be_mounted_is_refused(self):
        for config, status, code in [
            (mounts("/mnt/a", resource="nobodys"), 404, "FSS.1050"),
            (mounts("/mnt/a", user=1000), 400, "FSS.1075"),
            (mounts("/opt/function"), 400, "FSS.1039"),
            (mounts("/mnt/a", "/mnt/b"), 400, "FSS.1038"),
        ]:
            with self.assertRaises(exceptions.ClientRequestException) as caught:
                self.create("mounted", CODE, mount_config=config)
            self.assertEqual((caught.exception.status_code, caught.exception.error_code), (status, code))
