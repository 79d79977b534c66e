//! What each operation asks of its caller: the one table. A new operation does not compile without its line.

use fungraph_model::{ErrorCode, Fault, Right, Rights};

use super::Operation;

impl Operation {
    /// The right that a caller needs in the project of the path.
    pub(crate) fn right(self) -> Right {
        match self {
            Self::InvokeFunction | Self::AsyncInvokeFunction => Right::Invoke,
            Self::ListFunctions
            | Self::ShowFunctionConfig
            | Self::ShowFunctionCode
            | Self::ListReservedInstanceConfigs
            | Self::ListFunctionReservedInstances
            | Self::ListDependencies
            | Self::ListDependencyVersion
            | Self::ShowDependencyVersion
            | Self::ListFunctionVersions
            | Self::ListVersionAliases
            | Self::ShowVersionAlias
            | Self::ListFunctionTriggers
            | Self::ShowFunctionTrigger
            | Self::ListTriggers
            | Self::ListTriggerTypes
            | Self::ListFunctionTemplate
            | Self::ShowFunctionTemplate
            | Self::ListEvents
            | Self::ShowEvent
            | Self::ListFunctionTags
            | Self::ShowProjectTagsList
            | Self::ShowResInstanceInfo
            | Self::ListQuotas
            | Self::ShowFunctionAsyncInvokeConfig
            | Self::ListFunctionAsyncInvokeConfig
            | Self::ListAsyncInvocations
            | Self::ListActiveAsyncInvocations
            | Self::ShowProjectAsyncStatusLogInfo
            | Self::ShowLtsLogDetails
            | Self::ShowFeatures
            | Self::ListRuntimes
            | Self::ListTrustedAgencies
            | Self::ListStatistics
            | Self::ListFunctionStatistics
            | Self::ShowFunctionMetrics
            | Self::ShowFuncReservedInstanceMetrics
            | Self::ListFunctionAsMetric => Right::Read,
            // What it gives, each by itself may be read too.
            Self::ExportFunction => Right::Read,
            // It gives a secret away, which whoever may only look has no need of.
            Self::ShowTracing => Right::Change,
            Self::CreateFunction
            | Self::ImportFunction
            | Self::UpdateFunctionConfig
            | Self::UpdateFunctionCode
            | Self::DeleteFunction
            | Self::UpdateFunctionReservedInstancesCount
            | Self::UpdateFunctionMaxInstanceConfig
            | Self::CreateDependencyVersion
            | Self::DeleteDependencyVersion
            | Self::CreateFunctionVersion
            | Self::CreateVersionAlias
            | Self::UpdateVersionAlias
            | Self::DeleteVersionAlias
            | Self::CreateFunctionTrigger
            | Self::UpdateTrigger
            | Self::DeleteFunctionTrigger
            | Self::BatchDeleteFunctionTriggers
            | Self::CreateEvent
            | Self::UpdateEvent
            | Self::DeleteEvent
            | Self::CreateTags
            | Self::DeleteTags
            | Self::UpdateFunctionAsyncInvokeConfig
            | Self::DeleteFunctionAsyncInvokeConfig
            // Somebody else's call ends, and by force those beside it in the same instance too.
            | Self::CancelAsyncInvocation
            | Self::UpdateTracing
            | Self::UpdateFunctionCollectState
            | Self::CreateVpcEndpoint
            | Self::DeleteVpcEndpoint
            | Self::EnableLtsLogs
            | Self::EnableAsyncStatusLog
            | Self::DisableAsyncStatusLog => Right::Change,
            Self::NotBuilt(name) => of_not_built(name),
        }
    }
}

/// By the first word of its name, until it is built and has a line above.
fn of_not_built(name: &str) -> Right {
    if name.starts_with("List") || name.starts_with("Show") { Right::Read } else { Right::Change }
}

/// Lets a request pass.
///
/// # Errors
/// FSS.0401 where the caller's roles in the project do not allow the operation.
pub(crate) fn check(rights: Rights, operation: Operation) -> Result<(), Fault> {
    check_right(rights, operation.right())
}

/// As [`check`], for what is no operation of the API.
pub(crate) fn check_right(rights: Rights, needed: Right) -> Result<(), Fault> {
    if rights.hold(needed) {
        return Ok(());
    }
    let (what, roles) = match needed {
        Right::Read => ("look at what is there", "reader, developer or admin"),
        Right::Invoke => ("call functions", "invoker, developer or admin"),
        Right::Change => ("change anything", "developer or admin"),
        Right::Administer => ("decide about users, keys and projects", "admin"),
    };
    let message = format!(
        "The caller's roles in this project do not permit to {what}: an administrator can grant the role {roles} \
         (fungraph user grant)"
    );
    Err(Fault::new(ErrorCode::NotPermitted, message))
}

#[cfg(test)]
mod tests {
    use fungraph_model::Role;

    use super::*;

    #[test]
    fn a_role_does_what_its_name_says() {
        let check = |role: Role, operation: Operation, expected: bool| {
            let found = check(role.rights(), operation);
            assert_eq!(found.is_ok(), expected, "{role:?} {operation:?}");
            assert!(found.err().is_none_or(|fault| fault.code == ErrorCode::NotPermitted));
        };
        for (operation, roles) in [
            (Operation::ListFunctions, [true, true, false, true]),
            (Operation::ShowFunctionCode, [true, true, false, true]),
            (Operation::InvokeFunction, [true, true, true, false]),
            (Operation::DeleteFunction, [true, true, false, false]),
            (Operation::NotBuilt("ShowTenantMetric"), [true, true, false, true]),
            (Operation::NotBuilt("StartWorkflowExecution"), [true, true, false, false]),
        ] {
            for (role, expected) in Role::ALL.into_iter().zip(roles) {
                check(role, operation, expected);
            }
        }
    }
}
