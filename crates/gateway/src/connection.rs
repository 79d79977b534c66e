//! Sockets: accepting, HTTP/1 or HTTP/2 on each, and an orderly end.

use std::{convert::Infallible, future::poll_fn, io, net::SocketAddr, pin::pin, sync::Arc, task::Poll, time::Duration};

use fungraph_engine::InTurn;
use http::{Request, Version};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    activity::{Activity, Counted},
    aside::Aside,
    config::Config,
    leaving::Leaving,
    service::{Peer, Service},
};

/// Pause after the system ran out of descriptors or memory, so that accepting does not spin.
const OUT_OF_RESOURCES_PAUSE: Duration = Duration::from_millis(100);

/// How often a silent HTTP/2 client is asked whether it is still there.
const HTTP2_PING: Duration = Duration::from_secs(60);

/// Accepts until `shutdown`, then waits for every connection to finish what it is doing.
pub(crate) async fn accept(
    service: Arc<Service>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let builder = Arc::new(builder());
    let connections = TaskTracker::new();
    connections.spawn({
        let (service, shutdown) = (service.clone(), shutdown.clone());
        async move { service.awake.run(shutdown).await }
    });
    let outcome = loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break Ok(()),
        };
        match accepted {
            Ok((stream, remote)) => {
                let activity = Arc::new(Activity::default());
                let receives = activity.clone();
                let serve = serve(service.clone(), builder.clone(), stream, remote, activity, shutdown.clone());
                connections.spawn(InTurn::new(serve, move || receives.received()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) if is_shortage(&error) => {
                tracing::warn!(error = %error, "cannot accept connections; raise the limit of open files");
                sleep(OUT_OF_RESOURCES_PAUSE).await;
            }
            Err(error) => break Err(error),
        }
    };
    drop(listener);
    connections.close();
    connections.wait().await;
    outcome
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).title_case_headers(true);
    // Idle connections are ours to close (`Activity`): hyper's own timer starts anew for each request.
    builder.http1().header_read_timeout(None);
    // A client that closes its sending side has left, as far as the protocol tells: its place in line is given to others. A call that
    // has reached an instance runs to its end all the same (engine).
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(HTTP2_PING);
    builder
}

async fn serve(
    service: Arc<Service>,
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    remote: SocketAddr,
    activity: Arc<Activity>,
    shutdown: CancellationToken,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Answers are small and whole: waiting for more to send only costs time. Failing to say so is no reason to refuse service.
    let _ = stream.set_nodelay(true);
    let peer = Peer { remote, local };
    // What nobody takes is the kernel's in the end, which otherwise keeps it for a quarter of an hour, and longer for a client that
    // says it has no room.
    let unread = service.config.answer_pause_timeout;
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, u32::try_from(unread.as_millis()).unwrap_or(u32::MAX));
    let requests = service_fn(|request: Request<Incoming>| {
        let version = request.version();
        let (service, (serving, begun)) = (service.clone(), activity.serve(version));
        let (head, body) = request.into_parts();
        let mut body = activity.receive(body);
        async move {
            let response = service.serve(peer, begun, &head, &mut body).await;
            Ok::<_, Infallible>(response.map(|body| Leaving::new(body, serving, version == Version::HTTP_2)))
        }
    });
    let io = TokioIo::new(Counted { io: stream, activity: activity.clone() });
    let mut connection = pin!(builder.serve_connection(io, requests));
    let mut watch = Aside::new(watch(&activity, &service.config, &shutdown));
    let outcome = loop {
        let event = select! {
            // The connection first: a request that has just arrived is no silence.
            biased;
            outcome = connection.as_mut() => break outcome,
            event = &mut watch => event,
        };
        match event {
            Event::Shutdown => connection.as_mut().graceful_shutdown(),
            Event::Silent => {
                tracing::debug!(peer = %remote, "connection was silent for too long");
                return;
            }
            Event::Untaken => {
                tracing::debug!(peer = %remote, "the client did not take its answer");
                return;
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(peer = %remote, error, "connection ended early");
    }
}

/// What a connection is told beside its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// To end what it is doing. Told once.
    Shutdown,
    /// Its client has begun nothing for too long.
    Silent,
    /// Its client has taken nothing for too long.
    Untaken,
}

/// Watches over a connection; gives one event after the other.
fn watch<'a>(
    activity: &'a Activity,
    config: &Config,
    shutdown: &'a CancellationToken,
) -> impl Future<Output = Event> + Unpin + 'a {
    let mut told = Some(Box::pin(shutdown.cancelled()));
    let mut ceased = Box::pin(activity.ceased(config.header_read_timeout));
    let mut untaken = Box::pin(activity.unread(config.answer_pause_timeout));
    poll_fn(move |context| {
        if told.as_mut().is_some_and(|told| told.as_mut().poll(context).is_ready()) {
            told = None;
            return Poll::Ready(Event::Shutdown);
        }
        if ceased.as_mut().poll(context).is_ready() {
            return Poll::Ready(Event::Silent);
        }
        untaken.as_mut().poll(context).map(|()| Event::Untaken)
    })
}

/// The other side gave up before we took the connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// ENFILE, EMFILE, ENOMEM and ENOBUFS: no connection can be taken now, one can be later.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24 | 12 | 105))
}
