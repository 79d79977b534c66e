//! What a project may have, and what it has of it.

use fungraph_model::{Caller, ErrorCode, Fault, Language, Runtime};

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

/// How much code may still come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    left: u64,
    /// The quota, in MB.
    most: u64,
}

impl Room {
    /// The same, with what makes room for it.
    pub(crate) fn and(self, freed: u64) -> Self {
        Self { left: self.left.saturating_add(freed), ..self }
    }

    /// Whether so many bytes may come.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Fault> {
        if bytes <= self.left {
            return Ok(());
        }
        Err(Fault::new(
            ErrorCode::CodeQuota,
            format!(
                "The project's code would be over its quota of {} MB. Delete functions, or raise limits.code_mb_per_project",
                self.most
            ),
        ))
    }
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

    /// Whether a project may have more code, and one function more. What counts is stored in the same turn of the project.
    ///
    /// # Errors
    /// FSS.1041 and FSS.1042.
    pub(crate) async fn check_quota(&self, caller: &Caller, more_bytes: u64, one_more: bool) -> Result<(), Error> {
        let usage = self.store.usage(&caller.project).await;
        let usage = usage.map_err(|source| Error::internal("count what a project uses", source))?;
        let most = self.config.functions_per_project;
        if one_more && usage.functions >= most {
            return Err(Fault::new(
                ErrorCode::TooManyFunctions,
                format!(
                    "The project holds {most} functions, its most. Delete one, or raise limits.functions_per_project"
                ),
            )
            .into());
        }
        Ok(self.room_beside(usage.code_bytes).check(more_bytes)?)
    }

    /// The code that a project may still have, as things are now: what is larger need not be laid out.
    pub(crate) async fn room_for_code(&self, caller: &Caller) -> Result<Room, Error> {
        let usage = self.store.usage(&caller.project).await;
        let usage = usage.map_err(|source| Error::internal("count what a project uses", source))?;
        Ok(self.room_beside(usage.code_bytes))
    }

    fn room_beside(&self, used: u64) -> Room {
        let most = self.config.code_bytes_per_project;
        Room { left: most.saturating_sub(used), most: most >> 20 }
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
