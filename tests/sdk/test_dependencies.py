"""Dependencies with the official SDK: upload, attach, look at, detach, delete."""
import base64
import hashlib
import io
import zipfile

from common import Scenario, inline
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateDependencyRequestBody,
    CreateDependencyVersionRequest,
    DeleteDependencyVersionRequest,
    ListDependenciesRequest,
    ListDependencyVersionRequest,
    ShowDependencyVersionRequest,
    ShowFunctionConfigRequest,
    UpdateFunctionCodeRequest,
    UpdateFunctionCodeRequestBody,
)

CODE = """
try:
    import units
    WORD = units.WORD
except ImportError:
    WORD = 'nothing'

def handler(event, context):
    return WORD
"""


def archive(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, text in files.items():
            writer.writestr(name, text)
    return data.getvalue()


class Dependencies(Scenario):
    def upload(self, name, files):
        packed = archive(files)
        body = CreateDependencyRequestBody(
            name=name, depend_type="zip", runtime="Python3.9", description="for " + name,
            depend_file=base64.b64encode(packed).decode())
        created = self.client.create_dependency_version(CreateDependencyVersionRequest(body=body))
        self.assertEqual((created.name, created.runtime, created.size), (name, "Python3.9", len(packed)))
        self.assertEqual(created.etag, hashlib.sha512(packed).hexdigest())
        return created

    def delete(self, created):
        return self.client.delete_dependency_version(
            DeleteDependencyVersionRequest(depend_id=created.dep_id, version=str(created.version)))

    def attach(self, urn, ids):
        body = UpdateFunctionCodeRequestBody(code_type="inline", func_code=inline(CODE), depend_version_list=ids)
        return self.client.update_function_code(UpdateFunctionCodeRequest(function_urn=urn, body=body))

    def test_a_dependency_from_upload_to_delete(self):
        first = self.upload("units", {"units.py": "WORD = 'first'\n"})
        second = self.upload("units", {"units.py": "WORD = 'second'\n"})
        self.assertEqual((first.version, second.version, first.dep_id), (1, 2, second.dep_id))

        urn = self.create("measured", CODE, depend_version_list=[first.id]).func_urn
        self.assertEqual(self.invoke(urn).raw_content, b"first")
        self.assertEqual(self.attach(urn, [second.id]).depend_version_list, [second.id])
        self.assertEqual(self.invoke(urn).raw_content, b"second")
        shown = self.client.show_function_config(ShowFunctionConfigRequest(function_urn=urn))
        self.assertEqual([(one.id, one.name, one.version) for one in shown.dependencies], [(second.id, "units", 2)])

        versions = self.client.list_dependency_version(ListDependencyVersionRequest(depend_id=first.dep_id))
        self.assertEqual([one.id for one in versions.dependencies], [first.id, second.id])
        listed = self.client.list_dependencies(ListDependenciesRequest(name="units"))
        self.assertEqual(([one.id for one in listed.dependencies], listed.count), ([second.id], 1))
        one = self.client.show_dependency_version(
            ShowDependencyVersionRequest(depend_id=first.dep_id, version="1"))
        self.assertEqual((one.id, one.description), (first.id, "for units"))
        self.assertTrue(one.download_link.startswith("http"))

        with self.assertRaises(exceptions.ClientRequestException) as raised:
            self.delete(second)
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (412, "FSS.1033"))
        self.assertEqual(self.attach(urn, []).depend_version_list, [])
        self.assertEqual(self.invoke(urn).raw_content, b"nothing")
        for created in (first, second):
            self.assertEqual(self.delete(created).status_code, 204)
        self.assertEqual(self.client.list_dependencies(ListDependenciesRequest()).count, 0)

    def test_an_unknown_dependency_is_refused(self):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            self.create("lost", CODE, depend_version_list=["no-such-id"])
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (404, "FSS.1056"))
