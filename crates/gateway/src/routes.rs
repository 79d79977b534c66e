//! From method and path to an operation. Paths are split before anything is decoded, so that `%2F` never makes a segment.

pub(crate) mod aliases;
pub(crate) mod async_calls;
pub(crate) mod async_configs;
pub(crate) mod beside;
pub(crate) mod code;
pub(crate) mod dependencies;
pub(crate) mod download;
pub(crate) mod exports;
pub(crate) mod functions;
pub(crate) mod health;
pub(crate) mod iam;
pub(crate) mod invocations;
pub(crate) mod manage;
pub(crate) mod own;
pub(crate) mod projects;
pub(crate) mod queue;
pub(crate) mod recorded;
pub(crate) mod report;
pub(crate) mod reservations;
pub(crate) mod rights;
pub(crate) mod statistics;
pub(crate) mod tags;
pub(crate) mod templates;
pub(crate) mod test_events;
pub(crate) mod tracing_keys;
pub(crate) mod triggers;
mod unsupported;
pub(crate) mod versions;

use fungraph_model::{Fault, FunctionRef, Right};
use http::Method;

use crate::{answer::Refusal, percent, split};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateFunction,
    ListFunctions,
    ShowFunctionConfig,
    UpdateFunctionConfig,
    ShowFunctionCode,
    UpdateFunctionCode,
    DeleteFunction,
    InvokeFunction,
    AsyncInvokeFunction,
    ListAsyncInvocations,
    ListActiveAsyncInvocations,
    CancelAsyncInvocation,
    UpdateFunctionReservedInstancesCount,
    ListReservedInstanceConfigs,
    ListFunctionReservedInstances,
    UpdateFunctionMaxInstanceConfig,
    ListDependencies,
    CreateDependencyVersion,
    ListDependencyVersion,
    DeleteDependencyVersion,
    ShowDependencyVersion,
    ListFunctionVersions,
    CreateFunctionVersion,
    ListVersionAliases,
    CreateVersionAlias,
    ShowVersionAlias,
    UpdateVersionAlias,
    DeleteVersionAlias,
    CreateFunctionTrigger,
    ListFunctionTriggers,
    ShowFunctionTrigger,
    UpdateTrigger,
    DeleteFunctionTrigger,
    BatchDeleteFunctionTriggers,
    ListTriggers,
    ListTriggerTypes,
    ListFunctionTemplate,
    ShowFunctionTemplate,
    ListEvents,
    CreateEvent,
    ShowEvent,
    UpdateEvent,
    DeleteEvent,
    CreateTags,
    DeleteTags,
    ListFunctionTags,
    ShowProjectTagsList,
    ShowResInstanceInfo,
    ListQuotas,
    ShowFunctionAsyncInvokeConfig,
    UpdateFunctionAsyncInvokeConfig,
    DeleteFunctionAsyncInvokeConfig,
    ListFunctionAsyncInvokeConfig,
    ShowTracing,
    UpdateTracing,
    CreateVpcEndpoint,
    DeleteVpcEndpoint,
    UpdateFunctionCollectState,
    EnableLtsLogs,
    EnableAsyncStatusLog,
    ShowProjectAsyncStatusLogInfo,
    ShowLtsLogDetails,
    DisableAsyncStatusLog,
    ShowFeatures,
    ListRuntimes,
    ListTrustedAgencies,
    ListStatistics,
    ListFunctionStatistics,
    ShowFunctionMetrics,
    ShowFuncReservedInstanceMetrics,
    ListFunctionAsMetric,
    ImportFunction,
    ExportFunction,
    /// In the contract, not in this server.
    NotBuilt(&'static str),
}

