"""Functions that are compiled before they are sent: C#, and what only Java can be configured with."""
import base64
import io
import json
import os
import time
import zipfile

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    FuncCode,
    ShowFunctionConfigRequest,
    ShowFunctionTemplateRequest,
    UpdateFunctionConfigRequest,
    UpdateFunctionConfigRequestBody,
)


class Compiled(Scenario):
    def create_from(self, package, name, runtime, handler):
        body = CreateFunctionRequestBody(
            func_name=name, package="default", runtime=runtime, handler=handler, timeout=15, memory_size=256,
            code_type="zip", func_code=FuncCode(file=base64.b64encode(package).decode()), user_data=json.dumps({"season": "May"}))
        created = self.client.create_function(CreateFunctionRequest(body=body))
        self.addCleanup(self.delete_if_there, created.func_urn)
        return created.func_urn

    def change(self, urn, name, runtime, handler, **more):
        body = UpdateFunctionConfigRequestBody(
            func_name=name, runtime=runtime, handler=handler, timeout=15, memory_size=512, **more)
        self.client.update_function_config(UpdateFunctionConfigRequest(function_urn=urn, body=body))
        return self.client.show_function_config(ShowFunctionConfigRequest(function_urn=urn))

    def test_a_function_in_csharp_is_called_and_changed(self):
        with open(os.environ["FUNGRAPH_PACKAGE"], "rb") as file:
            package = file.read()
        named = ("season", "C#(.NET Core 3.1)", "Garden::Garden.Greeter::Greet")
        urn = self.create_from(package, *named)
        answer = self.invoke(urn, {"name": "Ada"}, x_cff_request_version="v1", x_cff_log_type="tail")
        seen = json.loads(answer.result)
        self.assertEqual((seen["season"], seen["memory"], json.loads(seen["event"])), ("May", "256", {"name": "Ada"}))
        self.assertIn("INFO hello from season", answer.log)
        self.assertEqual(self.change(urn, *named).memory_size, 512)
        self.assertEqual(json.loads(self.invoke(urn).raw_content)["memory"], "512")

    def compiled_template(self, template_id):
        """A template once the server has compiled it: until then it says that it has not."""
        deadline = time.monotonic() + 600
        while True:
            try:
                return self.client.show_function_template(ShowFunctionTemplateRequest(template_id=template_id))
            except exceptions.ServerResponseException as busy:
                if busy.status_code != 503 or time.monotonic() > deadline:
                    raise

    def test_functions_from_templates_that_the_server_compiles(self):
        for template_id in ("timer-csharp3.1", "timer-go1.x"):
            template = self.compiled_template(template_id)
            package = base64.b64decode(template.code)
            urn = self.create_from(package, "templated", template.runtime, template.handler)
            answer = self.invoke(urn, json.loads(template.temp_detail.input))
            self.assertEqual(answer.raw_content.decode(), template.temp_detail.output)
            self.assertTrue(any(name.endswith((".cs", ".go")) for name in zipfile.ZipFile(io.BytesIO(package)).namelist()))
            self.delete_if_there(urn)

    def test_settings_of_java_are_shown_and_taken_away(self):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as writer:
            writer.writestr("readme.txt", "no class is looked at before the first call")
        named = ("heart", "Java17", "garden.Heart.pump")
        urn = self.create_from(data.getvalue(), *named)
        shown = self.change(urn, *named, heartbeat_handler="garden.Heart.beat", enable_class_isolation=True)
        self.assertEqual((shown.heartbeat_handler, shown.enable_class_isolation), ("garden.Heart.beat", True))
        shown = self.change(urn, *named, heartbeat_handler="", enable_class_isolation=False)
        self.assertEqual((shown.heartbeat_handler or "", shown.enable_class_isolation), ("", False))
        with self.assertRaises(exceptions.ServerResponseException) as refused:
            self.change(urn, *named, restore_hook_handler="garden.Heart.wake")
        self.assertEqual((refused.exception.status_code, refused.exception.error_code), (501, "FSS.0426"))

    def test_only_java_has_a_heartbeat(self):
        urn = self.create("still", "def handler(event, context):\n    return 1\n").func_urn
        with self.assertRaises(exceptions.ClientRequestException) as refused:
            self.change(urn, "still", "Python3.9", "index.handler", heartbeat_handler="index.beat")
        self.assertEqual((refused.exception.status_code, refused.exception.error_code), (400, "FSS.0400"))
