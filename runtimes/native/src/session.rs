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
    let (link, mut orders) = link::open(socket)?;
    let version = env!("CARGO_PKG_VERSION");
    link.say(Kind::Hello, format!(r#"{{"protocol":1,"language":"native","version":"{version}"}}"#).as_bytes()).await;
    let load = match orders.next().await? {
        Some(Order::Load(object)) => object,
        Some(Order::Stop) => return stopped(&link).await,
        None => return Ok(()),
        Some(_) => return Err(io::Error::other("an order before LOAD")),
    };
    match start(&load, &link).await {
        Ok((native, program)) => {
            link.say(Kind::Loaded, native.loaded().as_bytes()).await;
            serve(&link, &mut orders, native, program).await
        }
        Err(failure) => {
            link.failed(0, &failure).await;
            // It is ended from outside; nothing else is left to do here.
            while orders.next().await?.is_some() {}
            Ok(())
        }
    }
}

async fn start(object: &[u8], link: &Link) -> Result<(Native, Program), Failure> {
    let load = Load::parse(object).map_err(|error| {
        Failure::new(failure::LOAD, "FunctionLoadError", &format!("the platform's description: {error}"))
    })?;
    Native::start(Arc::new(load), link).await
}

async fn serve(link: &Link, orders: &mut Orders, native: Native, program: Program) -> io::Result<()> {
    loop {
        let order = tokio::select! {
            biased;
            order = orders.next() => order?,
            status = program.ended() => {
                native.program_ended().await;
                link.settled().await;
                leave::like(status);
            }
        };
        match order {
            Some(Order::Invoke(call)) => native.call(call),
            Some(Order::Initialize(call)) => native.initialize(call.number),
            Some(Order::Stop) => {
                program.stop().await;
                return stopped(link).await;
            }
            None => return Ok(()),
            Some(Order::Load(_)) => return Err(io::Error::other("a second LOAD")),
        }
    }
}

async fn stopped(link: &Link) -> io::Result<()> {
    link.say(Kind::Stopped, b"").await;
    Ok(())
}
