//! Codes of refused requests (contract: errors.md). Gateway gives each its HTTP status; `docs/errors/` has a page for each.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A code of the API's error envelope.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// Every code this platform answers with.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// `error_code` of the envelope.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// Credentials absent, unknown, expired or wrong.
    BadCredentials = "APIGW.0301",
    /// A request value that fails validation and has no code of its own.
    BadParameter = "FSS.0400",
    /// Path known, method not.
    MethodNotAllowed = "FSS.0400",
    /// Caller known, role too small.
    NotPermitted = "FSS.0401",
    /// The project in the path is not the caller's, or the operation is never allowed.
    Forbidden = "FSS.0403",
    /// Function, version or alias missing on an invocation path, or an unknown path.
    NotFound = "FSS.0404",
    /// Body is not JSON where JSON is needed.
    NotAcceptable = "FSS.0406",
    /// The client did not finish sending in time.
    RequestTimeout = "FSS.0408",
    /// Conflict with no code of its own.
    Exists = "FSS.0409",
    /// Management body over the limit.
    BodyTooLarge = "FSS.0413",
    /// Operation not built, or not for this kind of function.
    NotSupported = "FSS.0426",
    /// Not for this kind of function, whatever the server.
    WrongKind = "FSS.0426",
    /// Something else must be removed first.
    Precondition = "FSS.0428",
    /// Disabled, over a limit, or no instance free in time.
    TooManyRequests = "FSS.0429",
    /// Unexpected failure of the platform.
    Internal = "FSS.0500",
    /// Whoever was asked for a package gave none.
    BadGateway = "FSS.0502",
    /// The platform is stopping or out of capacity.
    Unavailable = "FSS.0503",
    /// A package did not come in time.
    GatewayTimeout = "FSS.0504",
    /// A query value cannot be read.
    BadQuery = "FSS.1001",
    /// `func_name`.
    BadName = "FSS.1002",
    /// `handler`.
    BadHandler = "FSS.1003",
    /// `package`.
    BadPackage = "FSS.1004",
    /// `runtime`.
    BadRuntime = "FSS.1005",
    /// `code_type`.
    BadCodeType = "FSS.1006",
    /// `memory_size`.
    BadMemorySize = "FSS.1007",
    /// `timeout`.
    BadTimeout = "FSS.1008",
    /// `user_data`.
    BadUserData = "FSS.1009",
    /// `code_url`, `depend_link`: unreadable, or not to be followed.
    BadUrl = "FSS.1010",
    /// Not base64, or an archive that cannot be opened or trusted.
    BadCode = "FSS.1011",
    /// Code is needed and absent.
    CodeMissing = "FSS.1012",
    /// `code_filename`.
    BadFilename = "FSS.1013",
    /// An alias's name.
    BadAlias = "FSS.1014",
    /// A version's name, or an operation on latest was given a version, or latest where it may not be.
    BadVersion = "FSS.1015",
    /// Code and configuration equal those of the last published version.
    NothingChanged = "FSS.1016",
    /// Over 20 user variables.
    TooManyUserData = "FSS.1017",
    /// User variables over 4,096 characters.
    UserDataTooBig = "FSS.1018",
    /// `description` over 512 characters.
    DescriptionTooLong = "FSS.1019",
    /// An archive to import over the limit.
    ImportTooLarge = "FSS.1023",
    /// A dependency's archive, or the ids of a function's dependencies.
    BadDependency = "FSS.1024",
    /// The description in an archive to import.
    BadDescription = "FSS.1025",
    /// `strategy_config`.
    BadConcurrency = "FSS.1026",
    /// `depend_type`.
    BadDependencyType = "FSS.1032",
    /// A function has the dependency that was to be deleted.
    DependencyInUse = "FSS.1033",
    /// `custom_image.image`.
    BadImageUrl = "FSS.1034",
    /// The registry has no such image, or does not give it to this server.
    ImageMissing = "FSS.1035",
    /// The same folder is mounted twice.
    MountExists = "FSS.1038",
    /// `local_mount_path`.
    BadMountPath = "FSS.1039",
    /// The project holds its most functions.
    TooManyFunctions = "FSS.1041",
    /// Code of the project over its quota.
    CodeQuota = "FSS.1042",
    /// The function has its most aliases.
    TooManyAliases = "FSS.1043",
    /// The project holds its most dependencies.
    TooManyDependencies = "FSS.1045",
    /// The project holds its most VPC endpoints.
    TooManyVpcs = "FSS.1048",
    /// More mounts than a function may have.
    TooManyMounts = "FSS.1049",
    /// `mount_resource`: the operator gives no such folder to this project.
    MountNotFound = "FSS.1050",
    /// Function missing on a management path.
    FunctionNotFound = "FSS.1051",
    /// Version missing on a management path.
    VersionNotFound = "FSS.1052",
    /// Alias missing on a management path.
    AliasNotFound = "FSS.1053",
    /// `code_url` or `depend_link` leads to nothing.
    CodeObjectNotFound = "FSS.1054",
    /// Dependency, or version of one, missing.
    DependencyNotFound = "FSS.1056",
    /// Template missing.
    TemplateNotFound = "FSS.1059",
    /// Name taken in its package.
    FunctionExists = "FSS.1061",
    /// The version's name is taken.
    VersionExists = "FSS.1062",
    /// The alias's name is taken.
    AliasExists = "FSS.1063",
    /// The version is another alias's main version.
    VersionHasAlias = "FSS.1066",
    /// The function holds its most test events.
    TooManyTestEvents = "FSS.1068",
    /// A test event over 4 KB.
    TestEventTooLarge = "FSS.1069",
    /// Test event missing.
    TestEventNotFound = "FSS.1070",
    /// Package over 50 MB.
    PackageTooLarge = "FSS.1071",
    /// Inline code over 10 KB.
    InlineTooLarge = "FSS.1072",
    /// A test event's name is taken.
    TestEventExists = "FSS.1073",
    /// A test event's name, or its content.
    BadTestEvent = "FSS.1074",
    /// `mount_user`.
    BadMountUser = "FSS.1075",
    /// More reserved instances than an account, or the host, may have.
    TooManyReserved = "FSS.1076",
    /// An alias's additional version is missing, or latest.
    BadAdditionalVersion = "FSS.1091",
    /// Percentage of an alias's additional version outside 0 to 100.
    BadAdditionalWeight = "FSS.1092",
    /// Main and additional version of an alias are the same.
    SameVersionTwice = "FSS.1093",
    /// An alias sends calls to the version as its additional one.
    VersionInUse = "FSS.1094",
    /// `trigger_type_code` is not in the list.
    BadTriggerType = "FSS.1101",
    /// `event_data` of SMN.
    BadSmn = "FSS.1102",
    /// `event_data` of DMS.
    BadDms = "FSS.1103",
    /// `event_data` of DIS.
    BadDis = "FSS.1104",
    /// `event_data` of OBS.
    BadObs = "FSS.1106",
    /// `event_data` of APIG and APIC.
    BadApig = "FSS.1107",
    /// Bucket, events, prefix and suffix overlap another OBS trigger.
    ObsOverlap = "FSS.1108",
    /// `event_data` of TIMER.
    BadTimer = "FSS.1109",
    /// `event_data` of LTS.
    BadLts = "FSS.1110",
    /// `event_data` of KAFKA and OPENSOURCEKAFKA.
    BadKafka = "FSS.1112",
    /// Kafka with SSL and without user and password.
    KafkaLoginMissing = "FSS.1113",
    /// More triggers that ask their source than an account may have.
    TooManyPullTriggers = "FSS.1123",
    /// Trigger missing.
    TriggerNotFound = "FSS.1131",
    /// Trigger type of a path unknown.
    TriggerTypeNotFound = "FSS.1137",
    /// A trigger of that topic is there.
    SmnExists = "FSS.1141",
    /// A trigger of that queue is there.
    DmsExists = "FSS.1142",
    /// A trigger of that stream is there.
    DisExists = "FSS.1143",
    /// An OBS trigger of that name is there.
    ObsExists = "FSS.1145",
    /// A gateway trigger of that name is there.
    ApigExists = "FSS.1146",
    /// Path and method of the API group are taken.
    RequestPathTaken = "FSS.1147",
    /// A timer of that name is there.
    TimerExists = "FSS.1148",
    /// A trigger of that log topic is there.
    LtsExists = "FSS.1149",
    /// A trigger of that topic is there.
    KafkaExists = "FSS.1150",
    /// An alias has triggers.
    AliasHasTriggers = "FSS.1154",
    /// `event_data` of DDS.
    BadDds = "FSS.1164",
    /// A trigger of that collection is there.
    DdsExists = "FSS.1166",
    /// Event over 6 MB.
    EventTooLarge = "FSS.1201",
    /// A function behind an API answered without `statusCode`.
    NoStatusCode = "FSS.1202",
    /// A function behind an API answered with something else than the object of an answer.
    BadApiResult = "FSS.1206",
    /// `event_data` of CTS.
    BadCts = "FSS.1305",
    /// The version holds its most triggers.
    TooManyTriggers = "FSS.1306",
    /// A CTS trigger of that name is there.
    CtsExists = "FSS.1307",
    /// The log service is switched on already.
    LogsOnAlready = "FSS.1221",
    /// URN cannot be read.
    BadUrn = "FSS.1309",
    /// Over 100 operations of a CTS trigger.
    TooManyOperations = "FSS.1313",
    /// An operation of a CTS trigger twice.
    OperationRepeated = "FSS.1316",
    /// Trigger name over 64 characters.
    TriggerNameTooLong = "FSS.1317",
    /// An operation of a CTS trigger that cannot be read.
    BadTriggerOperation = "FSS.1318",
    /// Trigger name with other characters than it may have.
    BadTriggerName = "FSS.1319",
    /// The registry cannot be reached, or breaks off.
    ImageNotRead = "FSS.1401",
    /// `initializer_handler`.
    BadInitializer = "FSS.1404",
    /// `initializer_timeout`.
    BadInitializerTimeout = "FSS.1405",
    /// `event_data` of DEDICATEDGATEWAY.
    BadDedicatedGateway = "FSS.1417",
}

/// A refusal whose text is for the caller: what is wrong and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// The code.
    pub code: ErrorCode,
    /// One or two sentences without secrets, paths or ids of others.
    pub message: String,
}

impl Fault {
    /// A fault with its text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
