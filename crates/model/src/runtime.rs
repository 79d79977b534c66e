//! Runtime names (contract: runtimes.md section 1).

/// What kind of bootstrap a runtime needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// CPython.
    Python,
    /// Node.js.
    NodeJs,
    /// Java.
    Java,
    /// Go, also the legacy plugin form.
    Go,
    /// PHP.
    Php,
    /// .NET.
    CSharp,
    /// Cangjie.
    Cangjie,
    /// A bootstrap of the user's own that asks for events over HTTP.
    Custom,
    /// A web server of the user's own.
    Http,
    /// A container image.
    Image,
}

impl Language {
    /// Those whose functions run here.
    pub const BUILT: [Self; 9] = [
        Self::Python,
        Self::NodeJs,
        Self::Java,
        Self::Php,
        Self::CSharp,
        Self::Go,
        Self::Custom,
        Self::Http,
        Self::Image,
    ];

    /// Whether its functions are programs of their own, which need no interpreter of the host.
    #[must_use]
    pub fn is_native(self) -> bool {
        matches!(self, Self::Custom | Self::Http | Self::Go | Self::Image)
    }

    /// Whether its functions run here, given what they need.
    #[must_use]
    pub fn is_built(self) -> bool {
        Self::BUILT.contains(&self)
    }

    /// As people write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::NodeJs => "Node.js",
            Self::Java => "Java",
            Self::Go => "Go",
            Self::Php => "PHP",
            Self::CSharp => ".NET",
            Self::Cangjie => "Cangjie",
            Self::Custom => "Custom",
            Self::Http => "http",
            Self::Image => "Custom Image",
        }
    }

    /// All of [`Self::BUILT`], in words: `Python, Node.js and PHP`.
    #[must_use]
    pub fn built_titles() -> String {
        let titles = Self::BUILT.map(Self::title);
        let (last, rest) = titles.split_last().unwrap_or((&"", &[]));
        format!("{} and {last}", rest.join(", "))
    }
}

/// One entry of the service's list of runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Runtime(&'static Entry);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Entry {
    name: &'static str,
    language: Language,
    version: (u16, u16),
}

const fn entry(name: &'static str, language: Language, major: u16, minor: u16) -> Entry {
    Entry { name, language, version: (major, minor) }
}

static RUNTIMES: [Entry; 27] = [
    entry("Node.js6.10", Language::NodeJs, 6, 10),
    entry("Node.js8.10", Language::NodeJs, 8, 10),
    entry("Node.js10.16", Language::NodeJs, 10, 16),
    entry("Node.js12.13", Language::NodeJs, 12, 13),
    entry("Node.js14.18", Language::NodeJs, 14, 18),
    entry("Node.js16.17", Language::NodeJs, 16, 17),
    entry("Node.js18.15", Language::NodeJs, 18, 15),
    entry("Node.js20.15", Language::NodeJs, 20, 15),
    entry("Python2.7", Language::Python, 2, 7),
    entry("Python3.6", Language::Python, 3, 6),
    entry("Python3.9", Language::Python, 3, 9),
    entry("Python3.10", Language::Python, 3, 10),
    entry("Python3.12", Language::Python, 3, 12),
    entry("PHP7.3", Language::Php, 7, 3),
    entry("PHP8.3", Language::Php, 8, 3),
    entry("Java8", Language::Java, 8, 0),
    entry("Java11", Language::Java, 11, 0),
    entry("Java17", Language::Java, 17, 0),
    entry("Java21", Language::Java, 21, 0),
    entry("Go1.x", Language::Go, 1, 0),
    entry("Go1.8", Language::Go, 1, 8),
    entry("C#(.NET Core 2.1)", Language::CSharp, 2, 1),
    entry("C#(.NET Core 3.1)", Language::CSharp, 3, 1),
    entry("C#(.NET Core 6.0)", Language::CSharp, 6, 0),
    entry("Custom", Language::Custom, 0, 0),
    entry("http", Language::Http, 0, 0),
    entry("Custom Image", Language::Image, 0, 0),
];

static RARE: [Entry; 2] =
    [entry("C#(.NET Core 2.0)", Language::CSharp, 2, 0), entry("Cangjie1.0", Language::Cangjie, 1, 0)];

impl Runtime {
    /// Looks a name up, letter for letter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|runtime| runtime.name() == name)
    }

    /// Every runtime of the service, in the order of the contract.
    pub fn all() -> impl Iterator<Item = Self> {
        RUNTIMES.iter().chain(&RARE).map(Self)
    }

    /// The name as the API writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The language whose bootstrap serves it.
    #[must_use]
    pub fn language(self) -> Language {
        self.0.language
    }

    /// Major and minor version the name asks for; (0, 0) where it asks for none.
    #[must_use]
    pub fn version(self) -> (u16, u16) {
        self.0.version
    }

    /// Whether a handler must contain a dot (SETTLED.md, "Management").
    #[must_use]
    pub fn handler_needs_dot(self) -> bool {
        matches!(self.language(), Language::NodeJs | Language::Python | Language::Php | Language::Java)
    }

    /// Whether the event must be JSON; the others get the bytes as they came (SETTLED.md, "Calls").
    #[must_use]
    pub fn parses_event(self) -> bool {
        matches!(self.language(), Language::NodeJs | Language::Python | Language::Php | Language::Java)
    }

    /// Whether it is the old form of Go, a plugin that a program of the service's loaded.
    #[must_use]
    pub fn loads_plugin(self) -> bool {
        self.language() == Language::Go && self.version() != (1, 0)
    }

    /// Whether a program of the user's own runs, started and asked to end by the native bootstrap.
    #[must_use]
    pub fn is_native(self) -> bool {
        self.language().is_native()
    }

    /// Main file of inline code that names none; `None` where the runtime takes no inline code.
    #[must_use]
    pub fn main_file(self) -> Option<&'static str> {
        match self.language() {
            Language::NodeJs => Some("index.js"),
            Language::Python => Some("index.py"),
            Language::Php => Some("index.php"),
            Language::Custom => Some("bootstrap"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again() {
        for runtime in Runtime::all() {
            assert_eq!(Runtime::parse(runtime.name()), Some(runtime));
        }
        assert_eq!(Runtime::parse("python3.9"), None);
    }

    #[test]
    fn what_is_built_is_told_in_words() {
        assert!(Language::Python.is_built() && !Language::Cangjie.is_built());
        let titles = Language::built_titles();
        assert!(titles.starts_with("Python, ") && titles.contains(" and "), "{titles}");
    }
}
