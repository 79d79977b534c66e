//! What is set for a project as a whole. It is kept and given back; none of it changes how functions run here.

use fungraph_model::{Caller, ErrorCode, Fault, FunctionRef, LogKind, LogPlace, VpcEndpoint};
use fungraph_store::Error as StoreError;
use serde_json::Value;
use uuid::Uuid;

use crate::{Engine, Error, functions};

/// VPC endpoints of one project; the contract has no number.
const VPC_ENDPOINTS: usize = 100;
/// Characters of a network's id; real ones are UUIDs.
const ID_CHARS: usize = 64;

/// CreateVpcEndpoint.
#[derive(Clone, Debug, Default)]
pub struct VpcEndpointDraft {
    /// `vpc_id`.
    pub vpc_id: Option<String>,
    /// `subnet_id`.
    pub subnet_id: Option<String>,
    /// `flavor`.
    pub flavor: Option<String>,
    /// `xrole`.
    pub xrole: Option<String>,
}

impl Engine {
    /// Keeps a VPC endpoint; one for the same network is replaced.
    ///
    /// # Errors
    /// FSS.0400 naming the field, FSS.1048 where there are too many, FSS.0403 where the project was deleted just now.
    pub async fn create_vpc_endpoint(&self, caller: &Caller, draft: VpcEndpointDraft) -> Result<(), Error> {
        let endpoint = VpcEndpoint {
            vpc_id: id("vpc_id", draft.vpc_id)?,
            subnet_id: id("subnet_id", draft.subnet_id)?,
            flavor: short("flavor", draft.flavor)?,
            xrole: short("xrole", draft.xrole)?,
        };
        let _alone = self.turns.of_project(&caller.project).await;
        self.is_still_there(&caller.project)?;
        match self.store.add_vpc_endpoint(caller, &endpoint, VPC_ENDPOINTS).await {
            Ok(()) => Ok(()),
            Err(StoreError::Full { most }) => Err(Fault::new(
                ErrorCode::TooManyVpcs,
                format!("The project has {most} VPC endpoints, the most it may have. Delete one first"),
            )
            .into()),
            Err(source) => Err(Error::internal("store a VPC endpoint", source)),
        }
    }

    /// Removes a VPC endpoint; one that is not there is none to remove, as clients expect.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_vpc_endpoint(&self, caller: &Caller, vpc_id: &str, subnet_id: &str) -> Result<(), Error> {
        let deleted = self.store.delete_vpc_endpoint(&caller.project, vpc_id, subnet_id).await;
        deleted.map(|_| ()).map_err(|source| Error::internal("delete a VPC endpoint", source))
    }

    /// Switches a project's logs of some kind on: gives them a place with fresh ids.
    ///
    /// # Errors
    /// FSS.1221 where the logs of functions are on already.
    pub async fn enable_logs(&self, caller: &Caller, kind: LogKind) -> Result<(), Error> {
        let of = if kind == LogKind::AsyncStates { ".async" } else { "" };
        let id = || Uuid::new_v4().to_string();
        let place = LogPlace {
            group_id: id(),
            group_name: format!("functiongraph.log.group{of}.{}", caller.project),
            stream_id: id(),
            stream_name: format!("functiongraph.log.stream{of}.{}", caller.project),
        };
        let _alone = self.turns.of_project(&caller.project).await;
        self.is_still_there(&caller.project)?;
        let added = self.store.add_log_place(caller, kind, &place).await;
        let added = added.map_err(|source| Error::internal("switch logs on", source))?;
        if !added && kind == LogKind::Functions {
            let message = "Log collection is on for this project already. There is nothing to do";
            return Err(Fault::new(ErrorCode::LogsOnAlready, message).into());
        }
        Ok(())
    }

    /// Where a project's logs of some kind go.
    ///
    /// # Errors
    /// FSS.0404 where they are not switched on.
    pub async fn log_place(&self, caller: &Caller, kind: LogKind) -> Result<LogPlace, Error> {
        let found = self.store.log_place(&caller.project, kind).await;
        let found = found.map_err(|source| Error::internal("read where logs go", source))?;
        let operation = if kind == LogKind::AsyncStates { "EnableAsyncStatusLog" } else { "EnableLtsLogs" };
        found.ok_or_else(|| not_found(&format!("This project has no such log. {operation} switches it on")).into())
    }

    /// Switches a project's logs of some kind off.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn disable_logs(&self, caller: &Caller, kind: LogKind) -> Result<(), Error> {
        let deleted = self.store.delete_log_place(&caller.project, kind).await;
        deleted.map_err(|source| Error::internal("switch logs off", source))
    }

    /// Where the log of a function goes: the place of its configuration, else its own stream in the project's group.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing, FSS.0404 where neither is set.
    pub async fn function_log_place(&self, caller: &Caller, function: &FunctionRef) -> Result<LogPlace, Error> {
        let key = functions::key(caller, function)?;
        let version = self.read(&key).await?.ok_or_else(|| functions::missing(&key))?;
        if let Some(place) = configured(&version.spec.passive) {
            return Ok(place);
        }
        let found = self.store.log_place(&key.project, LogKind::Functions).await;
        let group = found.map_err(|source| Error::internal("read where logs go", source))?;
        let group = group.ok_or_else(|| {
            not_found("The function has no log group. EnableLtsLogs makes one for the project, or log_config names one")
        })?;
        let stream_id = Uuid::parse_str(&version.func_id).map_or(version.func_id, |id| id.to_string());
        Ok(LogPlace { stream_id, stream_name: format!("{}_{}", key.package, key.name), ..group })
    }
}

/// `log_config` of a function, where it names a group.
fn configured(passive: &str) -> Option<LogPlace> {
    let passive: Value = serde_json::from_str(passive).ok()?;
    let config = passive.get("log_config")?;
    let text = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
    let place = LogPlace {
        group_id: text("group_id"),
        group_name: text("group_name"),
        stream_id: text("stream_id"),
        stream_name: text("stream_name"),
    };
    (!place.group_id.is_empty()).then_some(place)
}

fn not_found(message: &str) -> Fault {
    Fault::new(ErrorCode::NotFound, message)
}

fn id(field: &str, given: Option<String>) -> Result<String, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadParameter, format!("The field '{field}' {why}"));
    let given = given.filter(|id| !id.is_empty()).ok_or_else(|| bad("is missing. Send the id of the network"))?;
    let good = given.len() <= ID_CHARS && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    good.then_some(given).ok_or_else(|| bad("must have 1 to 64 letters, digits and dashes"))
}

fn short(field: &str, given: Option<String>) -> Result<String, Fault> {
    let given = given.unwrap_or_default();
    let message = || format!("The field '{field}' has more than 64 characters. Shorten it");
    if given.chars().count() <= ID_CHARS { Ok(given) } else { Err(Fault::new(ErrorCode::BadParameter, message())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_group_of_the_configuration_wins() {
        let place =
            configured(r#"{"log_config":{"group_id":"g","stream_id":"s","group_name":null}}"#).expect("a place");
        assert_eq!((place.group_id.as_str(), place.stream_id.as_str(), place.group_name.as_str()), ("g", "s", ""));
        for passive in ["{}", "x", r#"{"log_config":{}}"#, r#"{"log_config":{"group_id":""}}"#] {
            assert_eq!(configured(passive), None, "{passive}");
        }
    }

    #[test]
    fn ids_of_networks() {
        for (given, fine) in [("9a-B", true), ("", false), ("a/b", false), ("..", false), (&*"x".repeat(65), false)] {
            assert_eq!(id("vpc_id", Some(given.to_owned())).is_ok(), fine, "{given}");
        }
    }
}
