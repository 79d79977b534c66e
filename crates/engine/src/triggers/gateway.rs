//! Which gateway trigger a request belongs to: group, path and method lead to it, from memory. Pure but for the trigger's own data.
//!
//! Paths are compared as sent, segment by segment, before anything is decoded: `%2F` never makes a segment, and `/a%62` is not `/ab`.

mod pattern;
mod tree;

use std::{collections::HashMap, sync::Arc, time::Duration};

use fungraph_model::{Caller, FunctionRef, Trigger, TriggerId};
use serde_json::{Map, Value};

use super::check::shown;
pub(super) use pattern::Pattern;
use tree::Tree;

/// A request of a gateway has found its function.
#[derive(Clone, Debug)]
pub struct GatewayRoute {
    /// What was set for it.
    pub api: Arc<GatewayApi>,
    /// Parameters of the path by their names, as sent: nothing is decoded. Where a prefix matched, what follows it stands under the
    /// empty name.
    pub parameters: Vec<(String, String)>,
}

/// A gateway trigger, read.
#[derive(Debug)]
pub struct GatewayApi {
    /// The trigger.
    pub trigger: TriggerId,
    /// Its API's id: the trigger's without dashes.
    pub id: String,
    /// API group.
    pub group: String,
    /// `env_name`: the stage of the event's context.
    pub stage: String,
    /// Who may call.
    pub auth: GatewayAuth,
    /// Whether the caller waits for the function.
    pub waits: bool,
    /// How long at most.
    pub timeout: Duration,
    /// Whether pages of other sites may call.
    pub cors: bool,
    /// Whose function it is.
    pub owner: Caller,
    /// The function, with the version or alias.
    pub function: FunctionRef,
    method: Method,
    pattern: Pattern,
    /// Whether more may follow the path.
    is_prefix: bool,
}

/// Who may call an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayAuth {
    /// Everybody.
    None,
    /// Whoever signs with an access key of the project.
    Iam,
    /// Whoever has an application's key.
    App,
}

/// `req_method`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Method {
    Any,
    One(String),
}

impl Method {
    fn takes(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one == method,
        }
    }
}

impl GatewayApi {
    /// Reads a trigger; `None` where its data was not written by us.
    pub(super) fn of(trigger: &Trigger) -> Option<Self> {
        let data = shown(&trigger.data);
        let text = |name: &str| data.get(name).and_then(Value::as_str);
        let func_info = data.get("func_info").and_then(Value::as_object);
        let timeout_ms = func_info.and_then(|info| info.get("timeout")?.as_u64())?;
        Some(Self {
            trigger: trigger.id.clone(),
            id: api_id(&trigger.id),
            group: text("group_id")?.to_owned(),
            stage: text("env_name")?.to_owned(),
            auth: match text("auth")? {
                "NONE" => GatewayAuth::None,
                "APP" => GatewayAuth::App,
                _ => GatewayAuth::Iam,
            },
            waits: func_info.and_then(|info| info.get("invocation_type")?.as_str()) != Some("async"),
            timeout: Duration::from_millis(timeout_ms),
            cors: data.get("cors").and_then(Value::as_bool).unwrap_or(false),
            owner: Caller { domain: trigger.domain.clone(), project: trigger.key.project.clone() },
            function: FunctionRef {
                project: Some(trigger.key.project.clone()),
                package: trigger.key.package.clone(),
                name: trigger.key.name.clone(),
                qualifier: Some(trigger.qualifier.clone()),
            },
            method: match text("req_method")? {
                "ANY" => Method::Any,
                method => Method::One(method.to_owned()),
            },
            pattern: Pattern::parse(text("path")?).ok()?,
            is_prefix: text("match_mode")? == "SWA",
        })
    }

    /// Whether it takes the place that another one wants.
    pub(super) fn is_in_place_of(&self, other: &Self) -> bool {
        key(&self.group) == key(&other.group) && self.is_same(other)
    }

