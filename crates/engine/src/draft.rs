//! What a request asks for, typed but not yet checked. Gateway fills these; `validate` makes specifications of them.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use serde_json::{Map, Value};

/// A function to create.
#[derive(Clone, Debug, Default)]
pub struct FunctionDraft {
    /// `func_name`.
    pub name: Option<String>,
    /// `package`; `default` where absent or empty.
    pub package: Option<String>,
    /// Configuration.
    pub spec: SpecDraft,
    /// Code.
    pub code: CodeDraft,
    /// Dependencies.
    pub attached: AttachedDraft,
    /// `tags`: all of them in one text.
    pub tags: Option<String>,
}

/// Dependencies of a function. Where both lists are absent, an update leaves them as they are.
#[derive(Clone, Debug, Default)]
pub struct AttachedDraft {
    /// `depend_version_list`: ids of versions, or of dependencies, whose last version is meant then.
    pub versions: Option<Vec<String>>,
    /// `depend_list`, from clients of before: the same; looked at where the other one is absent.
    pub list: Option<Vec<String>>,
}

impl AttachedDraft {
    /// Whether it says anything.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.versions.is_some() || self.list.is_some()
    }
}

/// CreateFunctionVersion.
#[derive(Clone, Debug, Default)]
pub struct VersionDraft {
    /// `version`; one is made up where it is absent.
    pub name: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `digest` that the code must have.
    pub digest: Option<String>,
}

/// CreateVersionAlias and UpdateVersionAlias, but for the name.
#[derive(Clone, Debug, Default)]
pub struct AliasDraft {
    /// `version`.
    pub version: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `additional_version_weights`.
    pub weights: Vec<(String, i64)>,
    /// `additional_version_strategy`.
    pub rules: Vec<(String, RulesDraft)>,
}

/// One value of `additional_version_strategy`.
#[derive(Clone, Debug, Default)]
pub struct RulesDraft {
    /// `combine_type`.
    pub combine: Option<String>,
    /// `rules`.
    pub rules: Vec<RuleDraft>,
}

/// One entry of `rules`.
#[derive(Clone, Debug, Default)]
pub struct RuleDraft {
    /// `rule_type`.
    pub kind: Option<String>,
    /// `param`.
    pub param: Option<String>,
    /// `op`.
    pub op: Option<String>,
    /// `value`.
    pub value: Option<String>,
}

/// CreateDependencyVersion.
#[derive(Clone, Debug, Default)]
pub struct DependencyDraft {
    /// `name`.
    pub name: Option<String>,
    /// `depend_type`.
    pub kind: Option<String>,
    /// `runtime`.
    pub runtime: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `depend_file`: base64 of a zip.
    pub file: Option<Encoded>,
    /// `depend_link`: where to fetch it from.
    pub link: Option<String>,
}

/// Configuration of a function. Absent fields take their default on create and keep their value on update.
#[derive(Clone, Debug, Default)]
pub struct SpecDraft {
    /// `runtime`.
    pub runtime: Option<String>,
    /// `handler`.
    pub handler: Option<String>,
    /// `timeout`, seconds.
    pub timeout: Option<i64>,
    /// `memory_size`, MB.
    pub memory_size: Option<i64>,
    /// `ephemeral_storage`, MB.
    pub ephemeral_storage: Option<i64>,
    /// `initializer_handler`; empty removes it.
    pub initializer_handler: Option<String>,
    /// `initializer_timeout`, seconds.
    pub initializer_timeout: Option<i64>,
    /// `pre_stop_handler`; empty removes it.
    pub pre_stop_handler: Option<String>,
    /// `pre_stop_timeout`, seconds.
    pub pre_stop_timeout: Option<i64>,
    /// `user_data`: text of a JSON object of strings.
    pub user_data: Option<String>,
    /// `encrypted_user_data`: the same, secret.
    pub encrypted_user_data: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `strategy_config`.
    pub strategy: Option<StrategyDraft>,
    /// `enable_dynamic_memory`.
    pub dynamic_memory: Option<bool>,
    /// `custom_image`, of an update; a new function has it in its code.
    pub image: Option<ImageDraft>,
    /// `mount_config`; one that is given replaces all mounts.
    pub mounts: Option<MountsDraft>,
    /// `heartbeat_handler`; empty removes it.
    pub heartbeat_handler: Option<String>,
    /// `enable_class_isolation`.
    pub class_isolation: Option<bool>,
    /// Settings that are stored and given back without effect, by their API names.
    pub passive: Map<String, Value>,
}

