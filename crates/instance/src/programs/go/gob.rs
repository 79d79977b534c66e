//! As much of Go's gob encoding as `net/rpc` needs, read from bytes that a function sent and may have made up.
//!
//! A stream is a row of messages, each with its length before it. A message either describes a type, under an id that the
//! sender chose, or is a value of a type described before. Ids differ from program to program, so a value is read by the
//! description that came with it, and its fields are found by their names.
//!
//! Nothing is allocated because of a number that was only announced, and no depth or count is believed beyond the bytes that
//! are there: what is asked for is looked at in place, all else is passed over.

mod read;
mod types;
mod write;

#[cfg(test)]
mod tests;

use read::fields;
pub(super) use read::{Field, Reader};
pub(super) use types::{Kind, Message, Types};
pub(super) use write::{put_bytes, put_uint};

/// Most bytes of one message: the same as of a frame to the platform, so that no value can be larger than an answer.
pub(super) const MESSAGE_BYTES: usize = 16 << 20;

/// Bytes that are no gob, or more than this reader takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGob {
    /// A number, text or list goes beyond its message.
    #[error("a value ends beyond its message")]
    Short,
    /// A number with more than eight bytes.
    #[error("a number of more than eight bytes")]
    LongNumber,
    /// A message beyond the limit.
    #[error("a message of {0} bytes, more than the limit of {MESSAGE_BYTES}")]
    LongMessage(u64),
    /// Field numbers run over.
    #[error("a field number beyond the fields of its type")]
    UnknownField,
    /// A type that nobody described.
    #[error("a value of type {0}, which was not described before")]
    UnknownType(i64),
    /// A type described twice, or a description without an id to describe.
    #[error("type {0} is described again")]
    DescribedAgain(i64),
    /// More descriptions than any honest program has.
    #[error("more descriptions of types than are taken")]
    TooManyTypes,
    /// Values within values.
    #[error("values within values, more than {0} deep")]
    TooDeep(u8),
    /// Values that nobody asked for.
    #[error("more than {0} values that no answer has")]
    TooMuch(u32),
    /// The value is not what the call needs.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// The length of the message that begins here and the bytes that tell it; `None` where not all of those have come.
///
/// # Errors
/// Where it is longer than is taken.
pub(super) fn message_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadGob> {
    let mut reader = Reader::new(bytes);
    match reader.uint() {
        Ok(length) => match usize::try_from(length) {
            Ok(short) if short <= MESSAGE_BYTES => Ok(Some((reader.at(), short))),
            _ => Err(BadGob::LongMessage(length)),
        },
        Err(BadGob::Short) => Ok(None),
        Err(bad) => Err(bad),
    }
}
