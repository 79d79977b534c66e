//! Lists of functions and what a project uses.

use std::collections::BTreeMap;

use fungraph_model::{
    Dependency, Digest, DomainId, FunctionKey, FunctionVersion, Metric, ProjectId, Qualifier, Reserved, TestEvent,
    Trigger, TriggerId, TriggerKind,
};
use jiff::Timestamp;

use crate::Error;

/// Which functions to list.
#[derive(Clone, Debug)]
pub struct FunctionQuery {
    /// Of this project.
    pub project: ProjectId,
    /// Of this package, letter for letter.
    pub package: Option<String>,
    /// Whose name holds this text; upper and lower case of ASCII letters are the same.
    pub name_part: Option<String>,
    /// How many matches to skip: the `next` of the page before, 0 at the start.
    pub marker: u64,
    /// Most functions on the page.
    pub limit: u32,
    /// Hour since 1970 from which their failures are counted.
    pub failures_from: i64,
}

/// One page of a list: pinned functions first, and within both parts in order of creation.
///
/// The order is that of creation and not of names because markers are offsets: a function made while somebody pages
/// comes last and moves nothing, where a new name in the middle would show its neighbour twice. A deleted function
/// does move what follows it; offsets cannot avoid that.
#[derive(Clone, Debug)]
pub struct FunctionPage {
    /// The functions, version `latest`.
    pub functions: Vec<FunctionVersion>,
    /// How many of them are pinned: the first ones.
    pub pinned: usize,
    /// How many calls of each failed.
    pub failures: Vec<u64>,
    /// All matches, on every page.
    pub total: u64,
    /// Marker of the next page; `None` on the last.
    pub next: Option<u64>,
}

/// Which versions of a function to list.
#[derive(Clone, Debug)]
pub struct VersionQuery {
    /// The function.
    pub key: FunctionKey,
    /// The `next` of the page before, 0 at the start.
    pub marker: u64,
    /// Most versions on the page.
    pub limit: u32,
}

/// One page of the versions of a function: latest, then the others in the order of their publication. A marker names a place in
/// that order, not a number of versions to pass over, so a version that is published or deleted meanwhile moves nothing.
#[derive(Clone, Debug)]
pub struct VersionPage {
    /// The versions.
    pub versions: Vec<FunctionVersion>,
    /// All versions, on every page.
    pub total: u64,
    /// Marker of the next page; `None` on the last.
    pub next: Option<u64>,
}

/// A version to make of latest.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The function.
    pub key: FunctionKey,
    /// Name of the version.
    pub version: String,
    /// What is said of it.
    pub description: String,
    /// The code that latest must have; any where there is none.
    pub digest: Option<Digest>,
    /// Time of the publication.
    pub now: Timestamp,
    /// Most versions of the function, latest among them.
    pub most_versions: u32,
    /// Most bytes of code of the project.
    pub most_code_bytes: u64,
}

/// Which dependencies to list.
#[derive(Clone, Debug)]
pub struct DependencyQuery {
    /// Of this project.
    pub project: ProjectId,
    /// All versions of this one; else the last version of each.
    pub dependency: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Made for this runtime.
    pub runtime: Option<String>,
    /// How many matches to skip.
    pub marker: u32,
    /// Most on the page.
    pub limit: u32,
}

/// One page of dependencies, in order of creation.
#[derive(Clone, Debug)]
pub struct DependencyPage {
    /// The dependencies.
    pub dependencies: Vec<Dependency>,
    /// All matches, on every page.
    pub total: usize,
}

/// Which functions to find by their tags; what is empty finds all.
#[derive(Clone, Debug)]
pub struct ResourceQuery {
    /// Of this project.
    pub project: ProjectId,
    /// Whose name holds this text.
    pub name_part: Option<String>,
    /// Only those without any tag.
    pub without_any_tag: bool,
    /// With all of these.
    pub all: Vec<TagMatch>,
    /// With at least one of these.
    pub any: Vec<TagMatch>,
    /// Not with all of these.
    pub not_all: Vec<TagMatch>,
    /// With none of these.
    pub not_any: Vec<TagMatch>,
    /// Of an enterprise project that is in each of these lists; `None` is any.
    pub enterprise_projects: Vec<Option<Vec<String>>>,
    /// How many matches to skip.
    pub offset: u32,
    /// Most on the page.
    pub limit: u32,
}

