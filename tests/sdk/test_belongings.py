"""What belongs to a function beside its code, and to a project."""
import base64
import json

from common import Scenario, credentials
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateEventRequest,
    CreateEventRequestBody,
    CreateTagsRequest,
    CreateVpcEndpointRequest,
    CreateVpcEndpointRequestBody,
    DeleteEventRequest,
    DeleteFunctionAsyncInvokeConfigRequest,
    DeleteTagsRequest,
    DeleteVpcEndpointRequest,
    EnableAsyncStatusLogRequest,
    EnableLtsLogsRequest,
    FuncAsyncDestinationConfig,
    FuncDestinationConfig,
    KvItem,
    ListEnterpriseResourceRequestBody,
    ListEventsRequest,
    ListFunctionAsyncInvokeConfigRequest,
    ListFunctionsRequest,
    ListFunctionTagsRequest,
    ListFunctionTemplateRequest,
    ListQuotasRequest,
    ShowEventRequest,
    ShowFunctionAsyncInvokeConfigRequest,
    ShowFunctionTemplateRequest,
    ShowLtsLogDetailsRequest,
    ShowProjectAsyncStatusLogInfoRequest,
    ShowProjectTagsListRequest,
    ShowResInstanceInfoRequest,
    ShowTracingRequest,
    TagItem,
    UpdateEventRequest,
    UpdateEventRequestBody,
    UpdateFunctionAsyncInvokeConfigRequest,
    UpdateFunctionAsyncInvokeConfigRequestBody,
    UpdateFunctionCollectStateRequest,
    UpdateFunctionTagsRequestBody,
    UpdateTracingRequest,
    UpdateTracingRequestBody,
)

CODE = "def handler(event, context):\n    return event\n"


