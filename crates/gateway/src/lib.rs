//! HTTP in and out. Nothing but this crate knows the management API's HTTP: paths, headers, signatures, JSON shapes, statuses.
//!
//! One request walks `connection` (sockets) > `service` (one request, in order: route, key and date, body, signature, handler) >
//! `routes` (one file per noun) > the engine, and comes back through `answer`, the one place that knows statuses and headers.

mod activity;
mod answer;
mod api;
mod aside;
mod auth;
mod awake;
mod body;
mod config;
mod connection;
mod front;
mod leaving;
mod local;
mod memory;
mod percent;
mod project;
mod routes;
mod service;
mod shape;
mod split;

use std::{io, sync::Arc};

use fungraph_engine::Engine;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use awake::{IdleLatency, StayAwake};
pub use config::{Auth, Config, UserFailureStatus};

/// The HTTP server of the platform.
pub struct Gateway {
    service: service::Service,
}

/// Why the server stopped serving before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listening socket is unusable; connections that merely fail are not this.
    #[error("accepting connections failed")]
    Accept {
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Gateway {
    /// A server for `engine`; `metrics` gives the text of `/metrics`.
    pub fn new(config: Config, engine: Arc<Engine>, metrics: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { service: service::Service::new(config, engine, Box::new(metrics)) }
    }

    /// Serves until `shutdown`; then accepts nothing more, finishes the requests in flight and returns when all are done.
    ///
    /// It does not bound that wait: whoever drains has the deadline.
    ///
    /// # Errors
    /// [`Error::Accept`] where the listening socket itself fails.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> Result<(), Error> {
        connection::accept(Arc::new(self.service), listener, shutdown).await.map_err(|source| Error::Accept { source })
    }
}

/// Every operation that is served, built or not: its method, its path, and what it asks of a caller. Tests go through them all.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, fungraph_model::Right)> {
    routes::all()
}

/// Every path for administrators of the account, with its method. Tests go through them all.
pub fn administration() -> impl Iterator<Item = (&'static str, &'static str)> {
    routes::manage::ROWS.iter().map(|(method, path, _)| (*method, *path))
}

/// Every path of ours for a project, with its method and right. Tests go through them all.
pub fn beside() -> impl Iterator<Item = (&'static str, &'static str, fungraph_model::Right)> {
    routes::beside::ROWS.iter().map(|(method, path, (_, right))| (*method, *path, *right))
}
