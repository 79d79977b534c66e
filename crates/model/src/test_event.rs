//! Test events: named events that people keep with a function to call it by hand.

use jiff::Timestamp;

/// One test event of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEvent {
    /// Its id.
    pub id: String,
    /// Name, unique in its function.
    pub name: String,
    /// The event itself: JSON, as it was sent.
    pub content: Vec<u8>,
    /// When it was made, or last replaced.
    pub last_modified: Timestamp,
}

/// What becomes of a test event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEventChange {
    /// Another name; `None` keeps the one it has then.
    pub name: Option<String>,
    /// Its new content.
    pub content: Vec<u8>,
    /// Now.
    pub last_modified: Timestamp,
}