class Belongings(Scenario):
    def refused(self, status, code, call):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            call()
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (status, code))

    def test_a_test_event_is_made_shown_called_with_changed_and_deleted(self):
        urn = self.create("events", CODE).func_urn
        content = base64.b64encode(b'{"city": "Brno"}').decode()
        body = CreateEventRequestBody(name="first", content=content)
        made = self.client.create_event(CreateEventRequest(function_urn=urn, body=body))
        shown = self.client.show_event(ShowEventRequest(function_urn=urn, event_id=made.id))
        self.assertEqual((shown.id, shown.name, shown.content), (made.id, "first", content))
        self.assertGreater(shown.last_modified, 1.7e9)
        called = self.invoke(urn, json.loads(base64.b64decode(shown.content)))
        self.assertEqual(json.loads(called.raw_content), {"city": "Brno"})
        self.refused(403, "FSS.1073", lambda: self.client.create_event(CreateEventRequest(function_urn=urn, body=body)))
        changed = UpdateEventRequestBody(content=base64.b64encode(b"[]").decode())
        self.assertEqual(self.client.update_event(
            UpdateEventRequest(function_urn=urn, event_id=made.id, body=changed)).name, "first")
        listed = self.client.list_events(ListEventsRequest(function_urn=urn))
        self.assertEqual((listed.count, [event.id for event in listed.events]), (1, [made.id]))
        self.client.delete_event(DeleteEventRequest(function_urn=urn, event_id=made.id))
        show = ShowEventRequest(function_urn=urn, event_id=made.id)
        self.refused(404, "FSS.1070", lambda: self.client.show_event(show))

    def test_tags(self):
        urn = self.create("tags", CODE, tags="env=dev").func_urn
        own = lambda: {tag.key: tag.value for tag in self.client.list_function_tags(
            ListFunctionTagsRequest(resource_type="functions", resource_id=urn)).tags}
        self.assertEqual(own(), {"env": "dev"})
        put = UpdateFunctionTagsRequestBody(
            action="create", tags=[KvItem(key="env", value="prod"), KvItem(key="team", value="x")])
        self.client.create_tags(CreateTagsRequest(resource_type="functions", resource_id=urn, body=put))
        self.assertEqual(own(), {"env": "prod", "team": "x"})
        listed = self.client.show_project_tags_list(ShowProjectTagsListRequest(resource_type="functions"))
        self.assertEqual(listed.tags, [TagItem(key="env", values=["prod"]), TagItem(key="team", values=["x"])])
        body = ListEnterpriseResourceRequestBody(matches=[KvItem(key="resource_name", value="tags")], limit="10")
        ask = lambda action: self.client.show_res_instance_info(
            ShowResInstanceInfoRequest(resource_type="functions", action=action, body=body))
        found = ask("filter")
        self.assertEqual((found.total_count, found.resources[0].resource_detail.detail_id), (1, urn))
        self.assertEqual((ask("count").total_count, ask("count").resources), (1, None))
        gone = UpdateFunctionTagsRequestBody(action="delete", tags=[KvItem(key="env"), KvItem(key="team", value="x")])
        self.client.delete_tags(DeleteTagsRequest(resource_type="functions", resource_id=urn, body=gone))
        self.assertEqual(own(), {})

    def test_asynchronous_settings(self):
        urn, target = self.create("async", CODE).func_urn, self.create("target", CODE).func_urn
        show = ShowFunctionAsyncInvokeConfigRequest(function_urn=urn)
        self.refused(404, "FSS.0404", lambda: self.client.show_function_async_invoke_config(show))
        failure = FuncDestinationConfig(destination="FunctionGraph", param=json.dumps({"func_urn": target}))
        body = UpdateFunctionAsyncInvokeConfigRequestBody(
            max_async_event_age_in_seconds=60, max_async_retry_attempts=2, enable_async_status_log=True,
            destination_config=FuncAsyncDestinationConfig(on_failure=failure))
        update = UpdateFunctionAsyncInvokeConfigRequest(function_urn=urn, body=body)
        answer = self.client.update_function_async_invoke_config(update)
        self.assertEqual((answer.func_urn, answer.max_async_event_age_in_seconds), (urn, 60))
        shown = self.client.show_function_async_invoke_config(show)
        self.assertEqual(shown.destination_config.on_failure, failure)
        self.assertEqual((shown.max_async_retry_attempts, shown.enable_async_status_log), (2, True))
        listed = self.client.list_function_async_invoke_config(ListFunctionAsyncInvokeConfigRequest(function_urn=urn))
        self.assertEqual((listed.count, listed.page_info.current_count), (1, 1))
        body.destination_config.on_failure.param = json.dumps({"func_urn": urn})
        self.refused(400, "FSS.0400", lambda: self.client.update_function_async_invoke_config(update))
        self.client.delete_function_async_invoke_config(DeleteFunctionAsyncInvokeConfigRequest(function_urn=urn))
        self.refused(404, "FSS.0404", lambda: self.client.show_function_async_invoke_config(show))

    def test_quotas_pins_and_tracing_keys(self):
        for name in ("first", "second"):
            urn = self.create(name, CODE).func_urn
        quotas = {one.type: one for one in self.client.list_quotas(ListQuotasRequest()).quotas.resources}
        self.assertEqual((quotas["fgs_func_num"].quota, quotas["fgs_func_num"].used), (400, 2))
        self.assertEqual((quotas["fgs_func_code_size"].unit, len(quotas)), ("MB", 8))
        self.client.update_function_collect_state(UpdateFunctionCollectStateRequest(func_urn=urn, state="true"))
        functions = self.client.list_functions(ListFunctionsRequest()).functions
        self.assertEqual([function.func_name for function in functions], ["second", "first"])
        keys = UpdateTracingRequestBody(tracing_ak="AK", tracing_sk="SK")
        self.client.update_tracing(UpdateTracingRequest(function_urn=urn, body=keys))
        shown = self.client.show_tracing(ShowTracingRequest(function_urn=urn))
        self.assertEqual((shown.tracing_ak, shown.tracing_sk), ("AK", "SK"))

    def test_what_is_only_kept(self):
        network = CreateVpcEndpointRequestBody(vpc_id="v", subnet_id="s")
        made = self.client.create_vpc_endpoint(CreateVpcEndpointRequest(body=network))
        self.assertEqual((made.address, len(made.endpoints)), (credentials()["endpoint"].split("//")[1], 1))
        self.client.delete_vpc_endpoint(DeleteVpcEndpointRequest(vpc_id="v", subnet_id="s"))
        self.client.enable_async_status_log(EnableAsyncStatusLogRequest())
        states = self.client.show_project_async_status_log_info(ShowProjectAsyncStatusLogInfoRequest())
        self.assertTrue(states.group_id and states.stream_id and states.group_name and states.stream_name)
        urn = self.create("logged", CODE).func_urn
        self.client.enable_lts_logs(EnableLtsLogsRequest())
        self.assertTrue(self.client.show_lts_log_details(ShowLtsLogDetailsRequest(function_urn=urn)).group_id)
        self.refused(400, "FSS.1221", lambda: self.client.enable_lts_logs(EnableLtsLogsRequest()))

    def test_a_function_from_a_template(self):
        listed = self.client.list_function_template(ListFunctionTemplateRequest(runtime="Python3.9", scene="basic"))
        self.assertEqual([template.id for template in listed.func_templates], ["hello-python3.9"])
        template = self.client.show_function_template(ShowFunctionTemplateRequest(template_id="hello-python3.9"))
        urn = self.create("templated", base64.b64decode(template.code).decode(), runtime=template.runtime).func_urn
        answer = self.invoke(urn, json.loads(template.temp_detail.input))
        self.assertEqual(answer.raw_content.decode(), template.temp_detail.output)
        nothing = ShowFunctionTemplateRequest(template_id="nothing")
        self.refused(404, "FSS.1059", lambda: self.client.show_function_template(nothing))
