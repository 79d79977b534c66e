"""What the platform refuses arrives as the SDK's exceptions, with status, code and text."""
from common import Scenario, client, inline
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    FuncCode,
    InvokeFunctionRequest,
    ListFunctionsRequest,
    ListWorkflowRequest,
    ShowFuncSnapshotStateRequest,
    ShowFunctionConfigRequest,
)

CODE = "def handler(event, context):\n    return 1\n"


class Refusals(Scenario):
    def refused(self, status, code, call, says=""):
        kind = exceptions.ClientRequestException if status < 500 else exceptions.ServerResponseException
        with self.assertRaises(kind) as raised:
            call()
        error = raised.exception
        self.assertEqual((error.status_code, error.error_code), (status, code), error.error_msg)
        self.assertIn(says, error.error_msg)
        self.assertTrue(error.request_id)
        return error

    def test_a_wrong_key(self):
        self.refused(401, "APIGW.0301", lambda: client(secret_key="x" * 40).list_functions(ListFunctionsRequest()))
        self.refused(401, "APIGW.0301", lambda: client(access_key="NOBODY00000000000001").list_functions(ListFunctionsRequest()))

    def test_another_project(self):
        self.refused(403, "FSS.0403", lambda: client(project_id="0" * 32).list_functions(ListFunctionsRequest()))

    def test_a_missing_function(self):
        self.refused(404, "FSS.0404", lambda: self.invoke("nobody"), "Not found the specified resource")
        show = ShowFunctionConfigRequest(function_urn="nobody")
        self.refused(404, "FSS.1051", lambda: self.client.show_function_config(show))

    def test_a_name_that_is_taken(self):
        self.create("taken", CODE)
        self.refused(409, "FSS.1061", lambda: self.create("taken", CODE), "taken")

    def test_bad_code(self):
        def create(**changes):
            fields = dict(func_name="bad", package="default", runtime="Python3.9", handler="index.handler", timeout=3,
                          memory_size=128, code_type="inline", func_code=inline(CODE))
            fields.update(changes)
            return lambda: self.client.create_function(CreateFunctionRequest(body=CreateFunctionRequestBody(**fields)))

        self.refused(400, "FSS.1011", create(func_code=FuncCode(file="not base64")))
        self.refused(400, "FSS.1011", create(code_type="zip"))
        self.refused(400, "FSS.1008", create(timeout=1))
        self.refused(400, "FSS.1007", create(memory_size=100))
        self.refused(400, "FSS.1005", create(runtime="Cobol85"))
        self.assertEqual(self.client.list_functions(ListFunctionsRequest()).count, 0)

    def test_a_header_that_is_out_of_range_matters_only_where_it_is_looked_at(self):
        urn = self.create("fixed", CODE).func_urn
        request = InvokeFunctionRequest(function_urn=urn, body={}, x_cff_instance_memory="7")
        self.assertEqual(self.client.invoke_function(request).raw_content, b"1")
        urn = self.create("dynamic", CODE, enable_dynamic_memory=True).func_urn
        request = InvokeFunctionRequest(function_urn=urn, body={}, x_cff_instance_memory="7")
        self.refused(406, "FSS.0406", lambda: self.client.invoke_function(request))

    def test_an_operation_that_is_not_built_says_so(self):
        urn = self.create("plain", CODE).func_urn
        snapshot = ShowFuncSnapshotStateRequest(function_urn=urn, action="state")
        self.refused(501, "FSS.0426", lambda: self.client.show_func_snapshot_state(snapshot), "ShowFuncSnapshotState")
        self.refused(501, "FSS.0426", lambda: self.client.list_workflow(ListWorkflowRequest()), "ListWorkflow")
