//! One request, from its arrival to its answer, in the order the contract asks for: route, key and date, body, signature, project,
//! handler.

mod accounts;

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use fungraph_engine::{Engine, Stopwatch, panics};
use fungraph_model::{Caller, ErrorCode, Fault, LogKind, Phase, Proof, RequestId, limits};
use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{EXPECT, HOST},
    request::Parts,
};
use hyper::body::{Body as _, Incoming};
use jiff::Timestamp;

use crate::{
    activity::Arriving,
    answer::{self, Refusal, Response, Statuses},
    api,
    auth::{self, Claim, Message, Payload},
    awake::Awake,
    body::{self, Limit, Pace, Received},
    config::{Auth, Config},
    front, local,
    memory::{Memory, SMALL, Seat, Share},
    percent, project,
    routes::{
        self, Operation, Route, aliases, async_calls, async_configs, beside, code, dependencies, download, exports,
        functions, health, invocations, own, projects, reservations, rights, statistics, tags, templates, test_events,
        tracing_keys, triggers, versions,
    },
    shape::Fields,
};

/// Management bodies of the largest size that may be in memory at the same time.
const BODIES: usize = 8;

/// The same of events, and of what else is no larger. They are counted until their calls end: thousands may wait in line.
const EVENTS: usize = 128;

/// How long a refused sender may go on sending, and pause, before it must listen.
const HEARING: Pace = Pace { pause: Duration::from_secs(1), whole: Duration::from_secs(5) };

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// A request whose caller is proven.
pub(crate) struct Call<'a> {
    pub(crate) id: RequestId,
    pub(crate) head: &'a Parts,
    pub(crate) route: &'a Route<'a>,
    pub(crate) caller: Caller,
    pub(crate) body: Bytes,
    /// What the body has of the memory, where it does not hold that itself.
    pub(crate) share: Option<Share>,
    pub(crate) arrived: Instant,
    pub(crate) watch: Stopwatch,
    peer: &'a Peer,
}

/// Everything a request may need.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) engine: Arc<Engine>,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
    links: download::Links,
    pub(crate) statuses: Statuses,
    document: OnceLock<Bytes>,
    bodies: Memory,
    events: Memory,
    pub(crate) awake: Awake,
}

impl Service {
    pub(crate) fn new(config: Config, engine: Arc<Engine>, metrics: Box<dyn Fn() -> String + Send + Sync>) -> Self {
        let links = download::Links::new(config.link_lifetime);
        let statuses = config.user_failure_status.into();
        let bodies = Memory::of_bodies(BODIES, config.management_body_bytes);
        let events = Memory::of_bodies(EVENTS, limits::EVENT_BYTES);
        let awake = Awake::new(config.stay_awake.clone());
        Self { config, engine, metrics, links, statuses, document: OnceLock::new(), bodies, events, awake }
    }

