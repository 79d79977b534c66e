//! Sockets in a sandbox's network that the server uses.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use fungraph_sandbox::{Error, Sandbox};
use tokio::net::TcpSocket;

use crate::harness::{Host, Test, block_on, eventually, python, sh};

pub(crate) const TESTS: &[Test] = &[
    ("a_socket_reaches_what_listens_in_its_sandbox_alone", reaches_inside_alone),
    ("a_socket_can_listen_for_its_sandbox_alone", listens_for_inside_alone),
    ("nothing_inside_holds_a_socket_that_was_made_for_the_server", held_by_nobody_inside),
    ("sockets_overtake_launches_and_leave_nothing_in_the_spawner", many_sockets),
    ("a_sandbox_that_has_ended_has_no_socket_and_says_so", none_of_an_ended_one),
];

const PORT: u16 = 8000;

/// Listens, says hello, and prints what comes until its descriptor 3 is closed.
const SERVER: &str = "
import os, socket, threading
server = socket.create_server(('127.0.0.1', 8000))
os.write(3, b'h')
def serve():
    while True:
        client, _ = server.accept()
        client.sendall(client.recv(100).upper())
        client.close()
threading.Thread(target=serve, daemon=True).start()
os.read(3, 1)
";

async fn tcp_socket(sandbox: &Sandbox) -> TcpSocket {
    let socket = sandbox.tcp_socket().await.expect("it runs");
    let flags = rustix::fs::fcntl_getfl(&socket).expect("it is open");
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "whoever uses it never waits");
    TcpSocket::from_std_stream(TcpStream::from(socket))
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

async fn ask(sandbox: &Sandbox, text: &str) -> io::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tcp_socket(sandbox).await.connect(address(PORT)).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

fn reaches_inside_alone() {
    block_on(async {
        let host = Host::new("wsockets1");
        let serving = host.launch(python("a", SERVER)).await;
        let other = host.launch(sh("b", "printf h >&3; read line <&3")).await;
        serving.hello().await;
        other.hello().await;
        for text in ["one", "two"] {
            assert_eq!(ask(&serving.sandbox, text).await.expect("it answers"), text.to_uppercase());
        }
        let refused = ask(&other.sandbox, "three").await.expect_err("nothing listens there");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // Nor does anything of the host's.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let hosts = tcp_socket(&serving.sandbox).await.connect(address(port)).await;
        assert_eq!(hosts.expect_err("it is another network").kind(), io::ErrorKind::ConnectionRefused);
        host.spawner.shutdown().await;
    });
}

fn listens_for_inside_alone() {
    block_on(async {
        let host = Host::new("wsockets2");
        let script = "
import os, socket
os.write(3, b'h')
port = int(os.read(3, 10))
print(socket.create_connection(('127.0.0.1', port), 10).recv(5).decode())
";
        let running = host.launch(python("a", script)).await;
        running.hello().await;
        let socket = tcp_socket(&running.sandbox).await;
        socket.bind(address(0)).expect("every port is free there");
        let listener = socket.listen(8).expect("it is bound");
        let port = listener.local_addr().expect("it is bound").port();
        let outside = TcpStream::connect_timeout(&address(port), Duration::from_secs(5));
        assert!(outside.is_err(), "a process of the host reached it");
        (&running.socket).write_all(port.to_string().as_bytes()).expect("it listens");
        let (client, _) = listener.accept().await.expect("it comes");
        client.writable().await.expect("it is open");
        assert_eq!(client.try_write(b"hello").expect("there is room"), 5);
        let (output, _) = running.finish().await;
        assert_eq!(output, "hello\n");
        host.spawner.shutdown().await;
    });
}

