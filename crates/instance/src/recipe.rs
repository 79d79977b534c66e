//! How the bootstrap of each language is made ready and started: which files its interpreter prepares, and the command line of an
//! instance.

use std::path::PathBuf;

use fungraph_model::Language;

use crate::{BLANK_MEMORY_MB, Interpreter, Sources, bootstrap::Bootstrap, byte_code, dotnet, java, prepared::MARK};

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
    /// Prints [`MARK`], the length in bytes, a line feed, and the file.
    pub(crate) command: Vec<String>,
    /// Of the file.
    pub(crate) extension: &'static str,
    /// Longest output that is read.
    pub(crate) most_bytes: u64,
    /// Memory of the sandbox it runs in.
    pub(crate) memory_mb: u32,
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
                command: byte_code::command(interpreter, bootstrap, MARK),
                extension: byte_code::EXTENSION,
                most_bytes: byte_code::MOST_BYTES,
                memory_mb: BLANK_MEMORY_MB,
            }),
            Self::Java if files.len() < java::steps(interpreter) => Some(Step {
                command: java::command(interpreter, MARK, files),
                extension: java::EXTENSIONS[files.len()],
                most_bytes: java::MOST_BYTES,
                memory_mb: java::PREPARING_MB,
            }),
            Self::DotNet if files.is_empty() => Some(Step {
                command: dotnet::command(interpreter, MARK),
                extension: dotnet::EXTENSION,
                most_bytes: dotnet::MOST_BYTES,
                memory_mb: dotnet::PREPARING_MB,
            }),
            _ => None,
        }
    }

    /// Sources that its steps compile: each a path below the bootstraps' folder, and its text.
    pub(crate) fn sources(self, interpreter: &Interpreter) -> Vec<(String, String)> {
        match self {
            Self::Java => java::sources(),
            Self::DotNet => dotnet::sources(interpreter),
            Self::Script(_) | Self::Python(_) => Vec::new(),
        }
    }

    /// The step that makes a function of its sources; `None` where functions of the language are not compiled, or not by us.
    pub(crate) fn compilation(self, interpreter: &Interpreter, sources: &Sources) -> Option<Step> {
        matches!(self, Self::Java).then(|| Step {
            command: java::function_command(interpreter, MARK, sources.name),
            extension: java::EXTENSIONS[0],
            most_bytes: java::MOST_BYTES,
            memory_mb: java::PREPARING_MB,
        })
    }

    /// What a step sees beside what instances see.
    pub(crate) fn tools(self, interpreter: &Interpreter) -> Vec<PathBuf> {
        match self {
            Self::DotNet => dotnet::tools(interpreter),
            Self::Java | Self::Script(_) | Self::Python(_) => Vec::new(),
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