impl Operation {
    /// The contract's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateFunction => "CreateFunction",
            Self::ListFunctions => "ListFunctions",
            Self::ShowFunctionConfig => "ShowFunctionConfig",
            Self::UpdateFunctionConfig => "UpdateFunctionConfig",
            Self::ShowFunctionCode => "ShowFunctionCode",
            Self::UpdateFunctionCode => "UpdateFunctionCode",
            Self::DeleteFunction => "DeleteFunction",
            Self::InvokeFunction => "InvokeFunction",
            Self::AsyncInvokeFunction => "AsyncInvokeFunction",
            Self::ListAsyncInvocations => "ListAsyncInvocations",
            Self::ListActiveAsyncInvocations => "ListActiveAsyncInvocations",
            Self::CancelAsyncInvocation => "CancelAsyncInvocation",
            Self::UpdateFunctionReservedInstancesCount => "UpdateFunctionReservedInstancesCount",
            Self::ListReservedInstanceConfigs => "ListReservedInstanceConfigs",
            Self::ListFunctionReservedInstances => "ListFunctionReservedInstances",
            Self::UpdateFunctionMaxInstanceConfig => "UpdateFunctionMaxInstanceConfig",
            Self::ListDependencies => "ListDependencies",
            Self::CreateDependencyVersion => "CreateDependencyVersion",
            Self::ListDependencyVersion => "ListDependencyVersion",
            Self::DeleteDependencyVersion => "DeleteDependencyVersion",
            Self::ShowDependencyVersion => "ShowDependencyVersion",
            Self::ListFunctionVersions => "ListFunctionVersions",
            Self::CreateFunctionVersion => "CreateFunctionVersion",
            Self::ListVersionAliases => "ListVersionAliases",
            Self::CreateVersionAlias => "CreateVersionAlias",
            Self::ShowVersionAlias => "ShowVersionAlias",
            Self::UpdateVersionAlias => "UpdateVersionAlias",
            Self::DeleteVersionAlias => "DeleteVersionAlias",
            Self::CreateFunctionTrigger => "CreateFunctionTrigger",
            Self::ListFunctionTriggers => "ListFunctionTriggers",
            Self::ShowFunctionTrigger => "ShowFunctionTrigger",
            Self::UpdateTrigger => "UpdateTrigger",
            Self::DeleteFunctionTrigger => "DeleteFunctionTrigger",
            Self::BatchDeleteFunctionTriggers => "BatchDeleteFunctionTriggers",
            Self::ListTriggers => "ListTriggers",
            Self::ListTriggerTypes => "ListTriggerTypes",
            Self::ListFunctionTemplate => "ListFunctionTemplate",
            Self::ShowFunctionTemplate => "ShowFunctionTemplate",
            Self::ListEvents => "ListEvents",
            Self::CreateEvent => "CreateEvent",
            Self::ShowEvent => "ShowEvent",
            Self::UpdateEvent => "UpdateEvent",
            Self::DeleteEvent => "DeleteEvent",
            Self::CreateTags => "CreateTags",
            Self::DeleteTags => "DeleteTags",
            Self::ListFunctionTags => "ListFunctionTags",
            Self::ShowProjectTagsList => "ShowProjectTagsList",
            Self::ShowResInstanceInfo => "ShowResInstanceInfo",
            Self::ListQuotas => "ListQuotas",
            Self::ShowFunctionAsyncInvokeConfig => "ShowFunctionAsyncInvokeConfig",
            Self::UpdateFunctionAsyncInvokeConfig => "UpdateFunctionAsyncInvokeConfig",
            Self::DeleteFunctionAsyncInvokeConfig => "DeleteFunctionAsyncInvokeConfig",
            Self::ListFunctionAsyncInvokeConfig => "ListFunctionAsyncInvokeConfig",
            Self::ShowTracing => "ShowTracing",
            Self::UpdateTracing => "UpdateTracing",
            Self::CreateVpcEndpoint => "CreateVpcEndpoint",
            Self::DeleteVpcEndpoint => "DeleteVpcEndpoint",
            Self::UpdateFunctionCollectState => "UpdateFunctionCollectState",
            Self::EnableLtsLogs => "EnableLtsLogs",
            Self::EnableAsyncStatusLog => "EnableAsyncStatusLog",
            Self::ShowProjectAsyncStatusLogInfo => "ShowProjectAsyncStatusLogInfo",
            Self::ShowLtsLogDetails => "ShowLtsLogDetails",
            Self::DisableAsyncStatusLog => "DisableAsyncStatusLog",
            Self::ShowFeatures => "ShowFeatures",
            Self::ListRuntimes => "ListRuntimes",
            Self::ListTrustedAgencies => "ListTrustedAgencies",
            Self::ListStatistics => "ListStatistics",
            Self::ListFunctionStatistics => "ListFunctionStatistics",
            Self::ShowFunctionMetrics => "ShowFunctionMetrics",
            Self::ShowFuncReservedInstanceMetrics => "ShowFuncReservedInstanceMetrics",
            Self::ListFunctionAsMetric => "ListFunctionAsMetric",
            Self::ImportFunction => "ImportFunction",
            Self::ExportFunction => "ExportFunction",
            Self::NotBuilt(name) => name,
        }
    }

    /// The refusal of an operation that is not built.
    pub(crate) fn not_built(name: &str) -> Fault {
        unsupported::refuse(name)
    }
}

/// An operation with the parameters of its path, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<'a> {
    pub(crate) operation: Operation,
    pub(crate) project: &'a str,
    /// The path with names where it has parameters.
    pub(crate) pattern: &'static str,
    parameters: Parameters<'a>,
}

