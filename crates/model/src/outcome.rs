//! How a run of user code ended. A function's own failure is a result here, never our error.

/// Number in `X-Func-Err-Code` (contract: errors.md, "Codes of the function itself").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// 4001: module or handler not found, import or syntax error.
    LoadFailed,
    /// 4002: thrown, rejected, or the process ended during the call.
    HandlerFailed,
    /// 4004: serialised value over 6 MB.
    ResultTooLarge,
    /// 4006: the heartbeat handler is missing, or is none.
    BadHeartbeat,
    /// 4007: the value has no JSON form.
    ResultNotSerialisable,
    /// 4009: the initializer threw.
    InitializerFailed,
    /// 4010: past `timeout`.
    TimedOut,
    /// 4201: the process did not start, or ended while it started.
    StartFailed,
    /// 4205: past `memory_size`.
    OutOfMemory,
    /// 4207: past the size of `/tmp`.
    DiskFull,
    /// 4208: stopped for another request's sake.
    Cancelled,
    /// 4211: past `initializer_timeout`.
    InitializerTimedOut,
    /// 6001: the runtime's program is missing or cannot be started.
    ExecutorFailed,
    /// 161903: the instance broke by the platform's fault.
    InstanceBroken,
}

impl FailureCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 14] = [
        Self::LoadFailed,
        Self::HandlerFailed,
        Self::ResultTooLarge,
        Self::BadHeartbeat,
        Self::ResultNotSerialisable,
        Self::InitializerFailed,
        Self::TimedOut,
        Self::StartFailed,
        Self::OutOfMemory,
        Self::DiskFull,
        Self::Cancelled,
        Self::InitializerTimedOut,
        Self::ExecutorFailed,
        Self::InstanceBroken,
    ];

    /// The number as clients see it.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::LoadFailed => 4001,
            Self::HandlerFailed => 4002,
            Self::ResultTooLarge => 4004,
            Self::BadHeartbeat => 4006,
            Self::ResultNotSerialisable => 4007,
            Self::InitializerFailed => 4009,
            Self::TimedOut => 4010,
            Self::StartFailed => 4201,
            Self::OutOfMemory => 4205,
            Self::DiskFull => 4207,
            Self::Cancelled => 4208,
            Self::InitializerTimedOut => 4211,
            Self::ExecutorFailed => 6001,
            Self::InstanceBroken => 161_903,
        }
    }

    /// The code a bootstrap sent; `None` for a number it may not send.
    #[must_use]
    pub fn from_bootstrap(number: u16) -> Option<Self> {
        let sent = [
            Self::LoadFailed,
            Self::HandlerFailed,
            Self::ResultTooLarge,
            Self::ResultNotSerialisable,
            Self::InitializerFailed,
            Self::OutOfMemory,
            Self::DiskFull,
        ];
        sent.into_iter().find(|code| code.number() == u32::from(number))
    }

    /// The same of a start: a program of the user's own may not come up, or not in time, and memory may be used up already.
    #[must_use]
    pub fn from_start(number: u16) -> Option<Self> {
        let sent =
            [Self::LoadFailed, Self::BadHeartbeat, Self::StartFailed, Self::OutOfMemory, Self::InitializerTimedOut];
        sent.into_iter().find(|code| code.number() == u32::from(number))
    }

    /// Whether the user's code is to blame, and billed (errors.md, column "User error").
    #[must_use]
    pub fn is_user_error(self) -> bool {
        !matches!(self, Self::Cancelled | Self::ExecutorFailed | Self::InstanceBroken)
    }

    /// `error_code` of the answer: FSS and a number of four digits, else the general code.
    #[must_use]
    pub fn fss(self) -> String {
        match self {
            Self::InstanceBroken => "FSS.0500".to_owned(),
            _ => format!("FSS.{}", self.number()),
        }
    }
}

/// What a handler returned, written as its runtime writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<B> {
    /// Nothing: an empty body.
    Nothing,
    /// Text, sent without quotes.
    Text(B),
    /// JSON text that the runtime serialised.
    Json(B),
    /// Bytes that may be anything.
    Bytes(B),
}

impl<B: AsRef<[u8]>> Value<B> {
    /// Bytes that it is written with.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Text(bytes) | Self::Json(bytes) | Self::Bytes(bytes) => bytes.as_ref().len(),
        }
    }
}

/// A failed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<B> {
    /// The number.
    pub code: FailureCode,
    /// The error object of runtimes.md 5.3, a JSON text.
    pub object: B,
}

/// The end of one run; `B` is a buffer of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<B> {
    /// The handler returned.
    Returned(Value<B>),
    /// It did not, for the reason inside.
    Failed(Failure<B>),
}
