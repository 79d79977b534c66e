//! One instance from HELLO to its end.

use std::{io, os::unix::net::UnixStream, sync::Arc};

use crate::{
    child::Program,
    failure::{self, Failure},
    frame::{Kind, Order},
    leave,
    link::{self, Link, Orders},
    load::Load,
    native::Native,
};

/// Speaks the protocol until the platform closes the socket or says STOP. Where the user's program ends, so does this process.
pub(crate) async fn run(socket: UnixStream) -> io::Result<()> {
    let (mut link, mut orders) = link::open(socket)?;
    let version = env!("CARGO_PKG_VERSION");
    link.say(Kind::Hello, format!(r#"{{"protocol":1,"language":"native","version":"{version}"}}"#).as_bytes()).await;
    let load = match orders.next().await? {
        Some(Order::Load(object)) => object,
        Some(Order::Stop) => return stopped(&mut link).await,
        None => return Ok(()),
    };
    match start(&load).await {
        Ok(Native { program, loaded }) => {
            link.say(Kind::Loaded, loaded.as_bytes()).await;
            watch(&mut link, &mut orders, &program).await
        }
        Err(failure) => {
            link.failed(&failure).await;
            // It is ended from outside; nothing else is left to do here.
            while orders.next().await?.is_some() {}
            Ok(())
        }
    }
}

async fn start(object: &[u8]) -> Result<Native, Failure> {
    let load = Load::parse(object).map_err(|error| {
        Failure::new(failure::LOAD, "FunctionLoadError", &format!("the platform's description: {error}"))
    })?;
    Native::start(&Arc::new(load)).await
}

async fn watch(link: &mut Link, orders: &mut Orders, program: &Program) -> io::Result<()> {
    let order = tokio::select! {
        biased;
        order = orders.next() => order?,
        status = program.ended() => leave::like(status),
    };
    match order {
        Some(Order::Stop) => {
            program.stop().await;
            stopped(link).await
        }
        Some(Order::Load(_)) => Err(io::Error::other("a second LOAD")),
        None => Ok(()),
    }
}

async fn stopped(link: &mut Link) -> io::Result<()> {
    link.say(Kind::Stopped, b"").await;
    Ok(())
}
