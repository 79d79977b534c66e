//! Function URNs (contract: invocation.md, "Function URN").

use std::fmt;

use crate::{ErrorCode, Fault, ProjectId, limits};

/// Which version of a function is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// No qualifier, or `latest`.
    Latest,
    /// A published version by its name.
    Version(String),
    /// An alias by its name, written `!name`.
    Alias(String),
}

/// What a URN in any of its six forms names.
///
/// `package` and `qualifier` say what the client left out, since deleting `…:latest` differs from deleting the function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// Project named inside the URN, where the form has one.
    pub project: Option<ProjectId>,
    /// Package, `default` where the form has none.
    pub package: String,
    /// Function name.
    pub name: String,
    /// The last field; `None` where it was left out. One that is there and empty is latest.
    pub qualifier: Option<Qualifier>,
}

/// Fields of the longest form.
const MOST_FIELDS: usize = 8;

impl FunctionRef {
    /// Reads a decoded URN of 1, 2, 3, 4, 7 or 8 fields.
    ///
    /// # Errors
    /// FSS.1309 where the number of fields, a fixed word, the length or an empty name is wrong.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || text.chars().count() > limits::URN_CHARS {
            return Err(bad(text, "it must have 1 to 269 characters"));
        }
        let mut fields = [""; MOST_FIELDS + 1];
        let mut count = 0;
        for (place, field) in fields.iter_mut().zip(text.split(':')) {
            *place = field;
            count += 1;
        }
        let (project, package, name, qualifier) = match fields[..count] {
            [name] => (None, "", name, None),
            [package, name] => (None, package, name, None),
            [project, package, name] => (Some(project), package, name, None),
            [project, package, name, qualifier] => (Some(project), package, name, Some(qualifier)),
            ["urn", "fss", _, project, "function", package, name] => (Some(project), package, name, None),
            ["urn", "fss", _, project, "function", package, name, qualifier] => {
                (Some(project), package, name, Some(qualifier))
            }
            [_, _, _, _, _, _, _] | [_, _, _, _, _, _, _, _] => {
                return Err(bad(text, "the fixed words are urn:fss:<region>:<project>:function:…"));
            }
            _ => return Err(bad(text, "a URN has 1, 2, 3, 4, 7 or 8 fields")),
        };
        if name.is_empty() {
            return Err(bad(text, "the function name is empty"));
        }
        Ok(Self {
            project: project.map(|p| ProjectId(p.to_owned())),
            package: if package.is_empty() { limits::DEFAULT_PACKAGE } else { package }.to_owned(),
            name: name.to_owned(),
            qualifier: qualifier.map(Qualifier::parse).transpose().map_err(|why| bad(text, why))?,
        })
    }

    /// The version asked for; no qualifier means latest.
    #[must_use]
    pub fn version(&self) -> Qualifier {
        self.qualifier.clone().unwrap_or(Qualifier::Latest)
    }
}

fn bad(text: &str, why: &str) -> Fault {
    let shown: String = text.chars().take(80).collect();
    Fault::new(
        ErrorCode::BadUrn,
        format!(
            "The function URN '{shown}' cannot be read: {why}. \
             Use urn:fss:<region>:<project_id>:function:<package>:<name>[:<version> or :!<alias>], or just the function's name"
        ),
    )
}

impl Qualifier {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix('!') {
            Some("") => Err("the alias after '!' is empty"),
            Some(alias) => Ok(Self::Alias(alias.to_owned())),
            // Not as if it were left out: a client that has lost the version it wants to delete must not delete the function.
            None if text.is_empty() || text == limits::LATEST => Ok(Self::Latest),
            None => Ok(Self::Version(text.to_owned())),
        }
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str(limits::LATEST),
            Self::Version(name) => f.write_str(name),
            Self::Alias(name) => write!(f, "!{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, project: Option<&str>, package: &str, name: &str, qualifier: Option<Qualifier>) {
        let expected = FunctionRef {
            project: project.map(|p| ProjectId(p.to_owned())),
            package: package.to_owned(),
            name: name.to_owned(),
            qualifier,
        };
        assert_eq!(FunctionRef::parse(text).expect(text), expected);
    }

    #[test]
    fn reads_every_form() {
        check("hello", None, "default", "hello", None);
        check("tools:hello", None, "tools", "hello", None);
        check("p:tools:hello", Some("p"), "tools", "hello", None);
        check("p:tools:hello:v1", Some("p"), "tools", "hello", Some(Qualifier::Version("v1".into())));
        check("urn:fss:local:p:function:tools:hello", Some("p"), "tools", "hello", None);
        check("urn:fss:any:p:function:tools:hello:latest", Some("p"), "tools", "hello", Some(Qualifier::Latest));
        check(
            "urn:fss:any:p:function:tools:hello:!prod",
            Some("p"),
            "tools",
            "hello",
            Some(Qualifier::Alias("prod".into())),
        );
        check("urn:fss:any:p:function:tools:hello:", Some("p"), "tools", "hello", Some(Qualifier::Latest));
        check("p:tools:hello:", Some("p"), "tools", "hello", Some(Qualifier::Latest));
    }

    #[test]
    fn refuses_what_is_no_urn() {
        for text in [
            "",
            ":",
            "a:b:c:d:e",
            "a:b:c:d:e:f",
            "urn:xss:r:p:function:d:n",
            "urn:fss:r:p:func:d:n:latest",
            "p:d:n:!",
            "1:2:3:4:5:6:7:8:9",
        ] {
            assert_eq!(FunctionRef::parse(text).expect_err(text).code, ErrorCode::BadUrn, "{text}");
        }
        assert!(FunctionRef::parse(&"a".repeat(270)).is_err());
    }
}
