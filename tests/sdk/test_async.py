"""Asynchronous calls: accepted, listed, told to another function, cancelled."""
import datetime
import json
import time
import uuid

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    AsyncInvokeFunctionRequest,
    CancelAsyncInvocationRequest,
    CancelAsyncInvocationRequestBody,
    FuncAsyncDestinationConfig,
    FuncDestinationConfig,
    ListActiveAsyncInvocationsRequest,
    ListAsyncInvocationsRequest,
    UpdateFunctionAsyncInvokeConfigRequest,
    UpdateFunctionAsyncInvokeConfigRequestBody,
    UpdateFunctionMaxInstanceConfigRequest,
    UpdateFunctionMaxInstanceConfigRequestBody,
)

CODE = """import time
def handler(event, context):
    time.sleep(event.get('sleep', 0))
    if event.get('raise'):
        raise ValueError('no luck')
    return {'seen': event}
"""


class Asynchronous(Scenario):
    def queue(self, urn, event=None, **headers):
        answer = self.client.async_invoke_function(
            AsyncInvokeFunctionRequest(function_urn=urn, body=event or {}, **headers))
        self.assertEqual(answer.status_code, 202)
        uuid.UUID(answer.request_id)
        return answer.request_id

    def list(self, urn, **query):
        return self.client.list_async_invocations(ListAsyncInvocationsRequest(function_urn=urn, **query))

    def active(self, urn, **query):
        return self.client.list_active_async_invocations(ListActiveAsyncInvocationsRequest(function_urn=urn, **query))

    def cancel(self, urn, call, kind="force"):
        body = CancelAsyncInvocationRequestBody(request_id=call, type=kind)
        return self.client.cancel_async_invocation(CancelAsyncInvocationRequest(function_urn=urn, body=body))

    def wait(self, urn, call, *states):
        """The record of a call once it is in one of these states."""
        end = time.monotonic() + 60
        while True:
            found = self.list(urn, request_id=call).invocations
            if found and found[0].status in states:
                return found[0]
            self.assertLess(time.monotonic(), end, f"{call} is {found} and not {states} after a minute")
            time.sleep(0.02)

    def refused(self, status, code, work):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            work()
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (status, code))

    def test_a_call_is_accepted_and_runs(self):
        urn = self.create("runs", CODE).func_urn
        call = self.queue(urn, {"a": "ž"})
        done = self.wait(urn, call, "SUCCESS", "FAIL", "DISCARD")
        self.assertEqual((done.request_id, done.status, done.error_code, done.error_message), (call, "SUCCESS", 0, ""))
        # The SDK makes a time of it only where dateutil is installed.
        start = datetime.datetime.fromisoformat(str(done.start_time).replace("Z", "+00:00"))
        end = datetime.datetime.fromisoformat(done.end_time.replace("Z", "+00:00"))
        self.assertLessEqual(start, end)
        self.assertEqual(end.tzinfo, datetime.timezone.utc)

    def test_a_failure_has_its_number_and_its_text(self):
        urn = self.create("fails", CODE).func_urn
        done = self.wait(urn, self.queue(urn, {"raise": True}), "SUCCESS", "FAIL", "DISCARD")
        self.assertEqual((done.status, done.error_code), ("FAIL", 4002))
        self.assertIn("no luck", done.error_message)

    def test_calls_are_listed_by_page_state_and_time(self):
        urn = self.create("listed", CODE).func_urn
        calls = [self.queue(urn, {"raise": number == 1}) for number in range(3)]
        for call in calls:
            self.wait(urn, call, "SUCCESS", "FAIL")
        whole = self.list(urn)
        self.assertEqual(([one.request_id for one in whole.invocations], whole.count, whole.next_marker), (calls, 3, 0))
        first = self.list(urn, limit="2")
        second = self.list(urn, limit="2", marker=str(first.next_marker))
        self.assertEqual([one.request_id for one in first.invocations + second.invocations], calls)
        self.assertEqual(second.next_marker, 0)
        failed = self.list(urn, status="FAIL").invocations
        self.assertEqual([one.request_id for one in failed], [calls[1]])
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        hour = datetime.timedelta(hours=1)
        for begin, end, expected in [
            (now - hour, now + hour, 3), (now - 2 * hour, now - hour, 0), (now + hour, now + 2 * hour, 0),
        ]:
            found = self.list(urn, query_begin_time=begin, query_end_time=end)
            self.assertEqual(found.count, expected, (begin, end))
        naive = (now - hour).replace(tzinfo=None)
        self.assertEqual(self.list(urn, query_begin_time=naive).count, 3)
        self.refused(400, "FSS.0400", lambda: self.list(urn, limit="-1"))
        self.refused(404, "FSS.1051", lambda: self.list("nobody"))

    def test_active_calls_are_listed_and_cancelled(self):
        urn = self.create("active", CODE, timeout=60).func_urn
        call = self.queue(urn, {"sleep": 50})
        self.wait(urn, call, "RUNNING")
        active = self.active(urn)
        self.assertEqual([(one.request_id, one.status) for one in active.invocations], [(call, "RUNNING")])
        self.assertEqual(self.active(urn, requests=f"{call},{uuid.uuid4()}").count, 1)
        self.assertEqual(self.active(urn, requests=str(uuid.uuid4())).count, 0)
        self.cancel(urn, call)
        done = self.wait(urn, call, "SUCCESS", "FAIL", "DISCARD")
        self.assertEqual((done.status, done.error_code), ("FAIL", 4208))
        self.assertEqual(self.active(urn).count, 0)
        self.refused(400, "FSS.0400", lambda: self.cancel(urn, str(uuid.uuid4())))
        self.refused(400, "FSS.0400", lambda: self.active(urn, requests=",".join([call] * 11)))

    def test_settings_are_followed(self):
        captured = self.create("captured", CODE).func_urn
        urn = self.create("followed", CODE).func_urn
        target = FuncDestinationConfig(destination="FunctionGraph", param=json.dumps({"func_urn": captured}))
        body = UpdateFunctionAsyncInvokeConfigRequestBody(
            max_async_event_age_in_seconds=600, max_async_retry_attempts=1,
            destination_config=FuncAsyncDestinationConfig(on_success=target, on_failure=target))
        self.client.update_function_async_invoke_config(
            UpdateFunctionAsyncInvokeConfigRequest(function_urn=urn, body=body))
        for event, state in [({}, "SUCCESS"), ({"raise": True}, "FAIL")]:
            before = self.list(captured).count
            self.assertEqual(self.wait(urn, self.queue(urn, event), "SUCCESS", "FAIL", "DISCARD").status, state)
            # The notification is in the other function's queue once the call has ended.
            told = self.list(captured)
            self.assertEqual(told.count, before + 1)
            self.wait(captured, told.invocations[-1].request_id, "SUCCESS")

    def test_what_cannot_be_accepted_is_refused(self):
        urn = self.create("refused", CODE).func_urn
        self.refused(404, "FSS.0404", lambda: self.queue("nobody"))
        self.refused(413, "FSS.1201", lambda: self.queue(urn, {"text": "x" * 262144}))
        most = UpdateFunctionMaxInstanceConfigRequestBody(max_instance_num=0)
        self.client.update_function_max_instance_config(
            UpdateFunctionMaxInstanceConfigRequest(function_urn=urn, body=most))
        self.refused(429, "FSS.0429", lambda: self.queue(urn))
        self.assertEqual(self.list(urn).count, 0)
