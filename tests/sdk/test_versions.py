"""Published versions and aliases with the official SDK: publish, list, call, split, move, delete."""
from common import Scenario, inline
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionVersionRequest,
    CreateFunctionVersionRequestBody,
    CreateVersionAliasRequest,
    CreateVersionAliasRequestBody,
    DeleteFunctionRequest,
    DeleteVersionAliasRequest,
    InvokeFunctionRequest,
    ListFunctionVersionsRequest,
    ListVersionAliasesRequest,
    ShowFunctionCodeRequest,
    ShowFunctionConfigRequest,
    ShowVersionAliasRequest,
    UpdateFunctionCodeRequest,
    UpdateFunctionCodeRequestBody,
    UpdateVersionAliasRequest,
    UpdateVersionAliasRequestBody,
    VersionStrategy,
    VersionStrategyRules,
)


def says(word):
    return "def handler(event, context):\n    return '%s ' + context.getVersion() + ' ' + context.getAlias()\n" % word


class Versions(Scenario):
    def publish(self, urn, version=None, **more):
        body = CreateFunctionVersionRequestBody(version=version, **more)
        return self.client.create_function_version(CreateFunctionVersionRequest(function_urn=urn, body=body))

    def change(self, urn, code):
        body = UpdateFunctionCodeRequestBody(code_type="inline", func_code=inline(code))
        self.client.update_function_code(UpdateFunctionCodeRequest(function_urn=urn, body=body))

    def alias(self, urn, name, version, **more):
        body = CreateVersionAliasRequestBody(name=name, version=version, **more)
        return self.client.create_version_alias(CreateVersionAliasRequest(function_urn=urn, body=body))

    def with_versions(self, *names):
        """A function with these versions; gives the URN without a version."""
        urn = self.create("versioned", says("nothing")).func_urn
        for name in names:
            self.change(urn, says(name))
            self.publish(urn, name, description="what %s is" % name)
        return urn.rsplit(":", 1)[0]

    def answer(self, urn):
        return self.invoke(urn).raw_content.decode()

    def refused(self, status, code, work):
        with self.assertRaises(exceptions.ClientRequestException) as raised:
            work()
        self.assertEqual((raised.exception.status_code, raised.exception.error_code), (status, code))

    def test_a_version_is_published_listed_shown_called_and_deleted(self):
        urn = self.create("versioned", says("one")).func_urn
        whole = urn.rsplit(":", 1)[0]
        digest = self.client.show_function_code(ShowFunctionCodeRequest(function_urn=urn)).digest
        made = self.publish(urn, "v1", description="the first", digest=digest)
        self.assertEqual((made.func_urn, made.version, made.digest), (whole + ":v1", "v1", digest))
        self.assertEqual((made.version_description, made.func_name), ("the first", "versioned"))
        self.refused(400, "FSS.1016", lambda: self.publish(urn))
        self.change(urn, says("two"))
        generated = self.publish(urn).version
        self.assertRegex(generated, r"^v\d{8}-\d{6}$")
        listed = self.client.list_function_versions(ListFunctionVersionsRequest(function_urn=whole))
        self.assertEqual((listed.count, listed.next_marker), (3, 0))
        self.assertEqual([one.version for one in listed.versions], ["latest", "v1", generated])
        self.assertEqual(listed.versions[1].func_urn, whole + ":v1")
        page = self.client.list_function_versions(ListFunctionVersionsRequest(function_urn=whole, marker="0", maxitems="2"))
        rest = ListFunctionVersionsRequest(function_urn=whole, marker=str(page.next_marker), maxitems="2")
        self.assertEqual([one.version for one in self.client.list_function_versions(rest).versions], [generated])
        shown = self.client.show_function_config(ShowFunctionConfigRequest(function_urn=whole + ":v1"))
        self.assertEqual((shown.version, shown.func_urn), ("v1", whole + ":v1"))
        for qualifier, expected in (":v1", "one v1 "), ("", "two latest "), (":" + generated, "two %s " % generated):
            self.assertEqual(self.answer(whole + qualifier), expected)
        tail = self.invoke(whole + ":v1", x_cff_request_version="v1", x_cff_log_type="tail")
        self.assertIn(", version: v1", tail.log)
        self.client.delete_function(DeleteFunctionRequest(function_urn=whole + ":v1"))
        self.refused(404, "FSS.0404", lambda: self.invoke(whole + ":v1"))
        self.refused(404, "FSS.1052", lambda: self.client.delete_function(DeleteFunctionRequest(function_urn=whole + ":v1")))
        self.refused(403, "FSS.0403", lambda: self.client.delete_function(DeleteFunctionRequest(function_urn=urn)))

    def test_an_alias_moves_from_version_to_version(self):
        urn = self.with_versions("v1", "v2")
        made = self.alias(urn, "prod", "v1", description="what clients use")
        self.assertEqual((made.name, made.version, made.alias_urn), ("prod", "v1", urn + ":!prod"))
        self.assertEqual(self.answer(made.alias_urn), "v1 v1 prod")
        body = UpdateVersionAliasRequestBody(version="v2", description="moved")
        moved = self.client.update_version_alias(UpdateVersionAliasRequest(function_urn=urn, alias_name="prod", body=body))
        self.assertEqual((moved.version, moved.description), ("v2", "moved"))
        self.assertEqual(self.answer(made.alias_urn), "v2 v2 prod")
        self.assertEqual(self.answer(urn + ":v2"), "v2 v2 ", "the alias is of the call, not of the instance")
        shown = self.client.show_version_alias(ShowVersionAliasRequest(function_urn=urn, alias_name="prod"))
        self.assertEqual((shown.version, shown.additional_version_weights), ("v2", None))
        self.client.delete_version_alias(DeleteVersionAliasRequest(function_urn=urn, alias_name="prod"))
        # The SDK makes nothing of an empty list.
        self.assertFalse(self.client.list_version_aliases(ListVersionAliasesRequest(function_urn=urn)).body)
        self.refused(404, "FSS.0404", lambda: self.invoke(made.alias_urn))

    def test_an_alias_shares_calls_between_two_versions(self):
        urn = self.with_versions("v1", "v2")
        made = self.alias(urn, "half", "v1", additional_version_weights={"v2": 50})
        self.assertEqual(made.additional_version_weights, {"v2": 50})
        # A hundred calls of one version only is a chance of one in 2^99.
        self.assertEqual({self.answer(made.alias_urn) for _ in range(100)}, {"v1 v1 half", "v2 v2 half"})
        self.refused(403, "FSS.1094", lambda: self.client.delete_function(DeleteFunctionRequest(function_urn=urn + ":v2")))
        rule = VersionStrategyRules(rule_type="header", param="x-cff-log-type", op="=", value="tail")
        strategy = {"v2": VersionStrategy(combine_type="and", rules=[rule])}
        body = UpdateVersionAliasRequestBody(version="v1", additional_version_strategy=strategy)
        self.client.update_version_alias(UpdateVersionAliasRequest(function_urn=urn, alias_name="half", body=body))
        shown = self.client.show_version_alias(ShowVersionAliasRequest(function_urn=urn, alias_name="half"))
        self.assertEqual(shown.additional_version_strategy, strategy)
        self.assertEqual(self.answer(made.alias_urn), "v1 v1 half")
        request = InvokeFunctionRequest(function_urn=made.alias_urn, body={}, x_cff_log_type="tail")
        self.assertEqual(self.client.invoke_function(request).raw_content, b"v2 v2 half")

    def test_a_deleted_function_takes_versions_and_aliases_along(self):
        urn = self.with_versions("v1")
        self.alias(urn, "prod", "v1")
        self.client.delete_function(DeleteFunctionRequest(function_urn=urn))
        for qualifier in "", ":v1", ":!prod":
            self.refused(404, "FSS.0404", lambda: self.invoke(urn + qualifier))
        self.create("versioned", says("again"))
        listed = self.client.list_function_versions(ListFunctionVersionsRequest(function_urn=urn))
        self.assertEqual([one.version for one in listed.versions], ["latest"])
