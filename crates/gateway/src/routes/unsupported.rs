//! Every operation of the API with its method and path. Those that are not built answer 501 with their name, after authentication,
//! so that no client takes silence, or a made-up success, for an answer.
//!
//! Order matters where paths overlap: a fixed word stands before a parameter in the same place (conventions.md, "Paths").
//! The call itself is first, since it is what nearly every request is.

use fungraph_model::{ErrorCode, Fault};

use super::Operation;

/// One operation: its name, method and path.
pub(super) struct Row {
    pub(super) operation: Operation,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
}

/// The answer to an operation that is not built.
pub(super) fn refuse(name: &str) -> Fault {
    Fault::new(
        ErrorCode::NotSupported,
        format!(
            "The operation {name} is not built into this server yet: leave the call out, or send it to a service that has it. \
             docs/compatibility.md lists the operations that work"
        ),
    )
}

const fn row(operation: Operation, method: &'static str, path: &'static str) -> Row {
    Row { operation, method, path }
}

/// Those that clients call although the contract's list does not have them (clients.md, 3 and 12).
#[rustfmt::skip]
pub(super) static MORE: [Row; 7] = [
    row(Operation::ListTriggers, "GET", "/v2/{project_id}/fgs/triggers"),
    row(Operation::ListTriggerTypes, "GET", "/v2/{project_id}/fgs/triggertypes"),
    row(Operation::UpdateFunctionAsyncInvokeConfig, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/async-invoke-config"),
    row(Operation::DisableAsyncStatusLog, "DELETE", "/v2/{project_id}/fgs/functions/async-status-log-detail"),
    row(Operation::ShowFeatures, "GET", "/v2/{project_id}/fgs/feature"),
    row(Operation::ListRuntimes, "GET", "/v2/{project_id}/fgs/runtimetypes"),
    row(Operation::ListTrustedAgencies, "GET", "/v2/{project_id}/fgs/service-trusted-agencies"),
];

/// All 92.
#[rustfmt::skip]
pub(super) static ROWS: [Row; 92] = [
    row(Operation::InvokeFunction, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/invocations"),
    row(Operation::NotBuilt("ListAppTemplates"), "GET", "/v2/{project_id}/fgs/application/templates"),
    row(Operation::NotBuilt("ShowAppTemplate"), "GET", "/v2/{project_id}/fgs/application/templates/{id}"),
    row(Operation::NotBuilt("ListFunctionApplications"), "GET", "/v2/{project_id}/fgs/applications"),
    row(Operation::NotBuilt("CreateFunctionApp"), "POST", "/v2/{project_id}/fgs/applications"),
    row(Operation::NotBuilt("DeleteFunctionApp"), "DELETE", "/v2/{project_id}/fgs/applications/{id}"),
    row(Operation::NotBuilt("ShowFunctionApp"), "GET", "/v2/{project_id}/fgs/applications/{id}"),
    row(Operation::ListDependencies, "GET", "/v2/{project_id}/fgs/dependencies"),
    row(Operation::CreateDependencyVersion, "POST", "/v2/{project_id}/fgs/dependencies/version"),
    row(Operation::ListDependencyVersion, "GET", "/v2/{project_id}/fgs/dependencies/{depend_id}/version"),
    row(Operation::DeleteDependencyVersion, "DELETE", "/v2/{project_id}/fgs/dependencies/{depend_id}/version/{version}"),
    row(Operation::ShowDependencyVersion, "GET", "/v2/{project_id}/fgs/dependencies/{depend_id}/version/{version}"),
    row(Operation::ListFunctionAsMetric, "GET", "/v2/{project_id}/fgs/function/report"),
    row(Operation::ListFunctions, "GET", "/v2/{project_id}/fgs/functions"),
    row(Operation::CreateFunction, "POST", "/v2/{project_id}/fgs/functions"),
    row(Operation::ShowProjectAsyncStatusLogInfo, "GET", "/v2/{project_id}/fgs/functions/async-status-log-detail"),
    row(Operation::EnableAsyncStatusLog, "POST", "/v2/{project_id}/fgs/functions/enable-async-status-logs"),
    row(Operation::EnableLtsLogs, "POST", "/v2/{project_id}/fgs/functions/enable-lts-logs"),
    row(Operation::ImportFunction, "POST", "/v2/{project_id}/fgs/functions/import"),
    row(Operation::ListReservedInstanceConfigs, "GET", "/v2/{project_id}/fgs/functions/reservedinstanceconfigs"),
    row(Operation::ListFunctionReservedInstances, "GET", "/v2/{project_id}/fgs/functions/reservedinstances"),
    row(Operation::ListStatistics, "GET", "/v2/{project_id}/fgs/functions/statistics"),
    row(Operation::UpdateFunctionCollectState, "PUT", "/v2/{project_id}/fgs/functions/{func_urn}/collect/{state}"),
    row(Operation::ShowFuncReservedInstanceMetrics, "GET", "/v2/{project_id}/fgs/functions/{func_urn}/instancereports"),
    row(Operation::ShowFunctionMetrics, "GET", "/v2/{project_id}/fgs/functions/{func_urn}/slareports/{period}"),
    row(Operation::ListFunctionStatistics, "GET", "/v2/{project_id}/fgs/functions/{func_urn}/statistics/{period}"),
    row(Operation::DeleteFunction, "DELETE", "/v2/{project_id}/fgs/functions/{function_urn}"),
    row(Operation::ListActiveAsyncInvocations, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/active-async-invocations"),
    row(Operation::ListVersionAliases, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/aliases"),
    row(Operation::CreateVersionAlias, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/aliases"),
    row(Operation::DeleteVersionAlias, "DELETE", "/v2/{project_id}/fgs/functions/{function_urn}/aliases/{alias_name}"),
    row(Operation::ShowVersionAlias, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/aliases/{alias_name}"),
    row(Operation::UpdateVersionAlias, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/aliases/{alias_name}"),
    row(Operation::ListAsyncInvocations, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/async-invocations"),
    row(Operation::DeleteFunctionAsyncInvokeConfig, "DELETE", "/v2/{project_id}/fgs/functions/{function_urn}/async-invoke-config"),
    row(Operation::ShowFunctionAsyncInvokeConfig, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/async-invoke-config"),
    row(Operation::UpdateFunctionAsyncInvokeConfig, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/async-invoke-config"),
    row(Operation::ListFunctionAsyncInvokeConfig, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/async-invoke-configs"),
    row(Operation::CancelAsyncInvocation, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/cancel"),
    row(Operation::ShowFunctionCode, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/code"),
    row(Operation::UpdateFunctionCode, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/code"),
    row(Operation::ShowFunctionConfig, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/config"),
    row(Operation::UpdateFunctionConfig, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/config"),
    row(Operation::UpdateFunctionMaxInstanceConfig, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/config-max-instance"),
    row(Operation::ListEvents, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/events"),
    row(Operation::CreateEvent, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/events"),
    row(Operation::DeleteEvent, "DELETE", "/v2/{project_id}/fgs/functions/{function_urn}/events/{event_id}"),
    row(Operation::ShowEvent, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/events/{event_id}"),
    row(Operation::UpdateEvent, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/events/{event_id}"),
    row(Operation::ExportFunction, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/export"),
    row(Operation::AsyncInvokeFunction, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/invocations-async"),
    row(Operation::ShowLtsLogDetails, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/lts-log-detail"),
    row(Operation::UpdateFunctionReservedInstancesCount, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/reservedinstances"),
    row(Operation::NotBuilt("ListBridgeFunctions"), "GET", "/v2/{project_id}/fgs/functions/{function_urn}/servicebridge/relation"),
    row(Operation::NotBuilt("ShowFuncSnapshotState"), "GET", "/v2/{project_id}/fgs/functions/{function_urn}/snapshots/{action}"),
    row(Operation::NotBuilt("UpdateFuncSnapshot"), "POST", "/v2/{project_id}/fgs/functions/{function_urn}/snapshots/{action}"),
    row(Operation::ShowTracing, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/tracing"),
    row(Operation::UpdateTracing, "PUT", "/v2/{project_id}/fgs/functions/{function_urn}/tracing"),
    row(Operation::ListFunctionVersions, "GET", "/v2/{project_id}/fgs/functions/{function_urn}/versions"),
    row(Operation::CreateFunctionVersion, "POST", "/v2/{project_id}/fgs/functions/{function_urn}/versions"),
    row(Operation::ListQuotas, "GET", "/v2/{project_id}/fgs/quotas"),
    row(Operation::NotBuilt("ListBridgeVersions"), "GET", "/v2/{project_id}/fgs/servicebridge/version"),
    row(Operation::ListFunctionTemplate, "GET", "/v2/{project_id}/fgs/templates"),
    row(Operation::ShowFunctionTemplate, "GET", "/v2/{project_id}/fgs/templates/{template_id}"),
    row(Operation::BatchDeleteFunctionTriggers, "DELETE", "/v2/{project_id}/fgs/triggers/{function_urn}"),
    row(Operation::ListFunctionTriggers, "GET", "/v2/{project_id}/fgs/triggers/{function_urn}"),
    row(Operation::CreateFunctionTrigger, "POST", "/v2/{project_id}/fgs/triggers/{function_urn}"),
    row(Operation::DeleteFunctionTrigger, "DELETE", "/v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}"),
    row(Operation::ShowFunctionTrigger, "GET", "/v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}"),
    row(Operation::UpdateTrigger, "PUT", "/v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}"),
    row(Operation::CreateVpcEndpoint, "POST", "/v2/{project_id}/fgs/vpc-endpoint"),
    row(Operation::DeleteVpcEndpoint, "DELETE", "/v2/{project_id}/fgs/vpc-endpoint/{vpc_id}/{subnet_id}"),
    row(Operation::NotBuilt("ShowTenantMetric"), "GET", "/v2/{project_id}/fgs/workflow-statistic"),
    row(Operation::NotBuilt("ShowWorkFlowMetric"), "GET", "/v2/{project_id}/fgs/workflow-statistic/{workflow_urn}"),
    row(Operation::NotBuilt("BatchDeleteWorkflows"), "DELETE", "/v2/{project_id}/fgs/workflows"),
    row(Operation::NotBuilt("ListWorkflow"), "GET", "/v2/{project_id}/fgs/workflows"),
    row(Operation::NotBuilt("CreateWorkflow"), "POST", "/v2/{project_id}/fgs/workflows"),
    row(Operation::NotBuilt("ShowWorkFlow"), "GET", "/v2/{project_id}/fgs/workflows/{workflow_id}"),
    row(Operation::NotBuilt("UpdateWorkFlow"), "PUT", "/v2/{project_id}/fgs/workflows/{workflow_id}"),
    row(Operation::NotBuilt("CreateCallbackWorkflow"), "POST", "/v2/{project_id}/fgs/workflows/{workflow_id}/callback"),
    row(Operation::NotBuilt("ListWorkflowExecutions"), "GET", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions"),
    row(Operation::NotBuilt("StartWorkflowExecution"), "POST", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions"),
    row(Operation::NotBuilt("ShowWorkflowExecution"), "GET", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions/{execution_id}"),
    row(Operation::NotBuilt("RetryWorkFlow"), "POST", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions/{execution_id}/retry"),
    row(Operation::NotBuilt("StopWorkFlow"), "POST", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions/{execution_id}/terminate"),
    row(Operation::NotBuilt("ShowWorkflowExecutionForPage"), "GET", "/v2/{project_id}/fgs/workflows/{workflow_id}/executions-history"),
    row(Operation::NotBuilt("StartSyncWorkflowExecution"), "POST", "/v2/{project_id}/fgs/workflows/{workflow_id}/sync-executions"),
    row(Operation::ShowResInstanceInfo, "POST", "/v2/{project_id}/{resource_type}/resource-instances/{action}"),
    row(Operation::ShowProjectTagsList, "GET", "/v2/{project_id}/{resource_type}/tags"),
    row(Operation::ListFunctionTags, "GET", "/v2/{project_id}/{resource_type}/{resource_id}/tags"),
    row(Operation::CreateTags, "POST", "/v2/{project_id}/{resource_type}/{resource_id}/tags/create"),
    row(Operation::DeleteTags, "DELETE", "/v2/{project_id}/{resource_type}/{resource_id}/tags/delete"),
];

/// Whether an operation does more than answer 501.
pub(super) fn is_built(name: &str) -> bool {
    !ROWS.iter().any(|row| matches!(row.operation, Operation::NotBuilt(missing) if missing == name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const OPERATIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/operations.json"));

    #[test]
    fn the_table_is_the_contracts() {
        let contract: Value = serde_json::from_str(OPERATIONS).expect("the contract is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let contract: BTreeSet<_> = contract
            .as_array()
            .expect("a list")
            .iter()
            .map(|row| (text(&row["operation"]), text(&row["method"]), text(&row["path"])))
            .collect();
        let ours: BTreeSet<_> = ROWS
            .iter()
            .map(|row| (row.operation.name().to_owned(), row.method.to_owned(), row.path.to_owned()))
            .collect();
        assert_eq!(ours.len(), ROWS.len());
        assert_eq!(ours, contract);
    }

    #[test]
    fn a_refusal_names_the_operation() {
        let fault = refuse("CreateWorkflow");
        assert_eq!(fault.code, ErrorCode::NotSupported);
        assert!(fault.message.contains("CreateWorkflow"));
    }
}
