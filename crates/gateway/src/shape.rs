//! JSON shapes of the API, in and out. Requests become drafts here; nothing is checked beyond its type, which is the engine's work.

mod dependency;
mod draft;
mod fields;
mod function;
mod image;
mod list;
mod mount;
pub(crate) mod not_built;
pub(crate) mod passive;
pub(crate) mod report;
mod reservation;
mod trigger;

pub(crate) use dependency::{asks_for_public, dependencies, dependency, dependency_create, dependency_query};
pub(crate) use draft::{code_update, create, spec_update};
pub(crate) use fields::Fields;
#[cfg(test)]
pub(crate) use fields::asked;
pub(crate) use function::{code, config, list_page};
pub(crate) use list::query;
pub(crate) use reservation::{
    most_instances, reservation, reservation_configs, reservation_query, reservation_update, reserved_instances,
};
pub(crate) use trigger::{
    trigger, trigger_create, trigger_list, trigger_query, trigger_types, trigger_update, triggers,
};
