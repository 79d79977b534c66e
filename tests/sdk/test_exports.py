"""Export and import with the official SDK."""
import base64
import io
import json
import zipfile

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    ExportFunctionRequest,
    ImportFunctionRequest,
    ImportFunctionRequestBody,
)

CODE = "def handler(event, context):\n    return 'hello ' + event['name']\n"


class Exports(Scenario):
    def take(self, name, archive, **more):
        body = ImportFunctionRequestBody(
            func_name=name, file_name="f.zip", file_type="zip", file_code=base64.b64encode(archive).decode(), **more)
        return self.client.import_function(ImportFunctionRequest(body=body))

    def test_a_function_is_exported_and_imported(self):
        urn = self.create("exported", CODE, timeout=5).func_urn
        archive = self.client.export_function(ExportFunctionRequest(function_urn=urn, config=True, code=True)).raw_content
        with zipfile.ZipFile(io.BytesIO(archive)) as reader:
            self.assertEqual(reader.namelist(), ["function.json", "code"])
            self.assertEqual(json.loads(reader.read("function.json"))["function"]["func_name"], "exported")
            self.assertEqual(reader.read("code").decode(), CODE)
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            self.take("exported", archive)
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (409, "FSS.1061"))
        imported = self.take("imported", archive, package="other")
        self.addCleanup(self.delete_if_there, imported.func_urn)
        self.assertEqual((imported.func_name, imported.package, imported.timeout), ("imported", "other", 5))
        self.assertEqual(self.invoke(imported.func_urn, {"name": "Ada"}).raw_content, b"hello Ada")

    def test_what_is_no_archive_is_refused(self):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            self.take("nothing", b"text")
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (400, "FSS.1011"))
