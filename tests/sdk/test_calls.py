"""Calls in both forms of answer, with and without the log, that end well and badly."""
import json
import uuid

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions

GREETING = """
def handler(event, context):
    context.getLogger().info("greeting %s", event.get("name"))
    return {"greeting": "Hello, " + event["name"]} if event.get("object") else "Hello, " + event["name"]
"""
FAILING = """
def handler(event, context):
    print("about to fail")
    return 1 / 0
"""
NODE = "exports.handler = async (event, context) => { console.log('hi'); return { sum: event.a + event.b }; };\n"
ENDLESS = "def handler(event, context):\n    print('waiting', flush=True)\n    while True:\n        pass\n"


class Calls(Scenario):
    def test_v0_is_the_bare_result(self):
        urn = self.create("greeting", GREETING).func_urn
        answer = self.invoke(urn, {"name": "Ada"})
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.raw_content, b"Hello, Ada")
        self.assertEqual(str(uuid.UUID(answer.x_cff_request_id)), answer.x_cff_request_id)
        answer = self.invoke(urn, {"name": "Žofie", "object": True})
        self.assertEqual(json.loads(answer.raw_content), {"greeting": "Hello, Žofie"})

    def test_v1_fills_the_fields_of_the_answer(self):
        urn = self.create("greeting", GREETING).func_urn
        answer = self.invoke(urn, {"name": "Ada"}, x_cff_request_version="v1")
        self.assertEqual((answer.result, answer.status, answer.log), ("Hello, Ada", 200, ""))
        self.assertEqual(answer.request_id, answer.x_cff_request_id)
        answer = self.invoke(urn, {"name": "Ada", "object": True}, x_cff_request_version="v1")
        self.assertEqual(json.loads(answer.result), {"greeting": "Hello, Ada"})

    def test_tail_brings_the_log(self):
        urn = self.create("greeting", GREETING).func_urn
        answer = self.invoke(urn, {"name": "Ada"}, x_cff_request_version="v1", x_cff_log_type="tail")
        for line in ("Start invoke request '%s'" % answer.request_id, "INFO greeting Ada", "Finish invoke request"):
            self.assertIn(line, answer.log)

    def test_every_form_of_urn_names_the_function(self):
        urn = self.create("greeting", GREETING).func_urn
        parts = urn.split(":")
        forms = ["greeting", "default:greeting", ":".join([parts[3], "default", "greeting"]),
                 ":".join([parts[3], "default", "greeting", "latest"]), ":".join(parts[:7]), urn]
        for form in forms:
            with self.subTest(form=form):
                self.assertEqual(self.invoke(form, {"name": "Ada"}).raw_content, b"Hello, Ada")

    def test_node_answers_too(self):
        urn = self.create("sum", NODE, runtime="Node.js18.15").func_urn
        answer = self.invoke(urn, {"a": 1, "b": 2}, x_cff_request_version="v1", x_cff_log_type="tail")
        self.assertEqual(answer.result, '{"sum":3}')
        self.assertIn("hi", answer.log)

    def test_an_exception_is_raised_in_v0(self):
        urn = self.create("failing", FAILING).func_urn
        with self.assertRaises(exceptions.ServerResponseException) as raised:
            self.invoke(urn)
        error = raised.exception
        self.assertEqual((error.status_code, error.error_code), (500, "FSS.4002"))
        self.assertEqual(error.error_msg, "function invocation exception, error: division by zero")
        self.assertEqual(str(uuid.UUID(error.request_id)), error.request_id)

    def test_an_exception_is_read_in_v1(self):
        urn = self.create("failing", FAILING).func_urn
        answer = self.invoke(urn, x_cff_request_version="v1", x_cff_log_type="tail")
        self.assertEqual((answer.status_code, answer.status), (200, 500))
        object = json.loads(answer.result)
        self.assertEqual(object["errorType"], "ZeroDivisionError")
        self.assertEqual(object["errorMessage"], "function invocation exception, error: division by zero")
        self.assertTrue(any("index.py" in line for line in object["stackTrace"]), object["stackTrace"])
        self.assertIn("(invoke Failed)", answer.log)
        self.assertIn("about to fail", answer.log)

    def test_a_timeout_ends_the_call_and_not_the_function(self):
        urn = self.create("endless", ENDLESS, timeout=3).func_urn
        with self.assertRaises(exceptions.ServerResponseException) as raised:
            self.invoke(urn)
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (500, "FSS.4010"))
        answer = self.invoke(urn, x_cff_request_version="v1", x_cff_log_type="tail")
        self.assertEqual((answer.status_code, answer.status), (200, 500))
        self.assertEqual(json.loads(answer.result)["errorType"], "FunctionTimeout")
        self.assertIn("waiting", answer.log)
