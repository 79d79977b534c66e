//! How the bootstrap of each language is made ready and started: which files its interpreter prepares, and the command line of an
//! instance.

use std::path::PathBuf;

use fungraph_model::Language;

use crate::{BLANK_MEMORY_MB, Interpreter, bootstrap::Bootstrap, byte_code, dotnet, java, prepared::MARK};

/// A language's way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recipe {
    /// Runs from its text.
    Script(&'static Bootstrap),
    /// Runs from its text until there is byte code.
    Python(&'static Bootstrap),
    /// Runs from a jar, which has to be compiled first; sooner once there is an archive of its classes.
    Java,
    /// Runs from an assembly, which has to be compiled first.
    DotNet,
}

/// A file that an interpreter prepares.
#[derive(Debug)]
pub(crate) struct Step {
    /// What makes it.
    pub(crate) work: Work,
    /// Of the file.
    pub(crate) extension: &'static str,
}

/// What a program of the host makes files with, in a sandbox that no function ever enters.
#[derive(Debug)]
pub(crate) struct Work {
    /// Prints [`MARK`], the length in bytes, a line feed, and the file; so for each file.
    pub(crate) command: Vec<String>,
    /// Longest output that is read.
    pub(crate) most_bytes: u64,
    /// Memory of the sandbox it runs in.
    pub(crate) memory_mb: u32,
    /// Texts it reads: each a path below the bootstraps' folder, and its content.
    pub(crate) sources: Vec<(String, String)>,
    /// What it sees beside what instances see.
    pub(crate) tools: Vec<PathBuf>,
}

impl Recipe {
    /// The way of a language; `None` where no bootstrap is built for it yet.
    pub(crate) fn of(language: Language) -> Option<Self> {
        match language {
            Language::Java => Some(Self::Java),
            Language::CSharp => Some(Self::DotNet),
            Language::Python => Bootstrap::of(language).map(Self::Python),
            _ => Bootstrap::of(language).map(Self::Script),
        }
    }

    /// How many files there must be before an instance can start at all.
    pub(crate) fn needed(self) -> usize {
        usize::from(matches!(self, Self::Java | Self::DotNet))
    }

    /// The step after those whose `files` there are; `None` once all is done.
    pub(crate) fn next(self, interpreter: &Interpreter, files: &[String]) -> Option<Step> {
        match self {
            Self::Python(bootstrap) if files.is_empty() => Some(Step {
                extension: byte_code::EXTENSION,
                work: Work {
                    command: byte_code::command(interpreter, bootstrap, MARK),
                    most_bytes: byte_code::MOST_BYTES,
                    memory_mb: BLANK_MEMORY_MB,
                    sources: Vec::new(),
                    tools: Vec::new(),
                },
            }),
            Self::Java if files.len() < java::steps(interpreter) => Some(Step {
                extension: java::EXTENSIONS[files.len()],
                work: Work {
                    command: java::command(interpreter, MARK, files),
                    most_bytes: java::MOST_BYTES,
                    memory_mb: java::PREPARING_MB,
                    sources: java::sources(),
                    tools: Vec::new(),
                },
            }),
            Self::DotNet if files.is_empty() => Some(Step {
                extension: dotnet::EXTENSION,
                work: Work {
                    command: dotnet::command(interpreter, MARK),
                    most_bytes: dotnet::MOST_BYTES,
                    memory_mb: dotnet::PREPARING_MB,
                    sources: dotnet::sources(interpreter),
                    tools: dotnet::tools(interpreter),
                },
            }),
            _ => None,
        }
    }

    /// Variables of an instance with so much memory, beside those that all have.
    pub(crate) fn env(self, interpreter: &Interpreter, memory_mb: u32) -> Vec<(String, String)> {
        match self {
            Self::DotNet => dotnet::env(interpreter, memory_mb),
            Self::Java | Self::Script(_) | Self::Python(_) => Vec::new(),
        }
    }

    /// The command line of an instance with so much memory, from what is prepared.
    pub(crate) fn args(self, interpreter: &Interpreter, files: &[String], memory_mb: u32) -> Vec<String> {
        match self {
            Self::Script(bootstrap) | Self::Python(bootstrap) => {
                bootstrap.args(interpreter, files.first().map_or(bootstrap.file, String::as_str))
            }
            Self::Java => java::args(interpreter, files, memory_mb),
            Self::DotNet => dotnet::args(interpreter, files),
        }
    }
}
