"""Reserved instances, and the most instances of a function."""
import time

from common import Scenario, credentials
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CronConfig,
    ListFunctionReservedInstancesRequest,
    ListReservedInstanceConfigsRequest,
    MetricConfig,
    ShowFuncSnapshotStateRequest,
    TacticsConfig,
    UpdateFunctionMaxInstanceConfigRequest,
    UpdateFunctionMaxInstanceConfigRequestBody,
    UpdateFunctionReservedInstancesCountRequest,
    UpdateFunctionReservedInstancesCountRequestBody,
)

CODE = "ready = []\ndef init(context):\n    ready.append(1)\ndef handler(event, context):\n    return 'ready %d' % len(ready)\n"


class Reserved(Scenario):
    def reserve(self, urn, count, **more):
        body = UpdateFunctionReservedInstancesCountRequestBody(count=count, **more)
        return self.client.update_function_reserved_instances_count(
            UpdateFunctionReservedInstancesCountRequest(function_urn=urn, body=body))

    def ready(self, urn):
        listed = self.client.list_function_reserved_instances(ListFunctionReservedInstancesRequest(urn=urn))
        return {entry.func_urn: entry.count for entry in listed.reservedinstances}

    def configs(self, **query):
        return self.client.list_reserved_instance_configs(ListReservedInstanceConfigsRequest(**query))

    def refused(self, status, code, work):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            work()
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (status, code))

    def test_instances_are_ready_before_the_first_call(self):
        urn = self.create("kept", CODE, initializer_handler="index.init", initializer_timeout=3).func_urn
        answer = self.reserve(urn, 2)
        self.assertEqual((answer.count, answer.idle_mode), (2, False))
        end = time.monotonic() + 60
        while self.ready(urn).get(urn) != 2:
            self.assertLess(time.monotonic(), end, "the instances are not ready after a minute")
        self.assertEqual(self.invoke(urn).raw_content, b"ready 1")
        self.assertEqual(self.reserve(urn, 0).count, 0)
        self.assertEqual(self.configs().count, 0)

    def test_settings_come_back_as_they_were_set(self):
        urn = self.create("set", CODE).func_urn
        tactics = TacticsConfig(
            cron_configs=[CronConfig(name="day", cron="0 0 8 * * ?", count=3, start_time=1700000000, expired_time=4102444800)],
            metric_configs=[MetricConfig(name="load", type="Concurrency", threshold=60, min=2)])
        self.reserve(urn, 1, idle_mode=True, tactics_config=tactics)
        self.reserve(self.create("other", CODE).func_urn, 1)
        self.assertEqual(self.configs().count, 2)
        without_version = urn.rsplit(":", 1)[0]
        for query in (urn, without_version):
            listed = self.configs(function_urn=query)
            self.assertEqual((listed.count, listed.page_info.current_count, listed.page_info.next_marker), (1, 1, 0))
            config = listed.reserved_instances[0]
            self.assertEqual(config.function_urn, without_version)
            self.assertEqual((config.qualifier_type, config.qualifier_name), ("version", "latest"))
            self.assertEqual((config.min_count, config.idle_mode), (1, True))
            self.assertEqual(config.tactics_config, tactics)
        page = self.configs(marker="1", limit="1")
        self.assertEqual((page.count, page.page_info.current_count, page.page_info.previous_marker), (2, 1, 0))

    def test_what_cannot_be_is_refused(self):
        urn = self.create("refused", CODE).func_urn
        self.refused(400, "FSS.0400", lambda: self.reserve(urn, -1))
        self.refused(400, "FSS.0400", lambda: self.reserve(
            urn, 3, tactics_config=TacticsConfig(cron_configs=[CronConfig(name="low", cron="0 0 8 * * ?", count=2)])))
        self.refused(400, "FSS.1076", lambda: self.reserve(urn, 91))
        self.refused(404, "FSS.1052", lambda: self.reserve(urn.replace(":latest", ":v1"), 1))
        self.refused(404, "FSS.1053", lambda: self.reserve(urn.replace(":latest", ":!prod"), 1))
        self.refused(404, "FSS.1051", lambda: self.reserve("nobody", 1))
        foreign = urn.replace(credentials()["project_id"], "0a" * 16)
        self.refused(403, "FSS.0403", lambda: self.reserve(foreign, 1))
        self.refused(400, "FSS.0400", lambda: self.configs(limit="-1"))
        self.assertEqual(self.configs(function_urn=urn).count, 0)

    def test_most_instances(self):
        urn = self.create("most", CODE).func_urn
        set_most = lambda most: self.client.update_function_max_instance_config(UpdateFunctionMaxInstanceConfigRequest(
            function_urn=urn, body=UpdateFunctionMaxInstanceConfigRequestBody(max_instance_num=most)))
        answer = set_most(0)
        self.assertEqual((answer.func_urn, answer.strategy_config.concurrency), (urn, 0))
        self.refused(429, "FSS.0429", lambda: self.invoke(urn))
        self.assertEqual(set_most(-1).strategy_config.concurrency, -1)
        self.assertEqual(self.invoke(urn).raw_content, b"ready 0")
        self.refused(400, "FSS.1026", lambda: set_most(1001))

    def test_snapshots_are_not_built(self):
        urn = self.create("snapshot", CODE).func_urn
        with self.assertRaises(exceptions.ServerResponseException) as raised:
            self.client.show_func_snapshot_state(ShowFuncSnapshotStateRequest(function_urn=urn, action="state"))
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (501, "FSS.0426"))
