//! Keys for a tracing service, and pins: what is set for a function beside its versions. Neither changes how it runs.

use fungraph_model::{Caller, ErrorCode, Fault, FunctionRef, Secret, TracingKeys};

use crate::{Engine, Error, functions};

/// Characters of a key; real ones have 20 to 40.
const MOST_CHARS: usize = 128;

/// UpdateTracing. Without both keys, those that are set go.
#[derive(Debug, Default)]
pub struct TracingDraft {
    /// `tracing_ak`.
    pub access: Option<String>,
    /// `tracing_sk`.
    pub secret: Option<String>,
}

impl Engine {
    /// The tracing keys of a function.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing, FSS.0404 where no keys are set.
    pub async fn tracing_keys(&self, caller: &Caller, function: &FunctionRef) -> Result<TracingKeys, Error> {
        let key = self.existing(caller, function).await?;
        let found = self.store.tracing_keys(&key).await;
        found.map_err(|source| Error::internal("read tracing keys", source))?.ok_or_else(|| {
            let message = "The function has no tracing keys. UpdateTracing sets tracing_ak and tracing_sk";
            Fault::new(ErrorCode::NotFound, message).into()
        })
    }

    /// Sets the tracing keys of a function, or removes them.
    ///
    /// # Errors
    /// FSS.0400 naming the field; FSS.1051 where the function is missing.
    pub async fn set_tracing_keys(
        &self,
        caller: &Caller,
        function: &FunctionRef,
        draft: TracingDraft,
    ) -> Result<(), Error> {
        let keys = check(draft)?;
        let key = functions::key(caller, function)?;
        let stored = self.store.set_tracing_keys(&key, keys.as_ref()).await;
        stored.map_err(|error| self.refused(&key, "store tracing keys", error))
    }

    /// Makes a function stand first in lists, or takes that back.
    ///
    /// # Errors
    /// FSS.1051 where the function is missing.
    pub async fn pin_function(&self, caller: &Caller, function: &FunctionRef, pinned: bool) -> Result<(), Error> {
        let key = functions::key(caller, function)?;
        let done = self.store.pin_function(&key, pinned).await;
        done.map_err(|error| self.refused(&key, "pin a function", error))
    }
}

/// The message names the field, never what was sent in it.
fn check(draft: TracingDraft) -> Result<Option<TracingKeys>, Fault> {
    let bad = |message: &str| Fault::new(ErrorCode::BadParameter, message);
    let text = |text: Option<String>| text.unwrap_or_default();
    let (access, secret) = (text(draft.access), text(draft.secret));
    match (access.is_empty(), secret.is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => return Err(bad("tracing_ak and tracing_sk belong together. Send both, or neither to remove them")),
    }
    let fits = |text: &str| text.len() <= MOST_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits(&access) || !fits(&secret) {
        return Err(bad("tracing_ak and tracing_sk have up to 128 visible ASCII characters each"));
    }
    Ok(Some(TracingKeys { access, secret: Secret::new(secret) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_pairs() {
        let kept = |access: &str, secret: &str| {
            let draft = TracingDraft { access: Some(access.to_owned()), secret: Some(secret.to_owned()) };
            check(draft).map(|keys| keys.is_some()).map_err(|fault| fault.message)
        };
        assert_eq!(kept("ak", "sk"), Ok(true));
        assert_eq!(kept("", ""), Ok(false));
        assert_eq!(check(TracingDraft::default()), Ok(None));
        for (access, secret) in [("ak", ""), ("", "hidden"), ("ak", "hidden one"), ("a\n", "hidden")] {
            let message = kept(access, secret).expect_err(access);
            assert!(!message.contains("hidden"), "{message}");
        }
        assert!(kept(&"x".repeat(129), "sk").is_err());
    }
}
