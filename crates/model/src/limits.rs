//! Fixed limits of the service (contract: limits.md, column "Default"). What an operator may change is a setting of its owner instead.

/// Name of the version that changes with every update.
pub const LATEST: &str = "latest";
/// Package of a function that names none.
pub const DEFAULT_PACKAGE: &str = "default";
/// Characters of a function URN.
pub const URN_CHARS: usize = 269;
/// Characters of a function or package name.
pub const NAME_CHARS: usize = 60;
/// Characters of a handler.
pub const HANDLER_CHARS: usize = 128;
/// Characters of a description.
pub const DESCRIPTION_CHARS: usize = 512;
/// Keys of user variables.
pub const USER_DATA_KEYS: usize = 20;
/// Characters of all keys and values of user variables together.
pub const USER_DATA_CHARS: usize = 4096;
/// Seconds a handler may be given.
pub const TIMEOUT_SECONDS: std::ops::RangeInclusive<u32> = 3..=259_200;
/// Seconds an initializer may be given.
pub const INITIALIZER_SECONDS: std::ops::RangeInclusive<u32> = 1..=300;
/// Seconds a pre-stop handler may be given.
pub const PRE_STOP_SECONDS: std::ops::RangeInclusive<u32> = 1..=90;
/// Memory sizes, in MB.
pub const MEMORY_MB: [u32; 15] =
    [128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 8192, 10240];
/// Sizes of `/tmp`, in MB.
pub const TMP_MB: [u32; 2] = [512, 10240];
/// Bytes of a synchronous event.
pub const EVENT_BYTES: usize = 6_291_456;
/// Bytes of a serialised result.
pub const RESULT_BYTES: usize = 6_291_456;
/// Bytes of a log tail.
pub const LOG_TAIL_BYTES: usize = 4096;
/// Bytes of inline code, decoded.
pub const INLINE_CODE_BYTES: usize = 10_240;
/// Bytes of a code package in an API call, decoded.
pub const PACKAGE_BYTES: usize = 52_428_800;
/// Bytes of code, or of a dependency, that is fetched from an object store.
pub const FETCHED_BYTES: u64 = 314_572_800;
/// Bytes of an exported function.
pub const EXPORT_BYTES: u64 = 52_428_800;
/// Bytes of a code package after unpacking.
pub const UNPACKED_BYTES: u64 = 1_572_864_000;
/// Entries of a code package; the contract gives the number for dependencies, a package gets the same.
pub const PACKAGE_ENTRIES: usize = 30_000;
/// Entries of code with its dependencies; ours, five times what an archive may have.
pub const MERGED_ENTRIES: usize = 150_000;
/// Bytes of a dependency in an API call, decoded.
pub const DEPENDENCY_BYTES: usize = 41_943_040;
/// Characters of a dependency's name.
pub const DEPENDENCY_NAME_CHARS: usize = 96;
/// Dependencies of one function.
pub const DEPENDENCIES: usize = 20;
/// Characters of a version's name.
pub const VERSION_CHARS: usize = 42;
/// Versions of one function, latest among them.
pub const VERSIONS: u32 = 20;
/// Characters of an alias's name.
pub const ALIAS_CHARS: usize = 63;
/// Aliases of one function.
pub const ALIASES: u32 = 10;
/// Rules of one alias; the contract has no number, and each call by that alias looks at all of them.
pub const ALIAS_RULES: usize = 10;
/// Characters of the name and of the value that a rule looks for; the contract has no number.
pub const RULE_CHARS: usize = 1024;
/// Mounts of one function.
pub const MOUNTS: usize = 5;
/// Test events of one function.
pub const TEST_EVENTS: usize = 10;
/// Characters of a test event's name.
pub const TEST_EVENT_NAME_CHARS: usize = 25;
/// Bytes of a test event, decoded.
pub const TEST_EVENT_BYTES: usize = 4096;
/// Tags of one function.
pub const TAGS: usize = 20;
/// Characters of a tag's key.
pub const TAG_KEY_CHARS: usize = 128;
/// Characters of a tag's value.
pub const TAG_VALUE_CHARS: usize = 255;
/// Bytes of an asynchronous event.
pub const ASYNC_EVENT_BYTES: usize = 262_144;
/// Seconds an asynchronous event may wait.
pub const ASYNC_AGE_SECONDS: std::ops::RangeInclusive<u32> = 1..=86_400;
/// Seconds it may wait where nobody said.
pub const ASYNC_AGE_DEFAULT: u32 = 3600;
/// Further attempts after a failed asynchronous call.
pub const ASYNC_RETRIES: std::ops::RangeInclusive<u32> = 0..=3;
/// Further attempts where nobody said.
pub const ASYNC_RETRIES_DEFAULT: u32 = 1;
/// Days that a record in a bucket is kept.
pub const OBS_EXPIRES_DAYS: std::ops::RangeInclusive<u32> = 0..=365;
/// Functions on one page of a list; the same for lists of reserved instances.
pub const PAGE_FUNCTIONS: u32 = 400;
/// Points of a series on one page where a request names no number.
pub const PAGE_STATISTICS: u32 = 100;
/// Most points of a series on one page.
pub const MOST_PAGE_STATISTICS: u32 = 500;
/// Reserved instances of one version or alias.
pub const RESERVED_INSTANCES: std::ops::RangeInclusive<u32> = 0..=1000;
/// Schedules, and rules by load, of one version's reserved instances; the contract has no number.
pub const RESERVATION_RULES: usize = 60;
/// Triggers of one version or alias.
pub const TRIGGERS: usize = 10;
/// Triggers of one account whose source is asked for events.
pub const PULL_TRIGGERS: usize = 10;
/// Characters of a trigger's name.
pub const TRIGGER_NAME_CHARS: usize = 64;
/// Characters of a timer's `user_event`; the contract leaves it open.
pub const USER_EVENT_CHARS: usize = 2048;
/// Triggers on one page of a project's.
pub const PAGE_TRIGGERS: u32 = 500;
/// Instances of one function unless its strategy says otherwise.
pub const INSTANCES: i32 = 400;
/// Values `concurrency` of a strategy may have: -1 no limit, 0 disabled.
pub const CONCURRENCY: std::ops::RangeInclusive<i32> = -1..=1000;
/// Values `concurrent_num` of a strategy may have.
pub const CONCURRENT_NUM: std::ops::RangeInclusive<u32> = 1..=1000;
/// Processes and threads of an instance.
pub const PROCESSES: u32 = 1024;
/// Open files of an instance.
pub const OPEN_FILES: u64 = 2048;

/// CPU of an instance in millicores, by the documented formula: memory / 128 x 100 + 200.
#[must_use]
pub const fn cpu_millicores(memory_mb: u32) -> u32 {
    memory_mb / 128 * 100 + 200
}
