//! Go functions: their executable serves Go's `net/rpc` at `RUNTIME_API_ADDR`.

use std::{convert::Infallible, sync::Arc};

use crate::{
    child::Program,
    failure::{self, Failure},
    frame::Call,
    link::Link,
    load::Load,
};

/// A running Go function. There is none yet: the create call refuses the runtime, and so does this.
pub(crate) struct Go {
    never: Infallible,
}

impl Go {
    pub(crate) async fn start(_load: Arc<Load>, _link: &Link) -> Result<(Self, Program), Failure> {
        Err(Failure::new(failure::LOAD, "FunctionLoadError", "the runtime Go1.x is not built yet"))
    }

    pub(crate) fn initialize(&self, _call: Call) {
        match self.never {}
    }

    pub(crate) fn call(&self, _call: Call) {
        match self.never {}
    }

    pub(crate) async fn program_ended(&self) {
        match self.never {}
    }
}