    /// Answers a request, whatever it is. `begun` is when its first byte was seen, where that is known.
    pub(crate) async fn serve(
        &self,
        peer: Peer,
        begun: Option<Instant>,
        head: &Parts,
        body: &mut Arriving<Incoming>,
    ) -> Response {
        let arrived = Instant::now();
        let mut watch = Stopwatch::since(begun.unwrap_or(arrived));
        watch.lap_at(Phase::Accept, arrived);
        let id = RequestId::random();
        let answer = panics(pin!(self.answer(id, peer, arrived, watch, head, body))).await;
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => Box::pin(self.refuse(refusal, id, head, body)).await,
            Err(message) => Refusal::Panic { message }.into_response(id),
        };
        let path = head.uri.path();
        let response = if routes::iam::has(path) { routes::iam::finish(response, id) } else { response };
        let response = answer::finish(response, id, routes::is_invocation(path));
        tracing::debug!(request = %id, peer = %peer.remote, method = %head.method, path,
            status = response.status().as_u16(), us = arrived.elapsed().as_micros(), "answered");
        response
    }

    /// The answer to a request that is not served.
    pub(crate) async fn refuse(
        &self,
        refusal: Refusal,
        id: RequestId,
        head: &Parts,
        body: &mut Arriving<Incoming>,
    ) -> Response {
        if !refusal.is_of_slow_sender() {
            Box::pin(self.hear_out(head, body)).await;
        }
        if routes::iam::has(head.uri.path()) { refusal.into_response_of_iam(id) } else { refusal.into_response(id) }
    }

    async fn answer(
        &self,
        id: RequestId,
        peer: Peer,
        arrived: Instant,
        mut watch: Stopwatch,
        head: &Parts,
        body: &mut Arriving<Incoming>,
    ) -> Result<Response, Refusal> {
        let path = head.uri.path();
        if !percent::is_well_formed(path) || head.uri.query().is_some_and(|query| !percent::is_well_formed(query)) {
            return Err(auth::Error::Encoding.into());
        }
        if !path.starts_with(front::PREFIX) && self.is_host_of_apis(head) {
            return Err(Refusal::unknown_path());
        }
        if !path.starts_with("/v2/") {
            if let Some(place) = path.strip_prefix(front::PREFIX) {
                let asked = front::Asked { id, peer, arrived, watch, head, place };
                return Box::pin(front::serve(self, asked, body)).await;
            }
            return Box::pin(self.answer_beside_the_api(peer, head, body, &mut watch)).await;
        }
        let route = routes::find(&head.method, path)?;
        let (proof, received) = self.authenticate(head, body, self.limit(route.operation), &mut watch).await?;
        let (caller, rights) = project::caller(&proof, route.project, &head.headers)?;
        rights::check(rights, route.operation)?;
        watch.lap(Phase::Authenticate);
        let (body, share) = match route.operation {
            // It goes on if its client leaves.
            Operation::InvokeFunction => (received.held(), None),
            // A package is decoded in the place of its text, which nobody else may hold.
            _ => (received.bytes, received.share),
        };
        let call = Call { id, head, route: &route, caller, body, share, arrived, watch, peer: &peer };
        let answer = match route.operation {
            Operation::InvokeFunction => invocations::invoke(self, call).await,
            // In boxes, all but a call: its future is moved about, and need not have room for the others.
            _ => Box::pin(self.dispatch(call)).await,
        };
        #[cfg(debug_assertions)]
        let answer = api::fit::check(&route, answer);
        answer
    }

    async fn dispatch(&self, call: Call<'_>) -> Result<Response, Refusal> {
        let engine = &self.engine;
        match call.route.operation {
            Operation::InvokeFunction => invocations::invoke(self, call).await,
            Operation::AsyncInvokeFunction => async_calls::invoke(engine, call).await,
            Operation::ListAsyncInvocations => async_calls::list(engine, call).await,
            Operation::ListActiveAsyncInvocations => async_calls::list_active(engine, call).await,
            Operation::CancelAsyncInvocation => async_calls::cancel(engine, call).await,
            Operation::CreateFunction => functions::create(engine, call).await,
            Operation::ListFunctions => functions::list(engine, call).await,
            Operation::ShowFunctionConfig => functions::show(engine, call).await,
            Operation::UpdateFunctionConfig => functions::update(engine, call).await,
            Operation::DeleteFunction => functions::delete(engine, call).await,
            Operation::ShowFunctionCode => code::show(engine, &self.links, call).await,
            Operation::UpdateFunctionCode => code::update(engine, &self.links, call).await,
            Operation::UpdateFunctionReservedInstancesCount => reservations::update(engine, call).await,
            Operation::ListReservedInstanceConfigs => reservations::list_configs(engine, call).await,
            Operation::ListFunctionReservedInstances => reservations::list(engine, call).await,
            Operation::UpdateFunctionMaxInstanceConfig => reservations::set_most_instances(engine, call).await,
            Operation::CreateDependencyVersion => dependencies::create(engine, &self.links, call).await,
            Operation::ListDependencies => dependencies::list(engine, call).await,
            Operation::ListDependencyVersion => dependencies::list_versions(engine, call).await,
            Operation::ShowDependencyVersion => dependencies::show(engine, &self.links, call).await,
            Operation::DeleteDependencyVersion => dependencies::delete(engine, call).await,
            Operation::ListFunctionVersions => versions::list(engine, call).await,
            Operation::CreateFunctionVersion => versions::publish(engine, call).await,
            Operation::ListVersionAliases => aliases::list(engine, call).await,
            Operation::CreateVersionAlias => aliases::create(engine, call).await,
            Operation::ShowVersionAlias => aliases::show(engine, call).await,
            Operation::UpdateVersionAlias => aliases::update(engine, call).await,
            Operation::DeleteVersionAlias => aliases::delete(engine, call).await,
            Operation::CreateFunctionTrigger => triggers::create(engine, call).await,
            Operation::ListFunctionTriggers => triggers::list(engine, call).await,
            Operation::ShowFunctionTrigger => triggers::show(engine, call).await,
            Operation::UpdateTrigger => triggers::update(engine, call).await,
            Operation::DeleteFunctionTrigger => triggers::delete(engine, call).await,
            Operation::BatchDeleteFunctionTriggers => triggers::delete_all(engine, call).await,
            Operation::ListTriggers => triggers::list_all(engine, call).await,
            Operation::ListTriggerTypes => Ok(triggers::list_types()),
            Operation::ListFunctionTemplate => templates::list(engine, &call).await,
            Operation::ShowFunctionTemplate => templates::show(engine, &call).await,
            Operation::ListEvents => test_events::list(engine, call).await,
            Operation::CreateEvent => test_events::create(engine, call).await,
            Operation::ShowEvent => test_events::show(engine, call).await,
            Operation::UpdateEvent => test_events::update(engine, call).await,
            Operation::DeleteEvent => test_events::delete(engine, call).await,
            Operation::CreateTags => tags::create(engine, call).await,
            Operation::DeleteTags => tags::delete(engine, call).await,
            Operation::ListFunctionTags => tags::list(engine, call).await,
            Operation::ShowProjectTagsList => tags::list_of_project(engine, call).await,
            Operation::ShowResInstanceInfo => tags::find(engine, call).await,
            Operation::ShowFunctionAsyncInvokeConfig => async_configs::show(engine, call).await,
            Operation::UpdateFunctionAsyncInvokeConfig => async_configs::update(engine, call).await,
            Operation::DeleteFunctionAsyncInvokeConfig => async_configs::delete(engine, call).await,
            Operation::ListFunctionAsyncInvokeConfig => async_configs::list(engine, call).await,
            Operation::ShowTracing => tracing_keys::show(engine, call).await,
            Operation::UpdateTracing => tracing_keys::update(engine, call).await,
            Operation::UpdateFunctionCollectState => tracing_keys::pin(engine, call).await,
            Operation::ListQuotas => projects::quotas(engine, call).await,
            Operation::CreateVpcEndpoint => projects::create_vpc_endpoint(engine, call).await,
            Operation::DeleteVpcEndpoint => projects::delete_vpc_endpoint(engine, call).await,
            Operation::EnableLtsLogs => projects::enable_logs(engine, call, LogKind::Functions).await,
            Operation::EnableAsyncStatusLog => projects::enable_logs(engine, call, LogKind::AsyncStates).await,
            Operation::ShowProjectAsyncStatusLogInfo => projects::show_async_log(engine, call).await,
            Operation::DisableAsyncStatusLog => projects::disable_async_log(engine, call).await,
            Operation::ShowLtsLogDetails => projects::show_function_log(engine, call).await,
            Operation::ShowFeatures => Ok(projects::features()),
            Operation::ListRuntimes => Ok(projects::runtimes(engine)),
            Operation::ListTrustedAgencies => Ok(projects::agencies()),
            Operation::ListStatistics => statistics::of_project(engine, call).await,
            Operation::ListFunctionStatistics => statistics::of_function(engine, call).await,
            Operation::ShowFunctionMetrics => statistics::metrics(engine, call).await,
            Operation::ShowFuncReservedInstanceMetrics => statistics::instances(engine, call).await,
            Operation::ListFunctionAsMetric => statistics::ranking(engine, call).await,
            Operation::ImportFunction => exports::import(engine, call).await,
            Operation::ExportFunction => exports::export(engine, call).await,
            Operation::NotBuilt(name) => Err(Operation::not_built(name).into()),
        }
    }

    /// The few paths that are no operation of the API.
    async fn answer_beside_the_api(
        &self,
        peer: Peer,
        head: &Parts,
        body: &mut Arriving<Incoming>,
        watch: &mut Stopwatch,
    ) -> Result<Response, Refusal> {
        let path = head.uri.path();
        if routes::iam::has(path) {
            return self.answer_iam(peer, head, body, watch).await;
        }
        if path.starts_with(routes::manage::PREFIX) {
            return self.answer_administrator(head, body, watch).await;
        }
        if path.starts_with(beside::PREFIX) {
            return self.answer_beside(head, body, watch).await;
        }
        let token = path.strip_prefix(download::PREFIX);
        if token.is_none() && !matches!(path, "/healthz" | "/readyz" | "/metrics" | "/openapi.json") {
            return Err(Refusal::unknown_path());
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Refusal::method_not_allowed("GET, HEAD"));
        }
        match (path, token) {
            (_, Some(token)) => download::download(&self.engine, &self.links, token).await,
            ("/healthz", _) => Ok(health::alive()),
            ("/readyz", _) => Ok(health::ready(self.engine.ready())),
            ("/openapi.json", _) => Ok(answer::json_text(self.document.get_or_init(document_text).clone())),
            _ => {
                if !health::may_read_metrics(peer, &head.headers) {
                    let (proof, _) = self.authenticate(head, body, self.limit(Operation::ListFunctions), watch).await?;
                    health::may_read_metrics_of_all(&proof)?;
                }
                Ok(health::metrics((self.metrics)()))
            }
        }
    }

    /// Paths of ours for a project: who may use them is told by the row that is found.
    async fn answer_beside(
        &self,
        head: &Parts,
        body: &mut Arriving<Incoming>,
        watch: &mut Stopwatch,
    ) -> Result<Response, Refusal> {
        let ((asked, right), names) = own::find(&beside::ROWS, &head.method, head.uri.path())?;
        let (proof, _) = self.authenticate(head, body, self.limit(Operation::ListFunctions), watch).await?;
        let (project, names) = names.split_first().ok_or_else(Refusal::unknown_path)?;
        let (caller, rights) = project::caller(&proof, project, &head.headers)?;
        rights::check_right(rights, right)?;
        beside::answer(&self.engine, asked, &caller, names).await
    }

    /// Whether a request came by the name that is for HTTP APIs alone.
    pub(crate) fn is_host_of_apis(&self, head: &Parts) -> bool {
        front::wall::names_api_host(self.config.api_host.as_deref(), &head.headers, &head.uri)
    }

    /// How slowly a body may come.
    pub(crate) fn pace(&self) -> Pace {
        Pace { pause: self.config.body_pause_timeout, whole: self.config.body_read_timeout }
    }

    /// Where a body of an account is put that may have so many bytes.
    pub(crate) fn seat<'a>(&'a self, limit: Limit, account: &'a str) -> Seat<'a> {
        let memory = if limit.bytes > limits::EVENT_BYTES { &self.bodies } else { &self.events };
        Seat { memory, account, is_public: false }
    }

    /// The same of a body that anybody may send, for the account that pays for it.
    pub(crate) fn public_seat<'a>(&'a self, limit: Limit, account: &'a str) -> Seat<'a> {
        Seat { is_public: true, ..self.seat(limit, account) }
    }

    fn limit(&self, operation: Operation) -> Limit {
        match operation {
            Operation::InvokeFunction => Limit { bytes: limits::EVENT_BYTES, code: ErrorCode::EventTooLarge },
            Operation::AsyncInvokeFunction => {
                Limit { bytes: limits::ASYNC_EVENT_BYTES, code: ErrorCode::EventTooLarge }
            }
            _ => Limit { bytes: self.config.management_body_bytes, code: ErrorCode::BodyTooLarge },
        }
    }

    /// Proves the caller and reads the body, which the proof covers. Key and date are looked at before anything large is read.
    pub(crate) async fn authenticate(
        &self,
        head: &Parts,
        body: &mut Arriving<Incoming>,
        limit: Limit,
        watch: &mut Stopwatch,
    ) -> Result<(Proof, Received), Refusal> {
        let pace = self.pace();
        if self.config.auth == Auth::Off {
            local::check(&head.headers, head.uri.authority().map(http::uri::Authority::as_str))?;
            let received = body::read(body, limit, pace, self.seat(limit, "")).await?;
            watch.lap(Phase::Accept);
            return Ok((self.engine.administrator().ok_or_else(no_administrator)?, received));
        }
        let now = Timestamp::now();
        if let Some(token) = auth::token(&head.headers)? {
            let token = self.engine.token(token, now).ok_or(auth::Error::Token)?;
            watch.lap(Phase::Authenticate);
            let seat = self.seat(limit, &token.proof.holder.domain.0);
            let received = body::read(body, limit, pace, seat).await?;
            watch.lap(Phase::Accept);
            return Ok((token.proof, received));
        }
        let claim = Claim::read(&head.headers, now, self.config.clock_skew)?;
        let key = self.engine.access_key(claim.access(), claim.security_token(), now);
        // A small one is read even for an unknown key, so that time does not tell which keys exist; a larger one is not worth it.
        if key.is_none() && body.size_hint().upper().is_none_or(|length| length > SMALL as u64) {
            return Err(auth::Error::Signature.into());
        }
        watch.lap(Phase::Authenticate);
        let account = key.as_ref().map_or("", |key| &key.holder.domain.0);
        let received = body::read(body, limit, pace, self.seat(limit, account)).await?;
        watch.lap(Phase::Accept);
        let message = Message {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query(),
            headers: &head.headers,
            authority: head.uri.authority().map(http::uri::Authority::as_str),
        };
        let payload = Payload {
            hash: received.hash,
            is_empty: received.bytes.is_empty(),
            may_be_unsigned: !routes::needs_signed_payload(head.uri.path()),
        };
        let secret = key.as_ref().map_or_else(|| auth::stranger(), |key| &key.secret);
        claim.verify(&message, &payload, secret)?;
        Ok((key.ok_or(auth::Error::Signature)?.proof(), received))
    }

    /// Reads what a refused HTTP/1 client still sends, so that it does not lose the answer to a reset connection. HTTP/2 has its own
    /// means, and who asked to continue has not begun.
    async fn hear_out(&self, head: &Parts, body: &mut Arriving<Incoming>) {
        if head.version <= Version::HTTP_11 && !head.headers.contains_key(EXPECT) && !body.is_end_stream() {
            let most = self.config.management_body_bytes.max(limits::EVENT_BYTES).saturating_mul(2);
            body::drain(body, most, HEARING).await;
        }
    }
}

