//! What there is to know of each language's interpreters. Another language is another entry here.

use fungraph_model::Language;

use super::Version;

/// Facts of one language.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) language: Language,
    /// As people write it.
    pub(super) title: &'static str,
    /// Stem of every program name; a version may follow.
    stems: &'static [&'static str],
    /// Names looked for in each folder.
    pub(super) programs: &'static [&'static str],
    /// Oldest version the bootstrap runs on.
    pub(super) oldest: Version,
    /// What of a version makes its series.
    numbering: Numbering,
    /// Header below the prefix that tells the version; `{program}` is the program's file name.
    pub(super) header: &'static str,
    /// Names of its three numbers in that header.
    pub(super) macros: [&'static str; 3],
    /// Below the prefix of a complete installation there is one of these; `{program}` as above.
    pub(super) landmarks: &'static [&'static str],
    /// How to get one.
    pub(super) install: &'static str,
    /// How to get a certain series.
    pub(super) install_series: &'static str,
    /// The library its bootstrap needs, for people; none for most.
    pub(super) library: Option<&'static str>,
}

/// How the makers of a language number what they replace in place.
#[derive(Clone, Copy, Debug)]
enum Numbering {
    /// Major and minor, and a new major breaks with the one before it: `Python3.9`.
    MinorOfMajor,
    /// The major alone: `Node.js18.15` means 18.
    Major,
    /// Major and minor, each able to run what was built for those before it: .NET Core 2.1, 3.1, then 6.0.
    Minor,
}

/// A series inside a generation; see [`super::Interpreters::choose`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) generation: u16,
    pub(super) number: u16,
}

/// More minors than a major has, where both make one number.
const MINORS: u16 = 100;

pub(super) static KINDS: [Kind; 5] = [
    Kind {
        language: Language::Python,
        title: "Python",
        stems: &["python"],
        programs: &[
            "python3",
            "python",
            "python2",
            "python2.7",
            "python3.6",
            "python3.7",
            "python3.8",
            "python3.9",
            "python3.10",
            "python3.11",
            "python3.12",
            "python3.13",
            "python3.14",
            "python3.15",
            "python3.16",
        ],
        oldest: (3, 6, 0),
        numbering: Numbering::MinorOfMajor,
        header: "include/{program}/patchlevel.h",
        macros: ["PY_MAJOR_VERSION", "PY_MINOR_VERSION", "PY_MICRO_VERSION"],
        landmarks: &["lib/{program}/os.py", "lib64/{program}/os.py"],
        install: "apt install python3",
        install_series: "uv python install {series} or pyenv install {series}",
        library: None,
    },
    Kind {
        language: Language::NodeJs,
        title: "Node.js",
        stems: &["nodejs", "node"],
        programs: &["node", "nodejs"],
        oldest: (12, 0, 0),
        numbering: Numbering::Major,
        header: "include/node/node_version.h",
        macros: ["NODE_MAJOR_VERSION", "NODE_MINOR_VERSION", "NODE_PATCH_VERSION"],
        landmarks: &["include/node/node_version.h", "lib/node_modules"],
        install: "apt install nodejs",
        install_series: "nvm install {series}",
        library: None,
    },
    Kind {
        language: Language::Java,
        title: "Java",
        stems: &["java"],
        programs: &["java"],
        oldest: (8, 0, 0),
        numbering: Numbering::Major,
        header: "",
        macros: ["", "", ""],
        landmarks: &["lib/modules", "jre/lib/rt.jar"],
        install: "a JDK with javac, since a JRE cannot compile the bootstrap: apt install openjdk-17-jdk-headless",
        install_series: "apt install openjdk-{series}-jdk-headless, or sdk install java",
        library: Some("Gson (apt install libgoogle-gson-java), or name its jar in the setting runtimes.gson"),
    },
    Kind {
        language: Language::Php,
        title: "PHP",
        stems: &["php"],
        programs: &[
            "php", "php7", "php8", "php7.2", "php7.3", "php7.4", "php8.0", "php8.1", "php8.2", "php8.3", "php8.4",
            "php8.5", "php8.6", "php72", "php73", "php74", "php80", "php81", "php82", "php83", "php84", "php85",
            "php86",
        ],
        oldest: (7, 2, 0),
        numbering: Numbering::MinorOfMajor,
        header: "include/php/main/php_version.h",
        macros: ["PHP_MAJOR_VERSION", "PHP_MINOR_VERSION", "PHP_RELEASE_VERSION"],
        landmarks: &["include/php/main/php_version.h", "lib/php"],
        install: "apt install php-cli",
        install_series: "phpenv install {series}, asdf install php {series}, or a package php{series}-cli of your system",
        library: None,
    },
    Kind {
        language: Language::CSharp,
        title: ".NET",
        stems: &["dotnet"],
        programs: &["dotnet"],
        oldest: (3, 1, 0),
        numbering: Numbering::Minor,
        header: "",
        macros: ["", "", ""],
        landmarks: &["host/fxr"],
        install: "a .NET SDK, since a runtime alone cannot compile the bootstrap: apt install dotnet-sdk-8.0 where your system has it, \
                  or dotnet-install.sh",
        install_series: "dotnet-install.sh --channel {series}, or a package dotnet-sdk-{series} of your system",
        library: None,
    },
];

