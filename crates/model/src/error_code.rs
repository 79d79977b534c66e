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
    /// The project in the path is not the caller's, or the operation is never allowed.
    Forbidden = "FSS.0403",
    /// Function, version or alias missing on an invocation path, or an unknown path.
    NotFound = "FSS.0404",
    /// Path known, method not.
    MethodNotAllowed = "FSS.0400",
    /// Body is not JSON where JSON is needed.
    NotAcceptable = "FSS.0406",
    /// The client did not finish sending in time.
    RequestTimeout = "FSS.0408",
    /// Management body over the limit.
    BodyTooLarge = "FSS.0413",
    /// Operation not built, or not for this kind of function.
    NotSupported = "FSS.0426",
    /// Disabled, over a limit, or no instance free in time.
    TooManyRequests = "FSS.0429",
    /// Unexpected failure of the platform.
    Internal = "FSS.0500",
    /// The platform is stopping or out of capacity.
    Unavailable = "FSS.0503",
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
    /// Not base64, or an archive that cannot be opened or trusted.
    BadCode = "FSS.1011",
    /// Code is needed and absent.
    CodeMissing = "FSS.1012",
    /// `code_filename`.
    BadFilename = "FSS.1013",
    /// An operation on latest was given a version.
    BadVersion = "FSS.1015",
    /// Over 20 user variables.
    TooManyUserData = "FSS.1017",
    /// User variables over 4,096 characters.
    UserDataTooBig = "FSS.1018",
    /// `description` over 512 characters.
    DescriptionTooLong = "FSS.1019",
    /// A dependency's archive, or the ids of a function's dependencies.
    BadDependency = "FSS.1024",
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
    /// The project holds its most dependencies.
    TooManyDependencies = "FSS.1045",
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
    /// Dependency, or version of one, missing.
    DependencyNotFound = "FSS.1056",
    /// Name taken in its package.
    FunctionExists = "FSS.1061",
    /// Package over 50 MB.
    PackageTooLarge = "FSS.1071",
    /// Inline code over 10 KB.
    InlineTooLarge = "FSS.1072",
    /// `mount_user`.
    BadMountUser = "FSS.1075",
    /// More reserved instances than an account, or the host, may have.
    TooManyReserved = "FSS.1076",
    /// Event over 6 MB.
    EventTooLarge = "FSS.1201",
    /// A function behind an API answered without `statusCode`.
    NoStatusCode = "FSS.1202",
    /// A function behind an API answered with something else than the object of an answer.
    BadApiResult = "FSS.1206",
    /// URN cannot be read.
    BadUrn = "FSS.1309",
    /// The registry cannot be reached, or breaks off.
    ImageNotRead = "FSS.1401",
    /// `initializer_handler`.
    BadInitializer = "FSS.1404",
    /// `initializer_timeout`.
    BadInitializerTimeout = "FSS.1405",
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