    /// Whether no request could tell them apart.
    fn is_same(&self, other: &Self) -> bool {
        self.method == other.method && self.is_prefix == other.is_prefix && self.pattern.is_same(&other.pattern)
    }
}

/// Id of a trigger's API.
#[must_use]
pub fn api_id(trigger: &TriggerId) -> String {
    trigger.0.replace('-', "")
}

/// Every gateway trigger, found by its group or its own id.
#[derive(Debug, Default)]
pub(super) struct Routes {
    groups: HashMap<String, Group>,
    apis: HashMap<String, Arc<GatewayApi>>,
}

#[derive(Debug, Default)]
struct Group {
    apis: Vec<Arc<GatewayApi>>,
    tree: Tree,
}

impl Routes {
    /// Takes some away and adds others.
    pub(super) fn replace(&mut self, old: &[Arc<GatewayApi>], new: &[Arc<GatewayApi>]) {
        let mut touched: Vec<String> = old.iter().chain(new).map(|api| key(&api.group)).collect();
        touched.sort_unstable();
        touched.dedup();
        for api in old {
            self.apis.remove(&api.id);
            if let Some(group) = self.groups.get_mut(&key(&api.group)) {
                group.apis.retain(|known| !Arc::ptr_eq(known, api));
            }
        }
        for api in new {
            self.apis.insert(api.id.clone(), Arc::clone(api));
            self.groups.entry(key(&api.group)).or_default().apis.push(Arc::clone(api));
        }
        for name in touched {
            let Some(group) = self.groups.get_mut(&name) else { continue };
            if group.apis.is_empty() {
                self.groups.remove(&name);
            } else {
                group.tree = Tree::of(&group.apis);
            }
        }
    }

    /// The trigger that takes a request: of those whose method fits, the one that most of the path belongs to; a whole path before a
    /// prefix, letters before parameters, a method before ANY. `group` is a group's id, or that of one trigger or API.
    pub(super) fn find(&self, group: &str, path: &str, method: &str) -> Option<GatewayRoute> {
        let segments = pattern::segments(path);
        // Ids of triggers come first: we made them, while anybody may call a group like one.
        let api = match self.apis.get(&key(group).replace('-', "")) {
            Some(api) => Tree::of(std::slice::from_ref(api)).find(&segments, method)?,
            None => self.groups.get(&key(group))?.tree.find(&segments, method)?,
        };
        let parameters = api.pattern.parameters(&segments, api.is_prefix);
        Some(GatewayRoute { api, parameters })
    }

    /// One that a new one could not be told from.
    pub(super) fn same(&self, new: &GatewayApi) -> Option<&GatewayApi> {
        let group = self.groups.get(&key(&new.group))?;
        group.apis.iter().find(|api| api.trigger != new.trigger && api.is_same(new)).map(AsRef::as_ref)
    }

    /// Whether somebody else has a group of that id.
    pub(super) fn is_of_others(&self, group: &str, owner: &Caller) -> bool {
        let found = self.groups.get(&key(group));
        found.is_some_and(|group| group.apis.iter().any(|api| api.owner.project != owner.project))
    }
}

/// Groups are labels of host names too, where case does not count.
fn key(group: &str) -> String {
    group.to_ascii_lowercase()
}

/// The event data of a gateway trigger with what the platform knows: all but the address, which depends on where the client is.
pub(super) fn complete(trigger: &Trigger, urn: &str, data: &mut Map<String, Value>) {
    let name = data.get("name").cloned().unwrap_or_default();
    if let Some(Value::Object(func_info)) = data.get_mut("func_info") {
        func_info.insert("function_urn".to_owned(), Value::from(urn));
        func_info.insert("version".to_owned(), Value::from(trigger.qualifier.to_string()));
    }
    data.insert("triggerid".to_owned(), Value::from(trigger.id.0.as_str()));
    data.insert("api_id".to_owned(), Value::from(api_id(&trigger.id)));
    data.insert("api_name".to_owned(), name);
}

#[cfg(test)]
mod tests;
