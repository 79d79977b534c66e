//! The sources, compiled in, and those that are made of them: every family of the API has its event classes from one text.

use super::events;

macro_rules! sources {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../../../runtimes/java/src/", $name)))),*] };
}

/// Bootstrap, and the API as each of its families names it.
const SOURCES: [(&str, &str); 27] = sources![
    "fungraph/Bootstrap.java",
    "fungraph/CallContext.java",
    "fungraph/CallLogger.java",
    "fungraph/Entry.java",
    "fungraph/Environment.java",
    "fungraph/Failure.java",
    "fungraph/FunctionLoader.java",
    "fungraph/GsonMarshal.java",
    "fungraph/Handler.java",
    "fungraph/Heartbeat.java",
    "fungraph/Journal.java",
    "fungraph/Loaded.java",
    "fungraph/Marshal.java",
    "fungraph/Order.java",
    "fungraph/Output.java",
    "fungraph/Rehearsal.java",
    "fungraph/Running.java",
    "fungraph/Session.java",
    "fungraph/Stack.java",
    "fungraph/Stamp.java",
    "fungraph/Wire.java",
    "com/huawei/services/runtime/Context.java",
    "com/huawei/services/runtime/RuntimeLogger.java",
    "com/opentelekomcloud/services/runtime/Context.java",
    "com/opentelekomcloud/services/runtime/RuntimeLogger.java",
    "com/services/runtime/Context.java",
    "com/services/runtime/RuntimeLogger.java",
];

const EVENTS: &str = include_str!("../../../../runtimes/java/events.txt");
const RESPONSE: &str =
    include_str!("../../../../runtimes/java/src/com/huawei/services/runtime/entity/apig/APIGTriggerResponse.java");
/// Packages that hold event classes; the first is the one the sources are written in. The kernel's family has none.
const FAMILIES: [&str; 2] =
    ["com.huawei.services.runtime.entity", "com.opentelekomcloud.services.functiongraph.runtime.events"];

/// Every source: its path, and its text.
pub(super) fn all() -> Vec<(String, String)> {
    let plain = SOURCES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    plain.chain(FAMILIES.into_iter().flat_map(family)).collect()
}

fn family(package: &str) -> Vec<(String, String)> {
    let folder = package.replace('.', "/");
    let response = (format!("{folder}/apig/APIGTriggerResponse.java"), RESPONSE.replace(FAMILIES[0], package));
    let classes = events::classes(EVENTS, package);
    let named = classes.into_iter().map(|class| (format!("{folder}/{}", class.file), class.text));
    named.chain([response]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::compiled_in;

    #[test]
    fn every_file_is_compiled_in() {
        let known: BTreeSet<String> = all().into_iter().map(|(name, _)| name).collect();
        let on_disk = compiled_in::files("java/src");
        let forgotten: Vec<_> = on_disk.difference(&known).collect();
        assert!(forgotten.is_empty(), "not compiled in: {forgotten:?}");
        assert!(known.contains("com/opentelekomcloud/services/functiongraph/runtime/events/smn/SMNBody.java"));
    }
}
