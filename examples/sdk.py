"""Creates a function through the official Python SDK, calls it, and deletes it.

    python3 sdk.py /path/to/credentials.json
"""

import base64
import json
import sys

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    DeleteFunctionRequest,
    FuncCode,
    FunctionGraphClient,
    InvokeFunctionRequest,
)

CODE = """
def handler(event, context):
    context.getLogger().info("asked by %s", event["name"])
    return {"greeting": "Hello, " + event["name"] + "!"}
"""


def main():
    with open(sys.argv[1]) as file:
        access = json.load(file)
    client = (
        FunctionGraphClient.new_builder()
        .with_credentials(BasicCredentials(access["access_key"], access["secret_key"], access["project_id"]))
        .with_endpoint(access["endpoint"])
        .build()
    )

    created = client.create_function(
        CreateFunctionRequest(
            body=CreateFunctionRequestBody(
                func_name="hello-sdk",
                package="default",
                runtime="Python3.9",
                handler="index.handler",
                timeout=3,
                memory_size=128,
                code_type="inline",
                func_code=FuncCode(file=base64.b64encode(CODE.encode()).decode()),
            )
        )
    )
    print("created", created.func_urn)

    # Without request version v1 the SDK leaves its answer's fields empty: the body is then the bare result.
    answer = client.invoke_function(
        InvokeFunctionRequest(
            function_urn=created.func_urn,
            x_cff_log_type="tail",
            x_cff_request_version="v1",
            body={"name": "Ada"},
        )
    )
    print("result ", answer.result)
    print("status ", answer.status)
    print("log    ", answer.log, sep="\n")

    # The whole function, not its version latest, which cannot be deleted alone.
    client.delete_function(DeleteFunctionRequest(function_urn=created.func_urn.removesuffix(":latest")))
    print("deleted")


if __name__ == "__main__":
    main()
