//! The configuration of a function, checked.

use std::{collections::BTreeMap, time::Duration};

use crate::{Language, Mounts, Runtime, Secret};

/// Everything a version is configured with. Made by engine from a request; each field is inside its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// Runtime; never changes.
    pub runtime: Runtime,
    /// Handler, 1 to 128 characters.
    pub handler: String,
    /// Seconds the handler may take.
    pub timeout_s: u32,
    /// Memory in MB, one of `limits::MEMORY_MB`.
    pub memory_mb: u32,
    /// Size of `/tmp` in MB.
    pub tmp_mb: u32,
    /// Initializer, run once per instance.
    pub initializer: Option<HookSpec>,
    /// Pre-stop handler, run when an instance leaves in order.
    pub pre_stop: Option<HookSpec>,
    /// User variables.
    pub user_data: BTreeMap<String, String>,
    /// User variables whose values are secret.
    pub encrypted_user_data: BTreeMap<String, Secret>,
    /// How many instances, how many calls in each.
    pub strategy: Strategy,
    /// Free text.
    pub description: String,
    /// Whether `X-Cff-Instance-Memory` counts.
    pub dynamic_memory: bool,
    /// What it sees of the operator's folders.
    pub mounts: Mounts,
    /// Settings that are stored and given back but have no effect yet, where the code came from ([`CODE_URL`]), and those of Java alone
    /// ([`HEARTBEAT_HANDLER`], [`CLASS_ISOLATION`]), which nobody but its bootstrap looks at: a JSON object with the API's field names.
    pub passive: String,
}

/// Among [`FunctionSpec::passive`]: the method that an instance is asked with, from time to time, whether all is well.
pub const HEARTBEAT_HANDLER: &str = "heartbeat_handler";
/// Among [`FunctionSpec::passive`]: whether the function does not see the libraries that its bootstrap uses.
pub const CLASS_ISOLATION: &str = "enable_class_isolation";

/// Among [`FunctionSpec::passive`]: where code of the type `obs` came from, as it may be shown.
pub const CODE_URL: &str = "code_url";

/// A program without an initializer has at least this long until it asks for its first event (contract: custom-runtime.md 1.1).
const FIRST_EVENT: Duration = Duration::from_secs(10);
/// And never longer than a synchronous call may take.
const LONGEST_START: Duration = Duration::from_secs(900);
/// What a program gets to end by itself: two seconds from SIGTERM to SIGKILL, and the way there (contract: custom-runtime.md 1.3).
const FAREWELL: Duration = Duration::from_secs(3);

impl FunctionSpec {
    /// How long a program of the user's own may take until it is ready; `None` where loading has no time of its own, but is part of
    /// the start of an instance.
    #[must_use]
    pub fn ready_limit(&self) -> Option<Duration> {
        let initializer = self.initializer.as_ref().map(|hook| Duration::from_secs(hook.timeout_s.into()));
        match self.runtime.language() {
            Language::Custom => {
                let timeout = Duration::from_secs(self.timeout_s.into());
                Some(initializer.unwrap_or_else(|| timeout.clamp(FIRST_EVENT, LONGEST_START)))
            }
            Language::Http | Language::Go | Language::Image => initializer,
            _ => None,
        }
    }

    /// How long an instance that leaves in order is waited for; `None` where nothing of it wants to know.
    #[must_use]
    pub fn farewell(&self) -> Option<Duration> {
        if self.runtime.is_native() {
            return Some(FAREWELL);
        }
        self.pre_stop.as_ref().map(|hook| Duration::from_secs(hook.timeout_s.into()))
    }

    /// Calls at once in one instance, at least 1. An instance of PHP runs one thing at a time, whatever it is configured with: a call
    /// that waited inside would use up its time limit there, and end the others with it.
    #[must_use]
    pub fn calls_at_once(&self) -> usize {
        if self.runtime.language() == Language::Php { 1 } else { self.strategy.concurrent_num as usize }
    }
}

/// A hook of the function: initializer or pre-stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSpec {
    /// `file.function`.
    pub handler: String,
    /// Seconds it may take.
    pub timeout_s: u32,
}

/// How a function scales (contract: async.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Most instances; -1 no limit, 0 disabled.
    pub concurrency: i32,
    /// Calls at once in one instance.
    pub concurrent_num: u32,
}

impl Default for Strategy {
    fn default() -> Self {
        Self { concurrency: crate::limits::INSTANCES, concurrent_num: 1 }
    }
}

impl Strategy {
    /// Whether calls are refused.
    #[must_use]
    pub fn disabled(self) -> bool {
        self.concurrency == 0
    }

    /// Most instances; `None` for no limit.
    #[must_use]
    pub fn most_instances(self) -> Option<usize> {
        usize::try_from(self.concurrency).ok()
    }
}
