//! Tests ask what a reader asks for: run on an empty body while this thread listens, it says every field with its type.

use std::{cell::RefCell, collections::BTreeMap};

/// Fields by their path (`tactics_config.cron_configs[].count`), with what they were asked for.
pub(crate) type Asked = BTreeMap<String, &'static str>;

#[derive(Default)]
struct Listener {
    within: String,
    asked: Asked,
}

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// What `reader` asks for.
pub(crate) fn by(reader: impl FnOnce()) -> Asked {
    LISTENER.set(Some(Listener::default()));
    reader();
    LISTENER.take().map(|listener| listener.asked).unwrap_or_default()
}

/// Notes a field. A look at any value says less than the type that is asked for later.
pub(super) fn note(name: &str, kind: &'static str) {
    LISTENER.with_borrow_mut(|listener| {
        let Some(listener) = listener else { return };
        let path = format!("{}{name}", listener.within);
        if kind != ANY || !listener.asked.contains_key(&path) {
            listener.asked.insert(path, kind);
        }
    });
}

/// Notes fields inside of a field.
pub(super) fn within(name: &str, reader: impl FnOnce()) {
    let enter = |listener: &mut Option<Listener>| {
        let listener = listener.as_mut()?;
        let outer = listener.within.clone();
        listener.within += &format!("{name}.");
        Some(outer)
    };
    let Some(outer) = LISTENER.with_borrow_mut(enter) else { return };
    reader();
    LISTENER.with_borrow_mut(|listener| {
        if let Some(listener) = listener {
            listener.within = outer;
        }
    });
}

/// Of any type.
pub(crate) const ANY: &str = "any";
