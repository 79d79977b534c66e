//! What a project may have, and what it has of it.

use fungraph_model::{Caller, Language, Runtime};

use crate::{Engine, Error};

/// One limit with its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The API's word.
    pub kind: &'static str,
    /// The limit.
    pub quota: u64,
    /// Its use.
    pub used: u64,
    /// Unit of both; empty for a number of things.
    pub unit: &'static str,
}

const fn quota(kind: &'static str, quota: u64, used: u64) -> Quota {
    Quota { kind, quota, used, unit: "" }
}

impl Engine {
    /// Every quota of a project, in the order of the contract.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn quotas(&self, caller: &Caller) -> Result<Vec<Quota>, Error> {
        let usage = self.store.usage(&caller.project).await;
        let usage = usage.map_err(|source| Error::internal("count what a project uses", source))?;
        let census = self.pool.census();
        let own = || census.functions.iter().filter(|one| one.function.project == caller.project);
        let sum = |count: fn(&fungraph_pool::FunctionCensus) -> usize| own().map(count).sum::<usize>() as u64;
        let (_, instances) = self.pool.largest_room();
        Ok(vec![
            quota("fgs_func_scale_down_timeout", self.pool.idle().as_secs(), 0),
            quota("fgs_func_occurs", instances as u64, sum(|one| one.running)),
            // Nobody tells what it limits, and nothing here depends on it; the number is the contract's.
            quota("fgs_func_pat_idle_time", 100, 0),
            quota("fgs_func_num", self.config.functions_per_project, usage.functions),
            Quota {
                unit: "MB",
                ..quota(
                    "fgs_func_code_size",
                    self.config.code_bytes_per_project >> 20,
                    usage.code_bytes.div_ceil(1 << 20),
                )
            },
            // There are no workflows yet.
            quota("fgs_workflow_num", 0, 0),
            quota("fgs_on_demand_instance_limit", instances as u64, sum(|one| one.instances)),
            quota("fgs_func_qos_limit", self.pool.longest_line() as u64, sum(|one| one.waiting)),
        ])
    }

    /// The runtimes that functions can be created with on this host. Images need none.
    #[must_use]
    pub fn runtimes(&self) -> Vec<Runtime> {
        let can_be = |runtime: &Runtime| {
            runtime.language().is_built()
                && !runtime.loads_plugin()
                && (runtime.language() == Language::Image
                    || self.interpreters.choose(*runtime, self.config.strict_runtimes).is_ok())
        };
        Runtime::all().filter(can_be).collect()
    }
}
