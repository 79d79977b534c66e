//! The tables against the contract, and against the code that reads bodies.

mod contract;
mod draft;
mod page;
mod reading;

use serde_json::Value;

use super::{
    Answer, Body, Entry, TABLES, entry,
    field::{Field, Kind, Shape},
    not_built,
};
use crate::routes::{self, Operation};

/// The contract's operations, and its objects by their names.
struct Contract {
    operations: Value,
    shapes: Value,
}

impl Contract {
    fn read() -> Self {
        let parse = |text| serde_json::from_str(text).expect("the contract is JSON");
        Self {
            operations: parse(include_str!("../../../../tests/contract/operations.json")),
            shapes: parse(include_str!("../../../../tests/contract/schemas.json")),
        }
    }

    fn operation(&self, name: &str) -> &Value {
        let all = self.operations.as_array().expect("a list");
        all.iter().find(|operation| operation["operation"] == name).expect("an operation of the contract")
    }
}

#[test]
fn every_operation_that_is_built_has_an_entry() {
    let contract = Contract::read();
    let missing: Vec<&str> = routes::table()
        .filter(|(operation, ..)| !matches!(operation, Operation::NotBuilt(_)))
        .map(|(operation, ..)| operation.name())
        .filter(|name| entry(name).is_none())
        .collect();
    let drafts: String = missing.iter().map(|name| draft::of(&contract, name)).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} are built and have no entry in crates/gateway/src/api/. Add them to the table of their noun, from this draft: \
         say which codes they refuse with, which fields are stored(), ignored(), refused() or absent().\n\n{drafts}"
    );
}

#[test]
fn every_entry_is_of_an_operation_that_is_built() {
    for entry in TABLES.iter().flat_map(|table| table.iter()) {
        let built = routes::table()
            .any(|(operation, ..)| operation.name() == entry.name && !matches!(operation, Operation::NotBuilt(_)));
        assert!(built, "{} has an entry, and no route of its own", entry.name);
    }
}

/// The shapes of an operation.
fn shapes(entry: &Entry) -> Vec<&'static Shape> {
    let body = match entry.body {
        Some(Body::Object(shape)) => Some(shape),
        _ => None,
    };
    let answer = match entry.answer {
        Answer::Object(shape) | Answer::List(shape) | Answer::Run(shape) => Some(shape),
        Answer::Nothing | Answer::Archive => None,
    };
    body.into_iter().chain(answer).collect()
}

/// What is inside of a field.
fn inside(field: &Field) -> Option<&'static Shape> {
    match field.kind {
        Kind::Object(shape) | Kind::Objects(shape) | Kind::ObjectMap(shape) => Some(shape),
        _ => None,
    }
}
