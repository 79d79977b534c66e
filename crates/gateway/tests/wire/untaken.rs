//! Clients that ask and never take their answers.

use std::{net::SocketAddr, time::Duration};

use fungraph_gateway::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::server::Server;

/// The test fails after this long; without a failure nothing waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server() -> Server {
    Server::start(Config { answer_pause_timeout: Duration::from_millis(100), ..Config::default() }).await
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("it listens")
}

#[tokio::test]
async fn a_connection_whose_answers_nobody_reads_is_closed() {
    let server = server().await;
    let mut stream = connect(server.address).await;
    // Until the server has no room for answers, and so reads no more, and neither have we.
    let asks = async { while stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {} };
    timeout(PATIENCE, asks).await.expect("the server closes the connection");
    server.stop().await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The greeting of a client that gives each answer so much room, and a request for the document.
fn asks_over_http2(room: u32) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut initial_window = 4_u16.to_be_bytes().to_vec();
    initial_window.extend(room.to_be_bytes());
    bytes.extend(frame(4, 0, 0, &initial_window));
    // GET and http from the table of known headers, then path and authority as they are.
    let mut head = vec![0x82, 0x86];
    for (name, value) in [(0x04, "/openapi.json"), (0x01, "x")] {
        head.extend([name, u8::try_from(value.len()).expect("short")]);
        head.extend(value.bytes());
    }
    bytes.extend(frame(1, 5, 1, &head));
    bytes
}

/// The bytes of the answer that come before the server closes the connection.
async fn data_until_the_end(stream: &mut TcpStream) -> usize {
    let mut data = 0;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        data += if head[3] == 0 { length } else { 0 };
    }
    data
}

#[tokio::test]
async fn a_client_of_http2_that_gives_its_answer_no_room_is_sent_away() {
    let server = server().await;
    for room in [0, 1000] {
        let mut stream = connect(server.address).await;
        stream.write_all(&asks_over_http2(room)).await.expect("it reads");
        let data = timeout(PATIENCE, data_until_the_end(&mut stream)).await.expect("the server closes the connection");
        assert_eq!(data, room as usize, "all that there was room for, and no more");
    }
    server.stop().await;
}
