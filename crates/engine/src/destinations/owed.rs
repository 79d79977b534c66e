//! What is owed to others when a call ends.

use std::sync::Arc;

use fungraph_model::{AsyncConfig, Caller, Destination, DestinationKind, DomainId, FunctionKey, RequestId};
use fungraph_store::{
    logs::LogEntry,
    queue::{NewCall, Owed},
};
use jiff::Timestamp;
use metrics::counter;

pub(crate) use super::payload::Finished;
use super::{Address, MOST_HOPS, payload};
use crate::{
    Engine, Error, NoHeaders, async_configs, called::Called, error::chain, functions, invoke, queue::queue_function,
    run_log::BareLog,
};

/// Where a call stands in a chain of destinations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// Owner of the function.
    pub(crate) domain: &'a DomainId,
    /// Destinations between the call and one of a client.
    pub(crate) hops: u32,
}

impl Engine {
    /// What the settings of a call owe to others now that it has ended; stored in the same commit as the end. What cannot be owed is told
    /// in the function's log: nobody waits for an answer any more.
    pub(crate) async fn owed(&self, config: &AsyncConfig, call: &Finished<'_>, origin: Origin<'_>) -> Vec<Owed> {
        let chosen = if call.end.is_success() { &config.on_success } else { &config.on_failure };
        let Some(destination) = chosen else { return Vec::new() };
        match self.owed_to(destination, call, origin).await {
            Ok(owed) => vec![owed],
            Err(why) => {
                counter!("fungraph_notices_total", "kind" => destination.kind.name(), "end" => "impossible")
                    .increment(1);
                tracing::debug!(function = %call.key, request = %call.request, kind = destination.kind.name(), why,
                    "a destination is not told");
                let of = (call.key, call.version, call.request);
                self.note_untold(of, call.end.is_success(), destination.kind, &why).await;
                Vec::new()
            }
        }
    }

    async fn owed_to(
        &self,
        destination: &Destination,
        call: &Finished<'_>,
        origin: Origin<'_>,
    ) -> Result<Owed, String> {
        // It was checked when it was set, by this version or by one before, on this server or on one with more services.
        async_configs::recheck(destination).map_err(|fault| fault.message)?;
        if let Some(why) = self.destinations.missing(destination.kind) {
            return Err(why.to_owned());
        }
        let payload = payload::payload(call, &self.config.region);
        let address = Address::of(destination, call);
        match address {
            Some(address) => {
                if let Some(why) = self.destinations.closed_since(&call.key.project, &address) {
                    return Err(why);
                }
                Ok(Owed::Notice { kind: address.kind().name().to_owned(), param: address.to_text(), payload })
            }
            None => {
                let target = async_configs::function(destination).map_err(|fault| fault.message)?;
                let target = target.ok_or("it names no function")?;
                let caller = Caller { domain: origin.domain.clone(), project: call.key.project.clone() };
                let key = functions::key(&caller, &target).map_err(|fault| fault.message)?;
                if origin.hops >= MOST_HOPS {
                    return Err(format!(
                        "{MOST_HOPS} functions have told one another before, and a longer chain is taken for a circle. \
                         Look which of them has one of the others as its destination"
                    ));
                }
                // Rules of aliases by chance need a number of this event; the id of the call to come is not known yet.
                let found = self.called(&key, target.qualifier.as_ref(), RequestId::random(), &NoHeaders).await;
                let Called { resolved, alias } =
                    found.map_err(|error| unknown(&error))?.ok_or("it is not there any more")?;
                let version = &resolved.version;
                if invoke::is_web_server(version) {
                    return Err("a function that is an HTTP server cannot be called asynchronously".to_owned());
                }
                Ok(Owed::Call(NewCall {
                    function: queue_function(version),
                    qualifier: target.version(),
                    version: version.version.clone(),
                    alias: alias.map(|alias| alias.name.clone()),
                    memory_mb: None,
                    body: payload,
                    parent: Some(call.request),
                    hops: origin.hops + 1,
                }))
            }
        }
    }

    /// A line in the log of the function whose destination is not told.
    pub(super) async fn note_untold(
        &self,
        (key, version, request): (&FunctionKey, &str, RequestId),
        is_success: bool,
        kind: DestinationKind,
        why: &str,
    ) {
        let how = if is_success { "on_success" } else { "on_failure" };
        let Ok(Some(resolved)) = self.resolve(key, version).await else { return };
        let started = Timestamp::now();
        if !resolved.refusals.allows(started.as_second()) {
            return;
        }
        let second = Timestamp::new(started.as_second(), 0).unwrap_or(started);
        let text = format!("{second} {request} WARN {how} ({}) is not told: {why}\n", kind.name());
        let function = Arc::clone(&resolved.version);
        let text = Box::new(BareLog(text.into()));
        self.logs.append(LogEntry { function, request, started, call: None, text });
    }
}

fn unknown(error: &Error) -> String {
    tracing::warn!(cause = chain(error), "the function of a destination cannot be looked up");
    "it cannot be looked up at the moment".to_owned()
}
