//! Templates whose code is compiled: by what will run it, once for each interpreter in a run of the server, when somebody first asks.
//! Built files are no part of the repository, and a compiler is there wherever the language runs, since its bootstrap needs it too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use fungraph_instance::{Interpreter, Launcher, Sources};
use tokio::sync::OnceCell;

use crate::error::chain;

/// The code that one interpreter made of some sources, once it is known; `None` where it could make none.
type Code = Arc<OnceCell<Option<Bytes>>>;

/// What has been compiled, or cannot be.
pub(crate) struct Compiled {
    compiler: Arc<dyn Launcher>,
    of: Mutex<HashMap<(Arc<Interpreter>, &'static str), Code>>,
}

impl Compiled {
    pub(crate) fn by(compiler: Arc<dyn Launcher>) -> Self {
        Self { compiler, of: Mutex::default() }
    }

    /// The code package; `None` where it cannot be made, which is told once.
    pub(super) async fn code(&self, interpreter: &Arc<Interpreter>, sources: &'static Sources) -> Option<Bytes> {
        let cell = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(of.entry((Arc::clone(interpreter), sources.name)).or_default())
        };
        // A task of its own, which ends by itself: whoever asks may leave, and would make the next one begin again.
        let (compiler, interpreter) = (Arc::clone(&self.compiler), Arc::clone(interpreter));
        let compiled = tokio::spawn(async move {
            cell.get_or_init(|| compile(compiler.as_ref(), &interpreter, sources)).await.clone()
        });
        compiled.await.ok().flatten()
    }
}

async fn compile(compiler: &dyn Launcher, interpreter: &Arc<Interpreter>, sources: &'static Sources) -> Option<Bytes> {
    match compiler.compile(interpreter, sources).await {
        Ok(code) => Some(code.into()),
        Err(error) => {
            let cause = chain(&error);
            tracing::warn!(cause, "templates that this would have compiled are left out");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use fungraph_instance::{Blueprint, BoxFuture, LaunchError, Launched, interpreters::Origin};
    use fungraph_model::Language;

    use super::*;

    static SOURCES: Sources = Sources { name: "test", files: &[] };

    /// Compiles for one version, and counts.
    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Launcher for Counts {
        fn launch<'a>(&'a self, _: &'a Blueprint) -> BoxFuture<'a, Result<Launched, LaunchError>> {
            unreachable!("nothing is started")
        }

        fn compile<'a>(
            &'a self,
            interpreter: &'a Arc<Interpreter>,
            _: &'static Sources,
        ) -> BoxFuture<'a, Result<Vec<u8>, LaunchError>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            let broken = LaunchError { of: String::new(), told: None, source: "broken".into() };
            let made = if interpreter.version.0 == 17 { Ok(b"jar".to_vec()) } else { Err(broken) };
            Box::pin(async move {
                tokio::task::yield_now().await;
                made
            })
        }
    }

    fn java(major: u16) -> Arc<Interpreter> {
        Arc::new(Interpreter {
            language: Language::Java,
            version: (major, 0, 1),
            program: "/usr/bin/java".into(),
            prefix: None,
            library: None,
            origin: Origin::System,
            image: None,
        })
    }

    #[tokio::test]
    async fn each_interpreter_compiles_once_for_all_who_ask_also_where_it_fails() {
        let counts = Arc::new(Counts::default());
        let compiled = Compiled::by(Arc::clone(&counts) as Arc<_>);
        for round in 0..3 {
            let (seventeen, eight) = (java(17), java(8));
            let asked = tokio::join!(
                compiled.code(&seventeen, &SOURCES),
                compiled.code(&seventeen, &SOURCES),
                compiled.code(&eight, &SOURCES)
            );
            assert_eq!(asked, (Some("jar".into()), Some("jar".into()), None), "{round}");
        }
        assert_eq!(counts.0.load(Ordering::SeqCst), 2);
    }
}