/// The parts of a path that stand for something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters<'a> {
    project: &'a str,
    function: &'a str,
    dependency: &'a str,
    version: &'a str,
    alias: &'a str,
    trigger_type: &'a str,
    trigger: &'a str,
    /// What else the path names, in its order.
    others: [&'a str; 2],
}

impl Route<'_> {
    /// The function that the path names.
    ///
    /// # Errors
    /// FSS.1309 where it cannot be read.
    pub(crate) fn function(&self) -> Result<FunctionRef, Fault> {
        let urn = percent::decode_text(self.parameters.function).map_err(|_| {
            Fault::new(fungraph_model::ErrorCode::BadUrn, "The function URN in the path is not percent-encoded UTF-8")
        })?;
        FunctionRef::parse(&urn)
    }

    /// The id of the dependency that the path names.
    ///
    /// # Errors
    /// FSS.0400 where it cannot be read.
    pub(crate) fn dependency(&self) -> Result<String, Fault> {
        plain("depend_id", self.parameters.dependency)
    }

    /// The version that the path names.
    ///
    /// # Errors
    /// FSS.0400 where it cannot be read.
    pub(crate) fn version(&self) -> Result<String, Fault> {
        plain("version", self.parameters.version)
    }

    /// The name of the alias that the path names.
    ///
    /// # Errors
    /// FSS.0400 where it cannot be read.
    pub(crate) fn alias(&self) -> Result<String, Fault> {
        plain("alias_name", self.parameters.alias)
    }

    /// The type and id of the trigger that the path names.
    ///
    /// # Errors
    /// FSS.0400 where one cannot be read.
    pub(crate) fn trigger(&self) -> Result<(String, String), Fault> {
        let Parameters { trigger_type, trigger, .. } = self.parameters;
        Ok((plain("trigger_type_code", trigger_type)?, plain("trigger_id", trigger)?))
    }

    /// What else the path names: `name` is its word for it, `position` its place among those.
    ///
    /// # Errors
    /// FSS.0400 where it cannot be read.
    pub(crate) fn other(&self, position: usize, name: &str) -> Result<String, Fault> {
        plain(name, self.parameters.others[position])
    }
}

fn plain(name: &str, sent: &str) -> Result<String, Fault> {
    let text = percent::decode_text(sent).map_err(|_| {
        Fault::new(
            fungraph_model::ErrorCode::BadParameter,
            format!("The {name} in the path is not percent-encoded UTF-8"),
        )
    })?;
    Ok(text.into_owned())
}

/// Every operation: its name, whether it is built, its method and its path.
pub(crate) fn table() -> impl Iterator<Item = (Operation, &'static str, &'static str)> {
    unsupported::ROWS.iter().map(|row| (row.operation, row.method, row.path))
}

/// The same of what clients call beside the contract's list.
pub(crate) fn more() -> impl Iterator<Item = (Operation, &'static str, &'static str)> {
    unsupported::MORE.iter().map(|row| (row.operation, row.method, row.path))
}

/// Whether a path is one of a call, whose answers carry the id of the run (errors.md, "Envelope").
pub(crate) fn is_invocation(path: &str) -> bool {
    let path = without_slash(path);
    path.ends_with("/invocations") || path.ends_with("/invocations-async")
}

/// Whether a path belongs to the function service, where a body must be signed (SETTLED.md, "Signatures").
pub(crate) fn needs_signed_payload(path: &str) -> bool {
    split::pieces(path, b'/').nth(3) == Some("fgs")
}

/// Finds the operation of a request.
///
/// # Errors
/// FSS.0404 for a path that no operation has; 405 for another method than its operations have.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, Refusal> {
    let path = without_slash(path);
    let mut known: Option<&'static str> = None;
    let mut allow = Vec::new();
    for row in unsupported::ROWS.iter().chain(&unsupported::MORE) {
        if known.is_some_and(|known| known != row.path) {
            continue;
        }
        let Some(parameters) = parameters(row.path, path) else { continue };
        if row.method == method.as_str() {
            let (operation, pattern) = (row.operation, row.path);
            return Ok(Route { operation, project: parameters.project, pattern, parameters });
        }
        known = Some(row.path);
        allow.push(row.method);
    }
    if allow.is_empty() { Err(Refusal::unknown_path()) } else { Err(Refusal::method_not_allowed(&allow.join(", "))) }
}