/// Go's toolchain. No function needs it: its programs are compiled already. It compiles templates.
pub(super) static GO: Kind = Kind {
    language: Language::Go,
    title: "Go",
    stems: &["go"],
    programs: &["go"],
    oldest: (1, 18, 0),
    numbering: Numbering::MinorOfMajor,
    header: "",
    macros: ["", "", ""],
    landmarks: &["src/net/rpc"],
    install: "apt install golang-go",
    install_series: "an archive of Go {series}",
    library: None,
};

impl Kind {
    /// The entry of a language; `None` where its functions need no interpreter of the host, or cannot run yet.
    pub(super) fn of(language: Language) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.language == language)
    }

    /// Whether a file name, links resolved, is that of an interpreter.
    ///
    /// Shims of volta, mise and snap are links to ELF files too, but to one of another name.
    pub(super) fn is_program_name(&self, name: &str) -> bool {
        self.stems.iter().any(|stem| {
            name.strip_prefix(stem).is_some_and(|rest| {
                let rest = rest.strip_suffix(['m', 't']).unwrap_or(rest);
                rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
            })
        })
    }

    /// The series a version belongs to.
    pub(super) fn series(&self, (major, minor): (u16, u16)) -> Series {
        match self.numbering {
            Numbering::MinorOfMajor => Series { generation: major, number: minor },
            Numbering::Major => Series { generation: 0, number: major },
            Numbering::Minor => Series { generation: 0, number: major.saturating_mul(MINORS).saturating_add(minor) },
        }
    }

    /// A series as people write it: `3.9` or `18`.
    pub(super) fn series_text(&self, series: Series) -> String {
        match self.numbering {
            Numbering::MinorOfMajor => format!("{}.{}", series.generation, series.number),
            Numbering::Major => series.number.to_string(),
            Numbering::Minor => format!("{}.{}", series.number / MINORS, series.number % MINORS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, name: &str, expected: bool) {
        let kind = Kind::of(language).expect("the language is in the table");
        assert_eq!(kind.is_program_name(name), expected, "{name}");
    }

    #[test]
    fn program_names() {
        for name in ["python", "python3", "python3.9", "python3.6m", "python3.13t"] {
            check(Language::Python, name, true);
        }
        for name in ["python3-config", "python3.9-gdb.py", "pythonw", "pypy3", "mise"] {
            check(Language::Python, name, false);
        }
        for name in ["node", "nodejs", "node20", "node-20"] {
            check(Language::NodeJs, name, true);
        }
        for name in ["volta-shim", "snap", "node_exporter", "nodemon"] {
            check(Language::NodeJs, name, false);
        }
        for name in ["php", "php8.2", "php83"] {
            check(Language::Php, name, true);
        }
        for name in ["php-cgi8.2", "phpdbg", "php-fpm8.2", "php-config", "phpize", "phar"] {
            check(Language::Php, name, false);
        }
    }
}
