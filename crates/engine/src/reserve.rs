//! Reserved instances: what is set for a version, and how many there are.

mod check;
pub(crate) mod keeper;
mod load;
pub(crate) mod news;
mod schedule;

use std::sync::Arc;

use fungraph_model::{
    Caller, DomainId, ErrorCode, Fault, FunctionKey, FunctionRef, FunctionVersion, Qualifier, Reservation, Reserved,
    limits,
};
use jiff::Timestamp;

use crate::{
    AttachedDraft, Engine, Error, ReservationDraft, SpecDraft, StrategyDraft, functions, to_end::to_end, turns::Scope,
};

/// Which reservations to list.
#[derive(Clone, Debug, Default)]
pub struct ReservationQuery {
    /// Only this function; with a qualifier, only that version or alias.
    pub function: Option<FunctionRef>,
    /// How many to pass over.
    pub marker: u32,
    /// How many to give, 1 to 400.
    pub limit: u32,
}

/// A page of reservations, in the order in which they were made.
#[derive(Clone, Debug)]
pub struct ReservationList {
    /// The reservations, each with the number of its instances that are ready.
    pub reservations: Vec<(Reserved, usize)>,
    /// Where the next page begins; 0 where there is none.
    pub next_marker: u32,
    /// Where the page before begins.
    pub previous_marker: u32,
    /// All that match.
    pub count: usize,
}

impl Engine {
    /// Sets the most instances of a function: its `strategy_config.concurrency`.
    ///
    /// # Errors
    /// FSS.0400 where it is missing, FSS.1026 out of range, FSS.1015 for a version or alias, FSS.1051.
    pub async fn set_most_instances(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        most: Option<i64>,
    ) -> Result<Arc<FunctionVersion>, Error> {
        let most = most.ok_or_else(|| {
            Fault::new(
                ErrorCode::BadParameter,
                "The field 'max_instance_num' is missing: -1 is no limit, 0 disables the function, else 1 to 1000",
            )
        })?;
        if !i32::try_from(most).is_ok_and(|most| limits::CONCURRENCY.contains(&most)) {
            let message = format!("max_instance_num {most} is outside -1 to 1000 (-1 is no limit, 0 disables)");
            return Err(Fault::new(ErrorCode::BadConcurrency, message).into());
        }
        let strategy = StrategyDraft { concurrency: Some(most), concurrent_num: None };
        let draft = SpecDraft { strategy: Some(strategy), ..SpecDraft::default() };
        self.update_spec(caller, function, None, draft, AttachedDraft::default()).await
    }

    /// Replaces what is reserved for a version; a count of 0 without schedules and rules removes it.
    ///
    /// # Errors
    /// FSS.0400 naming the field; FSS.1076 where there may not be so many; FSS.1051, FSS.1052 and FSS.1053.
    pub async fn reserve(
        self: &Arc<Self>,
        caller: &Caller,
        function: &FunctionRef,
        draft: ReservationDraft,
    ) -> Result<Reservation, Error> {
        let version = self.function(caller, function).await?;
        let reservation = check::reservation(draft)?;
        let (engine, wish, qualifier) = (Arc::clone(self), reservation.clone(), function.version());
        let whole = async move {
            // Nobody else of the account reserves between the look at the limit and what counts against it.
            let _alone = engine.turns.of(Scope::Account(version.domain.clone())).await;
            let now_s = Timestamp::now().as_second();
            engine.check_limit(&version, &qualifier, &wish, now_s).await?;
            engine.check_room(&version, wish.most_from(now_s))?;
            let kept = (!wish.is_nothing()).then_some(&wish);
            match engine.store.reserve(&version.key, &qualifier, kept).await {
                Ok(()) => {}
                Err(error) => return Err(engine.refused(&version.key, "store reserved instances", error)),
            }
            tracing::info!(function = %version.key, count = wish.count, "reserved instances set");
            engine.jobs.keeper_news().reservations_changed();
            Ok(())
        };
        to_end(whole, self.orphans.clone()).await?;
        Ok(reservation)
    }

