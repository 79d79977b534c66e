//! What is set for the asynchronous calls of each version and alias, in memory: it is looked at for every call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use fungraph_model::{AsyncConfig, FunctionKey, Qualifier};

use crate::{Engine, Error};

/// Settings kept before all are forgotten.
const KEPT: usize = 32_768;

/// What has been read since it last changed.
#[derive(Debug, Default)]
pub(crate) struct Settings(Mutex<Known>);

type OfFunction = HashMap<Qualifier, Option<Arc<AsyncConfig>>>;

#[derive(Debug, Default)]
struct Known {
    functions: HashMap<FunctionKey, OfFunction>,
    count: usize,
    /// Goes up with every change, so that what was read before a change is not remembered after it.
    epoch: u64,
}

impl Settings {
    fn get(&self, key: &FunctionKey, qualifier: &Qualifier) -> Result<Option<Arc<AsyncConfig>>, u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.functions.get(key).and_then(|of| of.get(qualifier));
        found.cloned().ok_or(known.epoch)
    }

    fn insert(&self, epoch: u64, key: &FunctionKey, qualifier: &Qualifier, read: Option<Arc<AsyncConfig>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.epoch != epoch {
            return;
        }
        if known.count >= KEPT {
            known.functions.clear();
            known.count = 0;
        }
        let of_function = known.functions.entry(key.clone()).or_default();
        if of_function.insert(qualifier.clone(), read).is_none() {
            known.count += 1;
        }
    }

    /// What is stored of a function may be something else now.
    pub(crate) fn forget(&self, key: &FunctionKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.epoch += 1;
        known.count -= known.functions.remove(key).map_or(0, |of| of.len());
    }
}

impl Engine {
    /// What is set for the asynchronous calls of a version or alias; `None` where nothing is.
    pub(crate) async fn async_settings(
        &self,
        key: &FunctionKey,
        qualifier: &Qualifier,
    ) -> Result<Option<Arc<AsyncConfig>>, Error> {
        let epoch = match self.queue.settings.get(key, qualifier) {
            Ok(known) => return Ok(known),
            Err(epoch) => epoch,
        };
        let read = self.store.async_config(key, qualifier).await;
        let read = read.map_err(|source| Error::internal("read asynchronous settings", source))?.map(Arc::new);
        self.queue.settings.insert(epoch, key, qualifier, read.clone());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_after_it() {
        let (settings, key) = (Settings::default(), sample::function("f").key.clone());
        let epoch = settings.get(&key, &Qualifier::Latest).expect_err("nothing is known");
        settings.insert(epoch, &key, &Qualifier::Latest, None);
        assert_eq!(settings.get(&key, &Qualifier::Latest), Ok(None));
        settings.forget(&key);
        settings.insert(epoch, &key, &Qualifier::Latest, None);
        let epoch = settings.get(&key, &Qualifier::Latest).expect_err("it was forgotten");
        for number in 0..KEPT * 2 {
            settings.insert(epoch, &key, &Qualifier::Version(number.to_string()), None);
        }
        assert!(settings.0.lock().expect("nobody panicked").count <= KEPT);
    }
}