/// `mount_config`.
#[derive(Clone, Debug, Default)]
pub struct MountsDraft {
    /// `mount_user.user_id`.
    pub user_id: Option<i64>,
    /// `mount_user.user_group_id`.
    pub group_id: Option<i64>,
    /// `func_mounts`.
    pub list: Vec<MountDraft>,
}

/// One of `func_mounts`.
#[derive(Clone, Debug, Default)]
pub struct MountDraft {
    /// `mount_type`.
    pub kind: Option<String>,
    /// `mount_resource`.
    pub resource: Option<String>,
    /// `mount_share_path`.
    pub share_path: Option<String>,
    /// `local_mount_path`.
    pub local_path: Option<String>,
}

/// `strategy_config`.
#[derive(Clone, Copy, Debug, Default)]
pub struct StrategyDraft {
    /// `concurrency`.
    pub concurrency: Option<i64>,
    /// `concurrent_num`.
    pub concurrent_num: Option<i64>,
}

/// The base64 of an archive.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// Best the one handle of what holds it, for it is decoded in its place.
    pub text: Bytes,
    /// What is kept as long as anybody has the text, or the bytes that take its place: they are worked on to the end though the client
    /// has left.
    pub held: Option<Arc<dyn Any + Send + Sync>>,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Code of a function.
#[derive(Clone, Debug, Default)]
pub struct CodeDraft {
    /// `code_type`.
    pub code_type: Option<String>,
    /// `code_filename`.
    pub filename: Option<String>,
    /// `func_code.file`: base64.
    pub file: Option<Encoded>,
    /// `code_url`, or `func_code.link`: where to fetch it from.
    pub link: Option<String>,
    /// The package itself, where it came in an archive that is imported.
    pub bytes: Option<Bytes>,
    /// `custom_image`.
    pub image: Option<ImageDraft>,
}

/// `custom_image`. What an update leaves out stays.
#[derive(Clone, Debug, Default)]
pub struct ImageDraft {
    /// `image`.
    pub image: Option<String>,
    /// `command`.
    pub command: Option<String>,
    /// `args`.
    pub args: Option<String>,
    /// `working_dir`.
    pub working_dir: Option<String>,
    /// `uid`.
    pub uid: Option<i64>,
    /// `gid`.
    pub gid: Option<i64>,
}

/// UpdateFunctionReservedInstancesCount.
#[derive(Clone, Debug, Default)]
pub struct ReservationDraft {
    /// `count`.
    pub count: Option<i64>,
    /// `idle_mode`.
    pub idle_mode: Option<bool>,
    /// `tactics_config.cron_configs`.
    pub schedules: Vec<ScheduleDraft>,
    /// `tactics_config.metric_configs`.
    pub metrics: Vec<MetricDraft>,
}

/// An entry of `cron_configs`.
#[derive(Clone, Debug, Default)]
pub struct ScheduleDraft {
    /// `name`.
    pub name: Option<String>,
    /// `cron`.
    pub cron: Option<String>,
    /// `count`.
    pub count: Option<i64>,
    /// `start_time`.
    pub start_time: Option<i64>,
    /// `expired_time`.
    pub expired_time: Option<i64>,
}

/// An entry of `metric_configs`.
#[derive(Clone, Debug, Default)]
pub struct MetricDraft {
    /// `name`.
    pub name: Option<String>,
    /// `type`.
    pub kind: Option<String>,
    /// `threshold`.
    pub threshold: Option<i64>,
    /// `min`.
    pub min: Option<i64>,
}

/// CreateFunctionTrigger.
#[derive(Clone, Debug, Default)]
pub struct TriggerDraft {
    /// `trigger_type_code`.
    pub kind: Option<String>,
    /// `trigger_status`.
    pub status: Option<String>,
    /// `event_data`.
    pub data: Option<Map<String, Value>>,
}

/// UpdateTrigger.
#[derive(Clone, Debug, Default)]
pub struct TriggerChange {
    /// `trigger_status`.
    pub status: Option<String>,
    /// `event_data`: an object, or a list of them, one after the other.
    pub data: Vec<Map<String, Value>>,
}