    /// One page of what is reserved in a project.
    ///
    /// # Errors
    /// FSS.0403 for a function of another project.
    pub async fn reservations(&self, caller: &Caller, query: ReservationQuery) -> Result<ReservationList, Error> {
        let key = query.function.as_ref().map(|function| functions::key(caller, function)).transpose()?;
        let qualifier = query.function.and_then(|function| function.qualifier);
        let matches = |reserved: &Reserved| {
            reserved.key.project == caller.project
                && key.as_ref().is_none_or(|key| *key == reserved.key)
                && qualifier.as_ref().is_none_or(|qualifier| *qualifier == reserved.qualifier)
        };
        let all: Vec<Reserved> = self.stored_reservations().await?.into_iter().filter(matches).collect();
        let (count, marker) = (all.len(), query.marker as usize);
        let page = all.into_iter().skip(marker).take(query.limit as usize);
        let reservations: Vec<_> = page.map(|reserved| (self.ready_reserved(&reserved), reserved)).collect();
        let end = marker + reservations.len();
        Ok(ReservationList {
            // The API writes 0 where there is no next page.
            next_marker: if end < count && !reservations.is_empty() { u32::try_from(end).unwrap_or(0) } else { 0 },
            previous_marker: query.marker.saturating_sub(query.limit),
            reservations: reservations.into_iter().map(|(ready, reserved)| (reserved, ready)).collect(),
            count,
        })
    }

    /// What is reserved for a version or alias.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reservation(&self, key: &FunctionKey, of: &Qualifier) -> Result<Option<Reservation>, Error> {
        let found = self.store.reservation(key, of).await;
        found.map_err(|source| Error::internal("read the reserved instances", source))
    }

    async fn stored_reservations(&self) -> Result<Vec<Reserved>, Error> {
        let found = self.store.reservations().await;
        // The keeper tells of those that cannot be read.
        Ok(found.map_err(|source| Error::internal("read the reserved instances", source))?.reserved)
    }

    /// Reserved instances that are ready. What is not in memory has none.
    fn ready_reserved(&self, reserved: &Reserved) -> usize {
        let ready = |version: &str| {
            let resolved = self.resolver.get(&reserved.key, version).ok().flatten();
            resolved.map_or(0, |resolved| resolved.group.reserved())
        };
        match &reserved.qualifier {
            Qualifier::Latest => ready(limits::LATEST),
            Qualifier::Version(name) => ready(name),
            Qualifier::Alias(name) => {
                let alias = self.resolver.alias(&reserved.key, name).ok().flatten();
                alias.map_or(0, |alias| ready(&alias.version))
            }
        }
    }

    /// Whether this server could ever run so many.
    fn check_room(&self, version: &FunctionVersion, most: u32) -> Result<(), Fault> {
        let (most, memory_mb) = (u64::from(most), version.spec.memory_mb);
        let (memory_bytes, instances) = self.pool.largest_room();
        if most * (u64::from(memory_mb) << 20) > memory_bytes || most > instances as u64 {
            let of_pool = memory_bytes >> 20;
            return Err(Fault::new(
                ErrorCode::TooManyReserved,
                format!(
                    "{most} reserved instances of {memory_mb} MB can never run here: all instances together may have \
                     {of_pool} MB, and be {instances}. Reserve fewer, lower memory_size, or raise pool.memory_mb or pool.most_instances"
                ),
            ));
        }
        Ok(())
    }

    async fn check_limit(
        &self,
        version: &FunctionVersion,
        qualifier: &Qualifier,
        wish: &Reservation,
        now_s: i64,
    ) -> Result<(), Error> {
        let all = self.stored_reservations().await?;
        let others = all.iter().filter(|other| (&other.key, &other.qualifier) != (&version.key, qualifier));
        let others = total(others, &version.domain, now_s);
        let (wanted, most) = (wish.most_from(now_s), self.config.reserved_instances);
        if wanted > 0 && others + u64::from(wanted) > u64::from(most) {
            return Err(Fault::new(
                ErrorCode::TooManyReserved,
                format!(
                    "The account may have {most} reserved instances, and {others} are set for other functions; {wanted} more are too many. \
                     What counts is the largest of count, its schedules' counts (until their windows end) and its metrics' min. Reserve fewer, \
                     or raise limits.reserved_instances"
                ),
            )
            .into());
        }
        Ok(())
    }
}

/// What the reservations of an account may come to together, from now on.
fn total<'a>(reservations: impl Iterator<Item = &'a Reserved>, domain: &DomainId, now_s: i64) -> u64 {
    let of_account = reservations.filter(|reserved| reserved.domain == *domain);
    of_account.map(|reserved| u64::from(reserved.reservation.most_from(now_s))).sum()
}