/// Every row of the table: method, path and the right that it asks for. What tests go through, so that none is forgotten.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str, Right)> {
    unsupported::ROWS.iter().map(|row| (row.method, row.path, row.operation.right()))
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The parameters of a path that has the form of `pattern`.
fn parameters<'a>(pattern: &str, path: &'a str) -> Option<Parameters<'a>> {
    let mut found = Parameters::default();
    let mut given = split::pieces(path, b'/');
    let mut other = 0;
    for part in split::pieces(pattern, b'/') {
        let segment = given.next()?;
        match part {
            "{project_id}" => found.project = segment,
            "{function_urn}" | "{func_urn}" | "{resource_id}" => found.function = segment,
            "{depend_id}" => found.dependency = segment,
            "{version}" => found.version = segment,
            "{alias_name}" => found.alias = segment,
            "{trigger_type_code}" => found.trigger_type = segment,
            "{trigger_id}" => found.trigger = segment,
            // Only functions can be tagged here, and any other word would swallow paths of the function service.
            "{resource_type}" if segment != "functions" => return None,
            "{resource_type}" => {}
            _ if part.starts_with('{') => {
                if let Some(place) = found.others.get_mut(other) {
                    *place = segment;
                }
                other += 1;
            }
            _ if part == segment => continue,
            _ => return None,
        }
        if segment.is_empty() {
            return None;
        }
    }
    given.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: &str) {
        let method = method.parse().expect("a method");
        let found = match find(&method, path) {
            Ok(route) => route.operation.name().to_owned(),
            Err(refusal) => match refusal.allow() {
                Some(allow) => format!("405 {allow}"),
                None => "404".to_owned(),
            },
        };
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn every_operation_is_found_at_its_path() {
        for row in unsupported::ROWS.iter().chain(&unsupported::MORE) {
            let path = row.path.replace("{resource_type}", "functions").replace("{project_id}", "%7Bproject_id%7D");
            check(row.method, &path.replace("_urn}", "_urn%2F:!x}"), row.operation.name());
            check(row.method, &format!("{path}/"), row.operation.name());
        }
    }

    #[test]
    fn fixed_words_come_before_functions() {
        check("POST", "/v2/p/fgs/functions/import", "ImportFunction");
        check("DELETE", "/v2/p/fgs/functions/import", "405 POST");
        check("DELETE", "/v2/p/fgs/functions/statistics", "405 GET");
        check("DELETE", "/v2/p/fgs/functions/imports", "DeleteFunction");
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        for path in ["/", "", "/v2", "/v2/p", "/v2//fgs/functions", "/v2/p/fgs/functions//config", "/v2/p/fgs/tags"] {
            check("GET", path, "404");
        }
        for path in ["/v2/p/fgs/functions/f/invocations/x", "/v3/p/fgs/functions", "/v2/p/fgs/functions/a/b"] {
            check("POST", path, "404");
        }
        check("PATCH", "/v2/p/fgs/functions", "405 GET, POST");
        check("PATCH", "/v2/p/fgs/functions/f/async-invoke-config", "405 DELETE, GET, PUT, POST");
        check("PUT", "/v2/p/fgs/functions/async-status-log-detail", "405 GET, DELETE");
        check("GET", "/v2/p/fgs/functions/f/invocations", "405 POST");
        check("GET", "/v2/p/fgs/functions/f", "405 DELETE");
    }

    #[test]
    fn parameters_are_taken_as_sent() {
        let route = find(&Method::POST, "/v2/p/fgs/functions/urn%3Ax/invocations").expect("a route");
        assert_eq!((route.project, route.parameters.function), ("p", "urn%3Ax"));
        let route = find(&Method::GET, "/v2/p/fgs/dependencies/d%2Fe/version/3").expect("a route");
        assert_eq!((route.dependency(), route.version()), (Ok("d/e".to_owned()), Ok("3".to_owned())));
        let route = find(&Method::PUT, "/v2/p/fgs/triggers/f/timer/a%2Db").expect("a route");
        assert_eq!(route.trigger(), Ok(("timer".to_owned(), "a-b".to_owned())));
        let route = find(&Method::DELETE, "/v2/p/fgs/vpc-endpoint/v%2F1/s").expect("a route");
        assert_eq!((route.other(0, "vpc_id"), route.other(1, "subnet_id")), (Ok("v/1".to_owned()), Ok("s".to_owned())));
        let route = find(&Method::POST, "/v2/p/functions/urn:x/tags/create").expect("a route");
        assert_eq!(route.parameters.function, "urn:x");
        let bad = find(&Method::POST, "/v2/p/fgs/functions/%ff/invocations").expect("a route");
        assert_eq!(bad.function().expect_err("no UTF-8").code, fungraph_model::ErrorCode::BadUrn);
    }
}
