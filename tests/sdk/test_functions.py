"""The life of functions: create, look at, change, list, delete."""
import base64
import hashlib
import io
import json
import zipfile

from common import Scenario, credentials, inline
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    DeleteFunctionRequest,
    FuncCode,
    ListFunctionsRequest,
    ShowFunctionCodeRequest,
    ShowFunctionConfigRequest,
    StrategyConfig,
    UpdateFunctionCodeRequest,
    UpdateFunctionCodeRequestBody,
    UpdateFunctionConfigRequest,
    UpdateFunctionConfigRequestBody,
)

ONE = "def handler(event, context):\n    return 'one ' + (context.getUserData('city') or 'nowhere')\n"
TWO = "def handler(event, context):\n    return 'two ' + context.getMemorySize()\n"

READER = """
import os

def run(event, context):
    with open(os.path.join(os.environ["RUNTIME_CODE_ROOT"], "data.txt")) as file:
        return file.read()
"""


def archive(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, text in files.items():
            writer.writestr(name, text)
    return data.getvalue()


class Functions(Scenario):
    def config(self, urn):
        return self.client.show_function_config(ShowFunctionConfigRequest(function_urn=urn))

    def test_what_was_created_is_shown(self):
        created = self.create(
            "shown", ONE, description="for show", user_data=json.dumps({"city": "Brno"}))
        project = credentials()["project_id"]
        self.assertEqual(created.func_urn, "urn:fss:local:%s:function:default:shown:latest" % project)
        shown = self.config(created.func_urn)
        for answer in (created, shown):
            self.assertEqual((answer.func_name, answer.package, answer.runtime), ("shown", "default", "Python3.9"))
            self.assertEqual((answer.handler, answer.timeout, answer.memory_size), ("index.handler", 10, 128))
            self.assertEqual((answer.code_type, answer.description, answer.version), ("inline", "for show", "latest"))
            self.assertEqual(answer.project_name and answer.domain_id, credentials()["domain_id"])
            self.assertEqual(json.loads(answer.user_data), {"city": "Brno"})
            self.assertEqual(answer.digest, hashlib.sha512(ONE.encode()).hexdigest())
            self.assertEqual(answer.code_size, len(ONE))
        self.assertEqual(self.invoke(created.func_urn).raw_content, b"one Brno")

    def test_the_code_is_shown(self):
        urn = self.create("code", ONE).func_urn
        shown = self.client.show_function_code(ShowFunctionCodeRequest(function_urn=urn))
        self.assertEqual(base64.b64decode(shown.func_code.file).decode(), ONE)
        self.assertEqual(shown.code_type, "inline")

    def test_changed_settings_hold_for_the_next_call(self):
        urn = self.create("changed", ONE, user_data=json.dumps({"city": "Brno"})).func_urn
        self.assertEqual(self.invoke(urn).raw_content, b"one Brno")
        body = UpdateFunctionConfigRequestBody(
            func_name="changed", runtime="Python3.9", handler="index.handler", timeout=20, memory_size=256,
            user_data=json.dumps({"city": "Oslo"}), description="moved", strategy_config=StrategyConfig(concurrency=7, concurrent_num=1))
        updated = self.client.update_function_config(UpdateFunctionConfigRequest(function_urn=urn, body=body))
        self.assertEqual((updated.timeout, updated.memory_size, updated.description), (20, 256, "moved"))
        shown = self.config(urn)
        self.assertEqual((shown.memory_size, shown.strategy_config.concurrency, shown.strategy_config.concurrent_num), (256, 7, 1))
        self.assertEqual(self.invoke(urn).raw_content, b"one Oslo")

    def test_changed_code_holds_for_the_next_call(self):
        urn = self.create("recoded", ONE).func_urn
        self.assertEqual(self.invoke(urn).raw_content, b"one nowhere")
        body = UpdateFunctionCodeRequestBody(code_type="inline", func_code=inline(TWO))
        updated = self.client.update_function_code(UpdateFunctionCodeRequest(function_urn=urn, body=body))
        self.assertEqual(updated.digest, hashlib.sha512(TWO.encode()).hexdigest())
        self.assertEqual(self.invoke(urn).raw_content, b"two 128")
        packed = archive({"index.py": "import helper\n\ndef handler(event, context):\n    return helper.WORD\n", "helper.py": "WORD = 'three'\n"})
        body = UpdateFunctionCodeRequestBody(code_type="zip", func_code=FuncCode(file=base64.b64encode(packed).decode()))
        updated = self.client.update_function_code(UpdateFunctionCodeRequest(function_urn=urn, body=body))
        self.assertEqual(updated.digest, hashlib.sha512(packed).hexdigest())
        self.assertEqual(self.invoke(urn).raw_content, b"three")

    def test_zip_and_jar_hold_files(self):
        packed = archive({"src/main.py": READER, "data.txt": "from a file"})
        for code_type, runtime in (("zip", "Python3.9"), ("jar", "Python3.12")):
            body = CreateFunctionRequestBody(
                func_name="packed", package="default", runtime=runtime, handler="src/main.run", timeout=3, memory_size=128,
                code_type=code_type, code_filename="code.zip", func_code=FuncCode(file=base64.b64encode(packed).decode()))
            created = self.client.create_function(CreateFunctionRequest(body=body))
            self.assertEqual(self.invoke(created.func_urn).raw_content, b"from a file")
            self.delete_if_there(created.func_urn)

    def test_pages_of_a_list_join_up(self):
        names = ["list-%d" % number for number in range(5)]
        for name in names:
            self.create(name, ONE)
        whole = self.client.list_functions(ListFunctionsRequest())
        self.assertEqual(whole.count, 5)
        self.assertEqual(sorted(function.func_name for function in whole.functions), names)
        self.assertTrue(all(function.func_urn.endswith(":latest") for function in whole.functions))
        seen, marker = [], "0"
        while len(seen) < whole.count:
            page = self.client.list_functions(ListFunctionsRequest(marker=marker, maxitems="2"))
            self.assertLessEqual(len(page.functions), 2)
            self.assertTrue(page.functions, "a page before the end is empty")
            seen += [function.func_name for function in page.functions]
            marker = str(page.next_marker)
        self.assertEqual(sorted(seen), names)

    def test_a_deleted_function_is_gone(self):
        urn = self.create("deleted", ONE).func_urn
        self.invoke(urn)
        answer = self.client.delete_function(DeleteFunctionRequest(function_urn=urn.rsplit(":", 1)[0]))
        self.assertEqual(answer.status_code, 204)
        for gone in (lambda: self.config(urn), lambda: self.invoke(urn)):
            with self.assertRaises(exceptions.ClientRequestException) as raised:
                gone()
            self.assertEqual(raised.exception.status_code, 404)
        self.create("deleted", ONE)
