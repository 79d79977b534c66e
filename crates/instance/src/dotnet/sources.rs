//! The sources, compiled in, and the API that is made of one text for each operator.

macro_rules! sources {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../../../runtimes/dotnet/", $name)))),*] };
}

const SOURCES: [(&str, &str); 19] = sources![
    "src/Bootstrap.cs",
    "src/CallContext.cs",
    "src/ContextProxy.cs",
    "src/Descriptor.cs",
    "src/Entry.cs",
    "src/Failure.cs",
    "src/Handler.cs",
    "src/Journal.cs",
    "src/Loaded.cs",
    "src/Order.cs",
    "src/Output.cs",
    "src/Package.cs",
    "src/Rehearsal.cs",
    "src/Running.cs",
    "src/Serializers.cs",
    "src/Session.cs",
    "src/Stack.cs",
    "src/Wire.cs",
    "api/Common.cs",
];

/// Assemblies of the API, which are also its namespaces. The first is the one the text is written in.
pub(super) const API: [&str; 2] = ["HC.Serverless.Function.Common", "OpenTelekomCloud.Serverless.Function.Common"];

/// Every source: its path, and its text.
pub(super) fn all() -> Vec<(String, String)> {
    let own = SOURCES.iter().filter(|(name, _)| name.starts_with("src/"));
    let own = own.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    own.chain(api_sources().into_iter().map(|(name, text)| (format!("api/{name}.cs"), text))).collect()
}

/// The API that .NET functions are compiled against: name and text of each assembly.
#[must_use]
pub fn api_sources() -> Vec<(String, String)> {
    let text = SOURCES.iter().find(|(name, _)| name.starts_with("api/")).map_or("", |(_, text)| text);
    API.map(|name| (name.to_owned(), text.replace(API[0], name))).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::compiled_in;

    #[test]
    fn every_file_is_compiled_in() {
        let of = |folder: &str| {
            compiled_in::files(&format!("dotnet/{folder}")).into_iter().map(|file| format!("{folder}/{file}")).collect()
        };
        let on_disk: BTreeSet<String> =
            ["src", "api"].into_iter().flat_map(|folder| -> Vec<_> { of(folder) }).collect();
        let known: BTreeSet<String> = SOURCES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(on_disk, known);
        assert!(api_sources()[1].1.contains("namespace OpenTelekomCloud.Serverless.Function.Common\n"));
    }
}