fn document_text() -> Bytes {
    serde_json::to_vec(&api::document()).expect("a document has text keys and is written to memory").into()
}

fn no_administrator() -> Fault {
    Fault::new(ErrorCode::Unavailable, "The server has no project yet: send the request again when it is ready")
}

impl Call<'_> {
    /// The fields of a body that may have a package, and its share with them.
    pub(crate) async fn package(&mut self) -> Result<Fields, Fault> {
        Fields::read_package(std::mem::take(&mut self.body), self.share.take()).await
    }

    /// The address of ours that the connection came to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.peer.local
    }

    /// Where the client reached us, without a slash at the end.
    pub(crate) fn base(&self) -> String {
        base(&self.head.headers, self.head.uri.authority().map(http::uri::Authority::as_str), self.peer.local)
    }
}

fn base(headers: &HeaderMap, authority: Option<&str>, local: SocketAddr) -> String {
    let scheme = if is_https(headers) { "https" } else { "http" };
    format!("{scheme}://{}", host(headers, authority, local))
}

/// Whether the client came by TLS, as the proxy says that ended it.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The host that the client named, with its port; else our own address.
pub(crate) fn host(headers: &HeaderMap, authority: Option<&str>, local: SocketAddr) -> String {
    let is_host = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or(authority).filter(is_host);
    host.map_or_else(|| local.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_point_to_where_the_client_reached_us() {
        let local = "127.0.0.1:3470".parse().expect("an address");
        let check = |host: Option<&'static str>, proto: Option<&'static str>, authority, expected: &str| {
            let mut headers = HeaderMap::new();
            host.map(|host| headers.insert(HOST, host.parse().expect("a value")));
            proto.map(|proto| headers.insert(FORWARDED_PROTO, proto.parse().expect("a value")));
            assert_eq!(base(&headers, authority, local), expected);
        };
        check(Some("fg.example:8443"), None, None, "http://fg.example:8443");
        check(Some("fg.example"), Some("https"), None, "https://fg.example");
        check(None, None, Some("[::1]:1"), "http://[::1]:1");
        check(None, None, None, "http://127.0.0.1:3470");
        check(Some("evil/\"><x"), None, None, "http://127.0.0.1:3470");
    }
}