/// A key, and the values it may have; any where none is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagMatch {
    /// The key.
    pub key: String,
    /// The values.
    pub values: Vec<String>,
}

/// A function as the search by tags finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedFunction {
    /// Which one.
    pub key: FunctionKey,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The enterprise project it was given.
    pub enterprise_project: Option<String>,
}

/// One page of functions found by their tags.
#[derive(Clone, Debug)]
pub struct ResourcePage {
    /// The functions.
    pub functions: Vec<TaggedFunction>,
    /// All matches, on every page.
    pub total: u64,
}

/// What a function may be created with.
#[derive(Clone, Debug, Default)]
pub struct Belongings {
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Triggers of latest.
    pub triggers: Vec<Trigger>,
    /// Test events.
    pub events: Vec<TestEvent>,
}

/// What a project uses of its quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Functions, whatever the number of their versions.
    pub functions: u64,
    /// Bytes of code and of dependencies as uploaded, of all versions; two functions with the same code count twice.
    pub code_bytes: u64,
    /// Versions of dependencies.
    pub dependencies: u64,
}

/// Every reservation. One that cannot be read takes nothing from the others.
#[derive(Debug, Default)]
pub struct Reservations {
    /// Those that can be read, in the order in which they were made.
    pub reserved: Vec<Reserved>,
    /// Those that cannot: what for, and why not. Setting them anew mends them.
    pub unreadable: Vec<(FunctionKey, Qualifier, Error)>,
}

/// Which triggers to list.
#[derive(Clone, Debug)]
pub struct TriggerQuery {
    /// Whose.
    pub of: TriggersOf,
    /// Only of this kind.
    pub kind: Option<TriggerKind>,
    /// The `last` of the page before, 0 at the start; not looked at without a limit.
    pub after: u64,
    /// Most on the page; `None` for all.
    pub limit: Option<u32>,
}

/// Whose triggers.
#[derive(Clone, Debug)]
pub enum TriggersOf {
    /// Everybody's.
    All,
    /// An account's.
    Domain(DomainId),
    /// A project's.
    Project(ProjectId),
    /// A function's, with all its versions and aliases.
    Function(FunctionKey),
}

/// One page of triggers, in order of creation. One that cannot be read takes nothing from the others.
#[derive(Debug, Default)]
pub struct TriggerPage {
    /// Those that can be read.
    pub triggers: Vec<Trigger>,
    /// Those that cannot, and why not.
    pub unreadable: Vec<(TriggerId, Error)>,
    /// All matches, on every page.
    pub total: u64,
    /// What the next page comes after; `None` where this one is empty.
    pub last: Option<u64>,
}

/// Which numbers of calls to read.
#[derive(Clone, Debug)]
pub struct TallyQuery {
    /// Whose.
    pub of: TalliesOf,
    /// First minute since 1970.
    pub from: i64,
    /// The minute after the last.
    pub to: i64,
    /// Minutes that are put together; a step begins at its multiple.
    pub step: i64,
}

/// Whose numbers.
#[derive(Clone, Debug)]
pub enum TalliesOf {
    /// Of all functions of a project together.
    Project(ProjectId),
    /// Of a version or alias of a function; without one, of all versions together.
    Function(FunctionKey, Option<Qualifier>),
}

/// Which functions to rank.
#[derive(Clone, Debug)]
pub struct RankQuery {
    /// Of this project.
    pub project: ProjectId,
    /// By this.
    pub metric: Metric,
    /// First minute since 1970.
    pub from: i64,
    /// The minute after the last.
    pub to: i64,
    /// Most functions.
    pub limit: u32,
}
