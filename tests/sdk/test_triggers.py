"""Triggers: created, listed, shown, changed, deleted; a timer that fires."""
import json
import time

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    ApigTriggerFuncInfo,
    BatchDeleteFunctionTriggersRequest,
    CreateFunctionTriggerRequest,
    CreateFunctionTriggerRequestBody,
    DeleteFunctionTriggerRequest,
    ListFunctionTriggersRequest,
    ShowFunctionTriggerRequest,
    TriggerEventDataRequestBody,
    UpdateTriggerRequest,
    UpdateTriggerRequestBody,
    UpdateriggerEventData,
)

CODE = """
seen = []
def handler(event, context):
    if event.get('trigger_type') == 'TIMER':
        seen.append(event)
    return seen
"""


class Triggers(Scenario):
    def trigger(self, urn, kind, status=None, **data):
        body = CreateFunctionTriggerRequestBody(
            trigger_type_code=kind, trigger_status=status, event_type_code="MessageCreated",
            event_data=TriggerEventDataRequestBody(**data))
        return self.client.create_function_trigger(CreateFunctionTriggerRequest(function_urn=urn, body=body))

    def listed(self, urn):
        return self.client.list_function_triggers(ListFunctionTriggersRequest(function_urn=urn)).body or []

    def refused(self, status, code, work):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            work()
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (status, code))

    def test_a_timer_fires(self):
        urn = self.create("ticks", CODE).func_urn
        created = self.trigger(urn, "TIMER", name="Often", schedule_type="Cron", schedule="@every 1s", user_event="[1]")
        self.assertEqual((created.trigger_type_code, created.trigger_status), ("TIMER", "ACTIVE"))
        end = time.monotonic() + 60
        seen = []
        while len(seen) < 2:
            self.assertLess(time.monotonic(), end, "the timer did not fire twice within a minute")
            seen = json.loads(self.invoke(urn, {}).raw_content)
        self.assertEqual({event["trigger_name"] for event in seen}, {"Often"})
        self.assertEqual({event["user_event"] for event in seen}, {"[1]"})
        self.assertEqual({event["version"] for event in seen}, {"v1.0"})

    def test_a_trigger_lives_and_dies(self):
        urn = self.create("lives", CODE).func_urn
        created = self.trigger(urn, "TIMER", name="Daily", schedule_type="Cron", schedule="CRON_TZ=Asia/Shanghai 0 30 8 * * ?")
        where = dict(function_urn=urn, trigger_type_code="TIMER", trigger_id=created.trigger_id)
        shown = self.client.show_function_trigger(ShowFunctionTriggerRequest(**where))
        self.assertEqual(shown.event_data.schedule, "CRON_TZ=Asia/Shanghai 0 30 8 * * ?")
        self.assertEqual([trigger.trigger_id for trigger in self.listed(urn)], [created.trigger_id])
        body = UpdateTriggerRequestBody(trigger_status="DISABLED")
        changed = self.client.update_trigger(UpdateTriggerRequest(body=body, **where))
        self.assertEqual((changed.trigger_status, changed.event_data.name), ("DISABLED", "Daily"))
        self.client.delete_function_trigger(DeleteFunctionTriggerRequest(**where))
        self.refused(404, "FSS.1131", lambda: self.client.show_function_trigger(ShowFunctionTriggerRequest(**where)))
        self.assertEqual(self.listed(urn), [])

    def test_a_stored_kind_is_changed_by_a_list(self):
        urn = self.create("stored", CODE).func_urn
        created = self.trigger(
            urn, "DIS", stream_name="s", sharditerator_type="TRIM_HORIZON", polling_interval=10, polling_unit="s", is_serial="true")
        self.assertEqual(created.trigger_status, "DISABLED")
        data = [UpdateriggerEventData(is_serial=False, polling_interval=20, polling_unit="ms", max_fetch_bytes=2048)]
        changed = self.client.update_trigger(UpdateTriggerRequest(
            function_urn=urn, trigger_type_code="DIS", trigger_id=created.trigger_id,
            body=UpdateTriggerRequestBody(trigger_status="ACTIVE", event_data=data)))
        found = changed.event_data
        self.assertEqual((found.polling_interval, found.polling_unit, found.is_serial, found.max_fetch_bytes), (20, "ms", "false", 2048))
        self.assertEqual(found.stream_name, "s")

    def test_a_gateway_trigger_says_where_it_is(self):
        urn = self.create("web", CODE).func_urn
        created = self.trigger(
            urn, "APIG", name="Orders", group_id="sdk", env_id="DEFAULT_ENVIRONMENT_RELEASE_ID", env_name="RELEASE", auth="IAM",
            protocol="HTTPS", path="/orders/{id}", req_method="GET", match_mode="NORMAL", type=1,
            func_info=ApigTriggerFuncInfo(timeout=5000))
        data = created.event_data
        self.assertTrue(data.invoke_url.endswith("/gateway/sdk/orders/{id}"), data.invoke_url)
        self.assertEqual((data.triggerid, data.api_name, data.func_info.function_urn), (created.trigger_id, "Orders", urn))
        self.client.batch_delete_function_triggers(BatchDeleteFunctionTriggersRequest(function_urn=urn))
        self.assertEqual(self.listed(urn), [])

    def test_what_cannot_be_is_refused(self):
        urn = self.create("refused", CODE).func_urn
        self.refused(400, "FSS.1109", lambda: self.trigger(urn, "TIMER", name="T", schedule_type="Rate", schedule="61m"))
        self.refused(400, "FSS.1101", lambda: self.trigger(urn, "CLOCK", name="T"))
        self.refused(400, "FSS.0400", lambda: self.trigger(urn, "SMN", status="DISABLED", topic_urn="t"))
        self.refused(404, "FSS.1052", lambda: self.trigger(urn.replace(":latest", ":v1"), "SMN", topic_urn="t"))
        self.refused(404, "FSS.1051", lambda: self.listed("nobody"))
