//! A function and its code, as resolved for a call.

use std::fmt;

use jiff::Timestamp;

use crate::{Dependency, DomainId, FunctionSpec, ProjectId};

/// Identity of a function within the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionKey {
    /// Owning project.
    pub project: ProjectId,
    /// Grouping word of the API.
    pub package: String,
    /// Name, unique in its package.
    pub name: String,
}

/// One version of a function: `latest`, which changes, or a published one, which does not.
#[derive(Clone, Debug)]
pub struct FunctionVersion {
    /// Which function.
    pub key: FunctionKey,
    /// Owning account.
    pub domain: DomainId,
    /// `latest` or the published name.
    pub version: String,
    /// Id of the function itself (`func_id`), the same for all versions.
    pub func_id: String,
    /// Checked configuration.
    pub spec: FunctionSpec,
    /// The code.
    pub code: CodePackage,
    /// What is merged into the code, later ones winning over earlier ones and all of them over the code.
    pub dependencies: Vec<Dependency>,
    /// Name of the folder that holds the result; `None` without dependencies.
    pub merged: Option<Digest>,
    /// How its program is started, where it is a container image; `code.digest` says which one.
    pub image: Option<FunctionImage>,
    /// Goes up with every change of configuration or code; instances are keyed by it.
    pub revision: u64,
    /// Time of the last change; of a published version, of its publication.
    pub last_modified: Timestamp,
    /// What was said when it was published; empty for latest.
    pub remark: String,
}

impl FunctionVersion {
    /// Whether calls of both do the same: code, dependencies and configuration are equal.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        let parts = |one: &Self| (one.spec.clone(), one.code.clone(), one.merged.clone(), one.image.clone());
        let attached = |one: &Self| one.dependencies.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        parts(self) == parts(other) && attached(self) == attached(other)
    }
}

/// How code came in (`code_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeType {
    /// One source file as text.
    Inline,
    /// A zip archive.
    Zip,
    /// A jar, or a zip that holds jars.
    Jar,
    /// A zip, or a jar by its name, that was fetched from an object store.
    Object,
    /// A container image, pulled from a registry.
    Image,
}

impl CodeType {
    /// The API's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Zip => "zip",
            Self::Jar => "jar",
            Self::Object => "obs",
            Self::Image => "Custom-Image-Swr",
        }
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Inline, Self::Zip, Self::Jar, Self::Object, Self::Image].into_iter().find(|t| t.name() == name)
    }
}

/// Uploaded code, kept under its digest; or an image, kept elsewhere under its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePackage {
    /// How it came in.
    pub code_type: CodeType,
    /// File name given by the client, or the main file of inline code.
    pub filename: String,
    /// Bytes as uploaded, decoded from base64.
    pub size: u64,
    /// SHA-512 of those bytes; SHA-256 of the manifest of an image.
    pub digest: Digest,
}

/// SHA-512 (FIPS 180-4) of an uploaded package, 128 lower-case hexadecimal characters; of an image SHA-256, 64 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub String);

/// A container image as a function (contract: custom-runtime.md section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionImage {
    /// Its name, as the client gave it.
    pub name: String,
    /// What the client wants to be run instead of the image's entry point: parts separated by commas; empty for nothing.
    pub command: String,
    /// The same for the arguments.
    pub args: String,
    /// Working directory the client wants; empty for the image's own.
    pub working_dir: String,
    /// User inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
    /// What the image itself says of it.
    pub own: ImageDefaults,
}

/// How an image says that its program is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageDefaults {
    /// First part of the command.
    pub entrypoint: Vec<String>,
    /// Second part.
    pub cmd: Vec<String>,
    /// Environment, in order.
    pub env: Vec<(String, String)>,
    /// Working directory; empty for `/`.
    pub working_dir: String,
}

impl FunctionImage {
    /// The whole command. A command of the client's takes the place of all that the image says; arguments alone take the place of the
    /// image's arguments.
    #[must_use]
    pub fn command_line(&self) -> Vec<String> {
        let (command, args) = (parts(&self.command), parts(&self.args));
        match (command.is_empty(), args.is_empty()) {
            (false, _) => [command, args].concat(),
            (true, false) => [self.own.entrypoint.clone(), args].concat(),
            (true, true) => [&*self.own.entrypoint, &*self.own.cmd].concat(),
        }
    }

    /// Where it is run.
    #[must_use]
    pub fn directory(&self) -> &str {
        let given = [&self.working_dir, &self.own.working_dir].into_iter().find(|directory| !directory.is_empty());
        given.map_or("/", String::as_str)
    }
}

fn parts(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { text.split(',').map(|part| part.trim().to_owned()).collect() }
}

impl FunctionKey {
    /// The full URN in a region, ending in `version`.
    #[must_use]
    pub fn urn(&self, region: &str, version: &str) -> String {
        format!("urn:fss:{region}:{}:function:{}:{}:{version}", self.project, self.package, self.name)
    }
}

impl fmt::Display for FunctionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.project, self.package, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_comes_before_what_an_image_says() {
        let check = |command: &str, args: &str, expected: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let own = ImageDefaults {
                entrypoint: texts(&["/app", "-x"]),
                cmd: texts(&["serve"]),
                ..ImageDefaults::default()
            };
            let (command, args) = (command.to_owned(), args.to_owned());
            let image = FunctionImage { command, args, own, ..FunctionImage::default() };
            assert_eq!(image.command_line(), expected);
        };
        check("", "", &["/app", "-x", "serve"]);
        check("", "a, b", &["/app", "-x", "a", "b"]);
        check("/bin/sh,-c", "", &["/bin/sh", "-c"]);
        check("/bin/sh,-c", "echo hello", &["/bin/sh", "-c", "echo hello"]);
    }

    #[test]
    fn an_image_is_run_where_it_says_unless_the_client_does() {
        let mut image = FunctionImage::default();
        assert_eq!(image.directory(), "/");
        image.own.working_dir = "/srv".to_owned();
        assert_eq!(image.directory(), "/srv");
        image.working_dir = "/app".to_owned();
        assert_eq!(image.directory(), "/app");
    }
}
