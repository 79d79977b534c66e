//! Which network is seen.

use std::io::Read;
use std::net::TcpListener;

use fungraph_sandbox::Network;

use crate::harness::{Host, Test, block_on, python};

pub(crate) const TESTS: &[Test] =
    &[("only_a_loopback_of_its_own_is_there_and_up", own_loopback), ("the_hosts_network_by_name", host_network)];

const CONNECT: &str = "
import socket
try: socket.create_connection(('127.0.0.1', PORT), 5).send(b'x'); print('reached')
except OSError as error: print(type(error).__name__)
";

fn own_loopback() {
    block_on(async {
        let host = Host::new("wnetwork1");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let script = format!(
            "{connect}
server = socket.create_server(('127.0.0.1', 8000)); client = socket.create_connection(('127.0.0.1', 8000)); client.send(b'own')
print(server.accept()[0].recv(3))
socket.create_server(('::1', 8001), family=socket.AF_INET6).close()
print(socket.if_nameindex())
try: socket.create_connection(('192.0.2.1', 80), 5)
except OSError as error: print(error.errno == 101)
print(len(open('/proc/net/route').readlines()))
",
            connect = CONNECT.replace("PORT", &port.to_string())
        );
        let output = host.python("a", &script).await;
        assert_eq!(output, "ConnectionRefusedError\nb'own'\n[(1, 'lo')]\nTrue\n1\n");
        // An abstract socket is a thing of the network namespace too.
        let abstract_socket = "
import socket
try: socket.socket(socket.AF_UNIX).connect('\\0fungraph-test'); print('reached')
except OSError as error: print(type(error).__name__)
";
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name("fungraph-test").expect("a name");
        let _listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("it is free");
        assert_eq!(host.python("b", abstract_socket).await, "ConnectionRefusedError\n");
        host.spawner.shutdown().await;
    });
}

fn host_network() {
    block_on(async {
        let host = Host::new("wnetwork2");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let accepted =
            std::thread::spawn(move || listener.accept().expect("it comes").0.read(&mut [0]).expect("it is read"));
        let mut launch = python("a", &CONNECT.replace("PORT", &port.to_string()));
        launch.network = Network::Host;
        assert_eq!(host.run(launch).await.0, "reached\n");
        assert_eq!(accepted.join().expect("it ran"), 1);
        host.spawner.shutdown().await;
    });
}
