//! What the API is, in tables: for each operation its parameters, bodies, statuses and codes. The router knows methods and paths
//! (`routes/unsupported.rs`); together they are `/openapi.json` and the table in `docs/compatibility.md`.
//!
//! Nothing keeps these tables true but tests: they are compared with the contract, with the fields that `shape` asks a body for, and, in
//! every build with debug assertions, with each answer that leaves.

mod aliases;
mod async_calls;
mod async_configs;
mod dependencies;
mod document;
mod exports;
pub(crate) mod field;
#[cfg(debug_assertions)]
pub(crate) mod fit;
mod functions;
mod invocations;
mod not_built;
mod projects;
mod reservations;
pub(crate) mod settings;
mod statistics;
mod tags;
mod templates;
mod test_events;
mod triggers;
mod versions;
mod words;

use fungraph_model::ErrorCode;

pub(crate) use document::document;
use field::{Field, Shape};

/// An operation that is built. A table of each noun lists its own.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The contract's name.
    pub(crate) name: &'static str,
    summary: &'static str,
    /// What there is to know beyond that it is real.
    note: &'static str,
    /// Parameters of the path that have bounds.
    path: &'static [Field],
    query: &'static [Field],
    headers: &'static [Field],
    body: Option<Body>,
    status: u16,
    answer: Answer,
    /// Groups of them, since operations share some.
    codes: [&'static [ErrorCode]; 6],
}

/// What a request carries.
#[derive(Clone, Copy, Debug)]
enum Body {
    Object(&'static Shape),
    /// The event of a call, which nobody but the function knows.
    Event,
}

/// What a success carries.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Nothing,
    Object(&'static Shape),
    /// A file, which is no JSON.
    Archive,
    /// A bare list.
    List(&'static Shape),
    /// What a function returned, or the object of form v1; headers tell of the run.
    Run(&'static Shape),
}

const TABLES: [&[Entry]; 15] = [
    &functions::ENTRIES,
    &invocations::ENTRIES,
    &async_calls::ENTRIES,
    &versions::ENTRIES,
    &aliases::ENTRIES,
    &reservations::ENTRIES,
    &dependencies::ENTRIES,
    &templates::ENTRIES,
    &test_events::ENTRIES,
    &tags::ENTRIES,
    &async_configs::ENTRIES,
    &projects::ENTRIES,
    &triggers::ENTRIES,
    &statistics::ENTRIES,
    &exports::ENTRIES,
];

/// Codes that every operation may answer with.
const COMMON: [ErrorCode; 9] = [
    ErrorCode::BadParameter,
    ErrorCode::BadCredentials,
    ErrorCode::NotPermitted,
    ErrorCode::Forbidden,
    ErrorCode::NotFound,
    ErrorCode::RequestTimeout,
    ErrorCode::BodyTooLarge,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
];

/// Codes of operations with a query.
const OF_A_QUERY: [ErrorCode; 1] = [ErrorCode::BadQuery];

/// Codes of operations whose path names a function.
const OF_A_FUNCTION: [ErrorCode; 4] =
    [ErrorCode::BadUrn, ErrorCode::FunctionNotFound, ErrorCode::VersionNotFound, ErrorCode::AliasNotFound];

/// The entry of an operation; none where it is not built.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    TABLES.iter().flat_map(|table| table.iter()).find(|entry| entry.name == name)
}

const fn operation(name: &'static str, summary: &'static str) -> Entry {
    Entry {
        name,
        summary,
        note: "",
        path: &[],
        query: &[],
        headers: &[],
        body: None,
        status: 200,
        answer: Answer::Nothing,
        codes: [&[]; 6],
    }
}

impl Entry {
    const fn note(mut self, note: &'static str) -> Self {
        self.note = note;
        self
    }

    const fn path(mut self, path: &'static [Field]) -> Self {
        self.path = path;
        self
    }

    const fn query(mut self, query: &'static [Field]) -> Self {
        self.query = query;
        self
    }

    const fn headers(mut self, headers: &'static [Field]) -> Self {
        self.headers = headers;
        self
    }

    const fn takes(mut self, body: Body) -> Self {
        self.body = Some(body);
        self
    }

    const fn gives(mut self, status: u16, answer: Answer) -> Self {
        (self.status, self.answer) = (status, answer);
        self
    }

    /// Its codes beyond [`COMMON`] and those of its path.
    const fn refuses(mut self, codes: &'static [ErrorCode]) -> Self {
        let mut group = 0;
        while !self.codes[group].is_empty() {
            group += 1;
        }
        self.codes[group] = codes;
        self
    }

    /// Every code it may answer with.
    fn codes(&self, path: &str) -> impl Iterator<Item = ErrorCode> {
        let of_path: &[ErrorCode] = if path.contains("_urn}") { &OF_A_FUNCTION } else { &[] };
        let of_query: &[ErrorCode] = if self.query.is_empty() { &[] } else { &OF_A_QUERY };
        COMMON.iter().chain(of_path).chain(of_query).chain(self.codes.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests;
