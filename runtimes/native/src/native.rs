//! The kinds of programs, by the name of the runtime.
//!
//! Each kind is a module with a function that gives its running program once the platform can reach it, or it can reach the platform.

use std::sync::Arc;

use crate::{
    child::Program,
    custom,
    failure::{self, Failure},
    go, http,
    load::Load,
};

/// A running program.
pub(crate) struct Native {
    pub(crate) program: Program,
    /// What LOADED says of it: a JSON object, or nothing.
    pub(crate) loaded: String,
}

impl Native {
    /// Starts the program and waits until it is ready, within the limit that `load` sets.
    pub(crate) async fn start(load: &Arc<Load>) -> Result<Self, Failure> {
        let without_a_word = |program| Self { program, loaded: String::new() };
        match load.runtime.as_str() {
            "Custom" => custom::start(load).map(without_a_word),
            "http" => http::start(load).await.map(without_a_word),
            "Custom Image" => http::start_image(load).await.map(without_a_word),
            "Go1.x" => {
                let (port, program) = go::start(load).await?;
                Ok(Self { program, loaded: format!(r#"{{"port":{}}}"#, port.number()) })
            }
            other => {
                let message = format!("the runtime {other} is no program of its own");
                Err(Failure::new(failure::LOAD, "FunctionConfigError", &message))
            }
        }
    }
}