fn held_by_nobody_inside() {
    block_on(async {
        let host = Host::new("wsockets3");
        // Of each process that is seen inside, and of this one what it can do with those of others.
        let script = "
import os
os.write(3, b'h'); os.read(3, 1)
for pid in sorted(int(name) for name in os.listdir('/proc') if name.isdigit()):
    folder = f'/proc/{pid}/fd'
    try: numbers = os.listdir(folder)
    except PermissionError: continue
    # Listing has opened one that is closed again.
    held = [os.readlink(f'{folder}/{number}') for number in numbers if os.path.lexists(f'{folder}/{number}')]
    print(pid == os.getpid(), sum(name.startswith('socket:') for name in held))
";
        let running = host.launch(python("a", script)).await;
        running.hello().await;
        let connected = tcp_socket(&running.sandbox).await;
        connected.bind(address(0)).expect("every port is free there");
        let _listener = connected.listen(8).expect("it is bound");
        let _unused = tcp_socket(&running.sandbox).await;
        // From outside, every process of the sandbox: its own socket to us is all there is.
        let pid = running.sandbox.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it lives");
        let inside: Vec<u32> = children.split_whitespace().map(|child| child.parse().expect("a number")).collect();
        for process in inside.into_iter().chain([pid]) {
            let held = fs::read_dir(format!("/proc/{process}/fd")).expect("it lives").flatten();
            let held = held.filter_map(|entry| fs::read_link(entry.path()).ok());
            let sockets = held.filter(|name| name.to_string_lossy().starts_with("socket:")).count();
            assert!(sockets <= 1, "process {process} holds {sockets} sockets");
        }
        (&running.socket).write_all(b"g").expect("it listens");
        let (output, _) = running.finish().await;
        assert_eq!(output, "True 1\n");
        host.spawner.shutdown().await;
    });
}

fn many_sockets() {
    block_on(async {
        let host = Host::new("wsockets4");
        let running = host.launch(sh("a", "printf h >&3; read line <&3")).await;
        running.hello().await;
        let held = || fs::read_dir(format!("/proc/{}/fd", host.spawner_pid)).expect("it lives").count();
        let before = held();
        let sockets: Vec<_> = (0..200).map(|_| running.sandbox.tcp_socket()).collect();
        for socket in sockets {
            drop::<OwnedFd>(socket.await.expect("it runs"));
        }
        // It closes its own after it has sent them.
        eventually("the spawner holds none of them", || held() == before).await;
        let spawner = host.spawner.clone();
        let launches: Vec<_> = (0..20)
            .map(|number| {
                let spawner = spawner.clone();
                tokio::spawn(async move {
                    crate::harness::try_launch(&spawner, sh(&format!("n{number}"), "true")).await.expect("it starts")
                })
            })
            .collect();
        eventually("the first is started", || launches.iter().any(tokio::task::JoinHandle::is_finished)).await;
        running.sandbox.tcp_socket().await.expect("it runs");
        let through = launches.iter().filter(|launch| launch.is_finished()).count();
        assert!(through < 20, "the socket came after every launch");
        for launch in launches {
            launch.await.expect("it does not panic").finish().await;
        }
        host.spawner.shutdown().await;
    });
}

fn none_of_an_ended_one() {
    block_on(async {
        let host = Host::new("wsockets5");
        let told = |made: Result<OwnedFd, Error>| match made {
            Err(Error::Socket { id, reason }) => (id, reason),
            made => panic!("{made:?}"),
        };
        let ended = host.launch(sh("a", "exit 0")).await;
        ended.sandbox.exited().await;
        assert_eq!(told(ended.sandbox.tcp_socket().await), ("a".to_owned(), "it has ended".to_owned()));
        // While it ends there is one or there is none, and nothing worse.
        for number in 0..20 {
            let running = host.launch(sh(&format!("b{number}"), "printf h >&3; read line <&3")).await;
            running.hello().await;
            running.sandbox.kill();
            for _ in 0..3 {
                match running.sandbox.tcp_socket().await {
                    Ok(_) => {}
                    made => assert_eq!(told(made).1, "it has ended"),
                }
            }
            running.sandbox.exited().await;
        }
        // A socket outlives its sandbox, and leads nowhere then.
        let running = host.launch(python("c", SERVER)).await;
        running.hello().await;
        let socket = tcp_socket(&running.sandbox).await;
        running.sandbox.kill();
        running.sandbox.exited().await;
        let refused = socket.connect(address(PORT)).await.expect_err("nothing listens any more");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        host.spawner.shutdown().await;
        assert!(matches!(running.sandbox.tcp_socket().await, Err(Error::Lost | Error::Socket { .. })));
    });
}
