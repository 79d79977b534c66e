//! An instance that is ready for any function of its interpreter, and what makes it one function's.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fungraph_model::{Failure, FailureCode, StartKind};
use tokio::time::timeout;

use crate::{Blueprint, Instance, LaunchError, Launcher, Plan, StartError, StartTimes, death::failure};

/// A bootstrap that watches the time itself can say what took so long, if it is asked no sooner.
const ITS_OWN_WORDS: Duration = Duration::from_secs(1);

/// A sandboxed process whose bootstrap waits for a function. It has seen no code, and sees that of one function only.
pub struct Blank {
    instance: Instance,
}

impl Blank {
    /// Starts one and waits until its bootstrap has reported. `limit` is for all of it; `log_bytes` is what one call may log later.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(
        launcher: &dyn Launcher,
        blueprint: &Blueprint,
        limit: Duration,
        log_bytes: usize,
    ) -> Result<Self, StartError> {
        let begun = Instant::now();
        let launched = timeout(limit, launcher.launch(blueprint)).await;
        let launched = launched.unwrap_or_else(|_| Err(LaunchError::too_slow(blueprint, limit)))?;
        let instance = Instance::attach(launched, log_bytes);
        match timeout(limit.saturating_sub(begun.elapsed()), instance.greet()).await {
            Ok(Ok(())) => Ok(Self { instance }),
            Ok(Err(failure)) => {
                let start = StartTimes { kind: StartKind::New, launch: begun.elapsed(), load: Duration::ZERO };
                Err(instance.give_up(failure, start).await)
            }
            Err(_) => {
                instance.stop(None).await;
                Err(LaunchError::too_slow(blueprint, limit).into())
            }
        }
    }

    /// Makes it an instance of one function: gives it code, limits and identity, and loads the handler. `begun` is when it was
    /// wanted, and `kind` how it came: what lies between is the launch in its start times.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn fit(
        self,
        plan: &Plan,
        limit: Duration,
        kind: StartKind,
        begun: Instant,
    ) -> Result<Instance, StartError> {
        let mut instance = self.instance;
        let mut fitted = None;
        let loaded = timeout(limit + ITS_OWN_WORDS, async {
            // At once: the spawner does both, and may be about to launch another.
            let (fit, api) = tokio::join!(instance.fit(plan), instance.open_api(&plan.version));
            fit?;
            fitted = Some(Instant::now());
            Ok::<_, LaunchError>(match api {
                Ok(custom) => instance.load(plan, custom, limit).await,
                Err(failure) => Err(failure),
            })
        });
        let loaded = loaded.await;
        let now = Instant::now();
        let fitted = fitted.unwrap_or(now);
        let start = StartTimes { kind, launch: fitted - begun, load: now - fitted };
        match loaded {
            Ok(Ok(Ok(()))) => {
                instance.start = start;
                Ok(instance)
            }
            Ok(Ok(Err(failure))) => Err(instance.give_up(failure, start).await),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(instance.give_up(too_slow(limit), start).await),
        }
    }

    /// Whether it can be taken: a process may die while it waits.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.instance.is_alive()
    }
}

fn too_slow(limit: Duration) -> Failure<Bytes> {
    failure(
        FailureCode::InitializerTimedOut,
        "FunctionTimeout",
        &format!(
            "function entry exception, error: loading the function took longer than {} seconds; do less at the top level of the module",
            limit.as_secs()
        ),
    )
}
