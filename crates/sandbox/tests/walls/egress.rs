//! The way out: what is reached, and what is not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use fungraph_sandbox::{
    Config, Egress, Error, Launch, Network, Spawner, WallState, closed_ways, inspect_egress, start,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::cidr::Cidr;
use crate::harness::{Host, Running, Test, block_on, config, eventually, python, sh, try_launch, unique};
use crate::internet::link::{self, Way};
use crate::internet::namespace;
use crate::internet::netlink::Socket;
use crate::internet::{Internet, Resolver, connect, drop_what_passes, has_table, host_addresses};

pub(crate) const TESTS: &[Test] = &[
    ("egress_reaches_the_internet_under_the_hosts_address", reaches_the_internet),
    ("egress_resolves_names_as_the_host_does", names),
    ("egress_follows_the_hosts_resolver", names_change),
    ("egress_refuses_what_is_closed_at_once", closed),
    ("egress_opens_what_is_listed_and_no_more", listed),
    ("egress_holds_without_the_sandboxes_own_routes", hub_alone),
    ("egress_drops_what_has_a_foreign_sender", foreign_sender),
    ("egress_keeps_sandboxes_apart", apart),
    ("egress_limits_the_connections_of_each_sandbox", limited),
    ("egress_leaves_nothing_behind", nothing_left),
    ("egress_of_two_spawners_is_side_by_side", side_by_side),
    ("egress_that_cannot_be_is_told", cannot_be),
    ("egress_tells_of_filters_in_its_way", filters_in_the_way),
    ("egress_leaves_the_servers_own_connections_alone", own_connections),
    ("refused_connections_are_counted", counted),
];

/// Those that depend on how a sandbox is made.
pub(crate) const WITH_EACH_ENGINE: [&str; 3] = [
    "egress_reaches_the_internet_under_the_hosts_address",
    "egress_keeps_sandboxes_apart",
    "egress_leaves_nothing_behind",
];

/// What the host reaches is of no interest here; its resolver is ours.
fn egress(allow: &[String]) -> Egress {
    Egress {
        allow: allow.iter().map(|range| range.parse().expect("a range")).collect(),
        resolv_conf: "/nonexistent".into(),
        required: true,
        ..Egress::new()
    }
}

fn outward(mut launch: Launch) -> Launch {
    launch.network = Network::Egress;
    launch
}

/// Tries addresses one after another: what came of each, in one line, and whether it took long.
fn attempts(addresses: impl IntoIterator<Item = SocketAddr>) -> String {
    let list: Vec<String> =
        addresses.into_iter().map(|address| format!("('{}', {})", address.ip(), address.port())).collect();
    format!(
        "
import errno, socket, time
start = time.monotonic()
for address in [{}]:
    try: print('reached', socket.create_connection(address, 20).recv(100).decode())
    except TimeoutError: print('timeout')
    except OSError as error: print(errno.errorcode[error.errno])
if time.monotonic() - start > 15: print('slow')
",
        list.join(", ")
    )
}

async fn run(host: &Host, id: &str, script: &str) -> String {
    host.run(outward(python(id, script))).await.0
}

/// One that waits, after a script.
async fn waiting(host: &Host, id: &str, script: &str) -> Running {
    let wait = "\nsocket.socket(fileno=3).send(b'x')\nimport time\ntime.sleep(1000)\n";
    let running = host.launch(outward(python(id, &format!("import socket\n{script}{wait}")))).await;
    running.hello().await;
    running
}

/// The address of a sandbox, as its own table of addresses has it.
fn address_of(running: &Running) -> Ipv4Addr {
    let table = std::fs::read_to_string(format!("/proc/{}/net/fib_trie", running.sandbox.pid())).expect("it runs");
    let lines: Vec<&str> = table.lines().collect();
    let mut own = lines.windows(2).filter(|pair| pair[1].contains("/32 host LOCAL"));
    own.find_map(|pair| {
        pair[0].trim().strip_prefix("|-- ")?.parse().ok().filter(|address: &Ipv4Addr| !address.is_loopback())
    })
    .expect("it has an address")
}

fn gateway_of(running: &Running) -> Ipv4Addr {
    let table = std::fs::read_to_string(format!("/proc/{}/net/route", running.sandbox.pid())).expect("it runs");
    let default = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words[1] == "00000000" && words[2] != "00000000");
    let gateway = u32::from_str_radix(default.expect("it has a way out")[2], 16).expect("a number");
    Ipv4Addr::from(gateway.to_ne_bytes())
}

fn reaches_the_internet() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress1", Some(egress(&[])));
        let output = run(&host, "a", &attempts([internet.public])).await;
        assert_eq!(output, format!("reached {}\n", internet.host));
        let script = "
import os, socket, ssl
print([name for _, name in socket.if_nameindex() if name in ('lo', 'eth0')])
print(open('/proc/net/if_inet6').read().split()[-1])
try: socket.create_connection(('2001:db8::1', 80), 5)
except OSError as error: print(error.errno == 101)
try: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).send(bytes.fromhex('1c00000018000505010000000000000002080000fe04000700000000'))
except OSError as error: print(error)
try: open('/proc/sys/net/ipv4/ip_forward', 'w')
except OSError as error: print(type(error).__name__)
server = socket.create_server(('127.0.0.1', 8000)); socket.create_connection(('127.0.0.1', 8000)).send(b'own')
print(server.accept()[0].recv(3))
";
        let output = run(&host, "b", script).await;
        assert_eq!(output, "['lo', 'eth0']\nlo\nTrue\nOSError\nb'own'\n");
        // Certificates come with /etc/ssl.
        if std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
            let count = "grep -c 'BEGIN CERTIFICATE' /etc/ssl/certs/ca-certificates.crt";
            let (output, _) = host.run(outward(sh("c", count))).await;
            assert!(output.trim().parse::<u32>().expect("a number") > 10, "{output}");
        }
        host.spawner.shutdown().await;
    });
}

fn resolv_conf(host: &std::path::Path, text: &str) -> Egress {
    let file = host.join("resolv.conf");
    std::fs::write(&file, text).expect("it is written");
    Egress { resolv_conf: file, ..egress(&[]) }
}

fn names() {
    block_on(async {
        let internet = Internet::get();
        let IpAddr::V4(public) = internet.public.ip() else { unreachable!("it is one") };
        let resolver = Resolver::new(1, public);
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("nameserver {}\nsearch town.example\noptions ndots:1 timeout:3\n", resolver.address);
        let host = Host::with("wegress2", Some(resolv_conf(folder.path(), &text)));
        let script = format!(
            "
import socket, struct
print(socket.create_connection(('service.example', {port}), 20).recv(100).decode())
print(socket.gethostbyname('shop'))
lines = open('/etc/resolv.conf').read().splitlines()
print(lines[1:], [line.split() for line in open('/etc/hosts')][0])
server = lines[0].split()[1]
tcp = socket.create_connection((server, 53), 20)
query = struct.pack('!6H', 7, 256, 1, 0, 0, 0) + b'\\3tcp\\4name\\0' + struct.pack('!2H', 1, 1)
tcp.sendall(struct.pack('!H', len(query)) + query)
print(socket.inet_ntoa(tcp.recv(1000)[-4:]))
for port in (54, 80):
    try: socket.create_connection((server, port), 20)
    except OSError as error: print(error.errno)
",
            port = internet.public.port()
        );
        let output = run(&host, "a", &script).await;
        let expected = format!(
            "{}\n{public}\n['search town.example', 'options ndots:1 timeout:3'] ['127.0.0.1', 'localhost']\n{public}\n113\n113\n",
            internet.host
        );
        assert_eq!(output, expected);
        assert_eq!(resolver.was_asked(), ["service.example", "service.example", "shop.town.example", "tcp.name"]);
        host.spawner.shutdown().await;
    });
}

fn names_change() {
    block_on(async {
        let first = Resolver::new(2, Ipv4Addr::new(192, 0, 2, 1));
        let second = Resolver::new(3, Ipv4Addr::new(192, 0, 2, 2));
        let folder = tempfile::tempdir().expect("a folder");
        let host = Host::with("wegress3", Some(resolv_conf(folder.path(), &format!("nameserver {}\n", first.address))));
        let lookup = "import socket; print(socket.gethostbyname('a.example'))";
        assert_eq!(run(&host, "a", lookup).await, "192.0.2.1\n");
        resolv_conf(folder.path(), &format!("nameserver {}\nsearch new.example\n", second.address));
        assert_eq!(run(&host, "b", lookup).await, "192.0.2.2\n");
        assert_eq!((first.was_asked(), second.was_asked()), (vec!["a.example".into()], vec!["a.example".into()]));
        host.spawner.shutdown().await;
    });
}

fn closed() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress4", Some(egress(&[])));
        // The host listens everywhere, and nobody gets in.
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let at = |address: Ipv4Addr| SocketAddr::from((address, port));
        let named = ["10.1.2.3", "100.64.0.1", "169.254.169.254", "168.63.129.16", "172.16.0.1", "192.168.1.1"];
        let more = ["192.0.0.192", "198.18.0.1", "240.0.0.1", "0.1.2.3", "224.0.0.1"];
        let ranges = named.iter().chain(&more).map(|text| at(text.parse().expect("an address")));
        let output = run(&host, "a", &attempts(ranges.chain(internet.private))).await;
        assert_eq!(output, "ENETUNREACH\n".repeat(named.len() + more.len() + 2));
        let mut own = host_addresses();
        own.push(Ipv4Addr::LOCALHOST);
        let count = own.len();
        assert!(count > 1, "{own:?}");
        let output = run(&host, "b", &attempts(own.into_iter().map(at))).await;
        assert_eq!(output.lines().count(), count);
        assert!(output.lines().all(|line| ["ECONNREFUSED", "ENETUNREACH"].contains(&line)), "{output}");
        listener.set_nonblocking(true).expect("it is a socket");
        assert!(listener.accept().is_err(), "somebody came in");
        host.spawner.shutdown().await;
    });
}

fn listed() {
    block_on(async {
        let internet = Internet::get();
        let [first, second] = internet.private;
        let own = host_addresses();
        let mut allow: Vec<String> = vec![format!("{}/24", Ipv4Addr::new(10, 213, 77, 0))];
        // To list the host's own addresses opens none of them.
        allow.extend(own.iter().map(ToString::to_string));
        let host = Host::with("wegress5", Some(egress(&allow)));
        assert_eq!(
            run(&host, "a", &attempts([first, second])).await,
            format!("reached {}\nENETUNREACH\n", internet.host)
        );
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let output = run(&host, "b", &attempts(own.iter().map(|address| SocketAddr::from((*address, port))))).await;
        assert!(output.lines().all(|line| ["ECONNREFUSED", "ENETUNREACH"].contains(&line)), "{output}");
        host.spawner.shutdown().await;
        let host = Host::with("wegress5b", Some(egress(&["0.0.0.0/0".into()])));
        assert_eq!(
            run(&host, "a", &attempts([first, second])).await,
            format!("reached {0}\nreached {0}\n", internet.host)
        );
        let output = run(&host, "b", &attempts(own.iter().map(|address| SocketAddr::from((*address, port))))).await;
        assert!(output.lines().all(|line| ["ECONNREFUSED", "ENETUNREACH"].contains(&line)), "{output}");
        host.spawner.shutdown().await;
    });
}

/// As if a function had become root of its network: all routes lead out.
fn open_routes(internet: &Internet, running: &Running) -> std::fs::File {
    let network = namespace::of_process(running.sandbox.pid()).expect("it runs");
    let links = internet.home.visit(&network, Socket::route).expect("root may").expect("it opens");
    let gateway = gateway_of(running);
    let ranges = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "192.0.0.0/24"];
    let more = ["198.18.0.0/15", "168.63.129.16/32", "169.254.192.0/18", "240.0.0.0/4"];
    let ranges = ranges.iter().chain(&more).map(|text| text.parse::<Cidr>().expect("a range"));
    // The host's end of the link is the neighbour of the hub's.
    let host_end = Ipv4Addr::from_bits(gateway.to_bits() - 1);
    let closed = ranges.chain(host_addresses().into_iter().chain([host_end]).map(Cidr::single));
    let open: Vec<_> = closed.map(|range| link::route(range, Way::Gateway(gateway))).collect();
    links.request(&open).expect("root may");
    network
}

fn hub_alone() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress6", Some(egress(&[])));
        let (one, other) =
            (waiting(&host, "a", "").await, waiting(&host, "b", "s = socket.create_server(('', 9000))").await);
        let network = open_routes(internet, &one);
        let connect = |address: SocketAddr| internet.home.visit(&network, || connect(address)).expect("root may");
        assert_eq!(connect(internet.public), format!("reached, {}", internet.host));
        let closed = ["10.1.2.3", "100.64.0.1", "169.254.169.254", "168.63.129.16", "172.31.255.255", "192.168.1.1"];
        let closed = closed.iter().chain(&["198.18.0.1", "240.0.0.1", "192.0.0.192"]);
        let closed = closed.map(|text| SocketAddr::from((text.parse::<Ipv4Addr>().expect("an address"), 80)));
        for address in closed.chain(internet.private).chain([SocketAddr::from((address_of(&other), 9000))]) {
            assert_eq!(connect(address), "HostUnreachable", "{address}");
        }
        // The hub's own address, and the host's end of the link to it: .1 is the neighbour of .2.
        let hub = gateway_of(&one);
        assert_eq!(connect(SocketAddr::from((hub, 80))), "HostUnreachable");
        let host_end = Ipv4Addr::from_bits(hub.to_bits() - 1);
        assert_eq!(connect(SocketAddr::from((host_end, 80))), "HostUnreachable");
        for address in host_addresses() {
            let outcome = connect(SocketAddr::from((address, 22)));
            assert!(["HostUnreachable", "ConnectionRefused"].contains(&outcome.as_str()), "{address}: {outcome}");
        }
        // Nor does anybody get in who knows the way. It is dropped, so there is nothing but time to wait for.
        let inside = address_of(&other);
        let way = link::route(Cidr::single(inside), Way::Gateway(hub));
        Socket::route().and_then(|links| links.request(&[way])).expect("root may");
        let unreached = TcpStream::connect_timeout(&SocketAddr::from((inside, 9000)), Duration::from_millis(300));
        assert!(unreached.is_err(), "the host came in");
        host.spawner.shutdown().await;
    });
}

fn foreign_sender() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress7", Some(egress(&[])));
        let (one, other) = (waiting(&host, "a", "").await, waiting(&host, "b", "").await);
        let network = namespace::of_process(one.sandbox.pid()).expect("it runs");
        let links = internet.home.visit(&network, Socket::route).expect("root may").expect("it opens");
        let listener = internet.listen_udp();
        let to = listener.local_addr().expect("it is bound");
        let hub = gateway_of(&one);
        let foreign = [address_of(&other), Ipv4Addr::from_bits(hub.to_bits() - 1), Ipv4Addr::new(203, 0, 113, 250)];
        let send = |from: Ipv4Addr, text: &[u8]| {
            let sent = internet.home.visit(&network, || UdpSocket::bind((from, 0))?.send_to(text, to));
            assert_eq!(sent.expect("root may").expect("it leaves the sandbox"), text.len());
        };
        let receive = || {
            let mut buffer = [0; 16];
            let (length, from) = listener.recv_from(&mut buffer).expect("it arrives");
            assert_eq!(from.ip(), IpAddr::from(internet.host));
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        // First, so that the way is known: whoever has a foreign address is not even told who the next one is.
        send(address_of(&one), b"first");
        assert_eq!(receive(), "first");
        for address in foreign {
            links.request(&[link::address(64, address)]).expect("root may");
            send(address, b"foreign");
        }
        // All are sent in this order, on one way.
        send(address_of(&one), b"last");
        assert_eq!(receive(), "last");
        host.spawner.shutdown().await;
    });
}

fn limited() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress15", Some(egress(&[])));
        let (address, port) = (internet.public.ip(), internet.public.port());
        // Each port is a connection. The kernel forgets them again, so it goes on until it is refused.
        let script = format!(
            "
import errno, socket, time
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def connect():
    try: socket.create_connection(('{address}', {port}), 60).close()
    except OSError as error: return errno.errorcode[error.errno]
    return 'reached'
print(connect())
while connect() == 'reached':
    for port in range(10000, 15000): asking.sendto(b'x', ('{address}', port))
print(connect(), flush=True)
socket.socket(fileno=3).send(b'x')
time.sleep(1000)
"
        );
        let running = host.launch(outward(python("a", &script))).await;
        running.hello().await;
        let theirs = run(&host, "b", &attempts([internet.public])).await;
        assert!(theirs.starts_with("reached "), "{theirs}");
        running.sandbox.kill();
        assert_eq!(running.finish().await.0, "reached\nEHOSTUNREACH\n");
        host.spawner.shutdown().await;
    });
}

fn apart() {
    block_on(async {
        let host = Host::with("wegress8", Some(egress(&[])));
        let server = "a = socket.create_server(('', 9000)); b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); b.bind(('', 9000))";
        let (one, other) = (waiting(&host, "a", server).await, waiting(&host, "b", server).await);
        let (one, other) = (address_of(&one), address_of(&other));
        assert_ne!(one, other);
        let script = attempts([one, other].map(|address| SocketAddr::from((address, 9000))));
        assert_eq!(run(&host, "c", &script).await, "ENETUNREACH\nENETUNREACH\n");
        let broadcast = "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
try: s.sendto(b'x', ('255.255.255.255', 9000)); print('sent')
except OSError as error: print(error.errno)
";
        // It may be sent: nobody but the hub is there to hear it.
        assert!(["sent\n", "101\n"].contains(&run(&host, "d", broadcast).await.as_str()));
        host.spawner.shutdown().await;
    });
}

fn interfaces() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/dev").expect("it is there");
    let names = table.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name.to_owned());
    names.filter(|name| name.starts_with("fg-")).collect()
}

fn nothing_left() {
    block_on(async {
        let others = interfaces();
        let host = Host::with("wegress9", Some(egress(&[])));
        let table = format!("fungraph-{}", host.config.name);
        let mine: Vec<String> = interfaces().into_iter().filter(|name| !others.contains(name)).collect();
        assert!(!mine.is_empty() && has_table(&table));
        let running = waiting(&host, "a", "").await;
        let pid = Pid::from_raw(host.spawner_pid.cast_signed()).expect("it is one");
        kill_process(pid, Signal::KILL).expect("it lives");
        running.sandbox.exited().await;
        eventually("the table and the link are gone", || {
            !has_table(&table) && !interfaces().iter().any(|name| mine.contains(name))
        })
        .await;
        // What is left of it for a moment is in nobody's way.
        let config = host.config.clone();
        for _ in 0..3 {
            let process = start(&config).expect("the next one starts");
            let pid = Pid::from_raw(process.pid().cast_signed()).expect("it is one");
            let spawner = Spawner::connect(process).expect("it is connected");
            kill_process(pid, Signal::KILL).expect("it lives");
            spawner.lost().await;
        }
        let spawner = Spawner::connect(start(&config).expect("the last one starts")).expect("it is connected");
        spawner.shutdown().await;
        eventually("nothing is left", || !has_table(&table) && !interfaces().iter().any(|name| mine.contains(name)))
            .await;
    });
}

fn side_by_side() {
    block_on(async {
        let internet = Internet::get();
        let one = Host::with("wegress10", Some(egress(&[])));
        let other = Host::with("wegress11", Some(egress(&[])));
        let (first, second) = (waiting(&one, "a", "").await, waiting(&other, "a", "").await);
        assert_eq!(address_of(&first), address_of(&second), "each hub has the same addresses");
        assert_ne!(gateway_of(&first), gateway_of(&second));
        for host in [&one, &other] {
            assert_eq!(run(host, "b", &attempts([internet.public])).await, format!("reached {}\n", internet.host));
        }
        // From one to the other's hub.
        let network = open_routes(internet, &first);
        let to = SocketAddr::from((gateway_of(&second), 80));
        assert_eq!(internet.home.visit(&network, || connect(to)).expect("root may"), "HostUnreachable");
        one.spawner.shutdown().await;
        assert_eq!(run(&other, "c", &attempts([internet.public])).await, format!("reached {}\n", internet.host));
        other.spawner.shutdown().await;
    });
}

fn cannot_be() {
    assert_eq!(inspect_egress(&Egress::new()), WallState::Available);
    let wrong = Egress { subnet: "203.0.0.0/16".parse().expect("a range"), ..Egress::new() };
    let WallState::Missing { why, .. } = inspect_egress(&wrong) else { panic!("it is public") };
    assert!(why.contains("203.0.0.0/16"), "{why}");
    block_on(async {
        let host = Host::new("wegress12");
        let Err(Error::Launch { reason, .. }) = host.try_launch(outward(sh("a", "true"))).await else {
            panic!("it has no way out")
        };
        assert!(reason.contains("no way out"), "{reason}");
        host.spawner.shutdown().await;
        let host = Host::with("wegress13", Some(Egress { required: false, ..wrong.clone() }));
        assert_eq!(host.sh("a", "cat /proc/net/dev | wc -l").await, "3\n");
        host.spawner.shutdown().await;
        let mut config = host.config.clone();
        config.egress = Some(Egress { required: true, ..wrong });
        let error = start(&config).expect_err("it is required").to_string();
        assert!(error.contains("egress") && error.contains("203.0.0.0/16"), "{error}");
    });
}

fn filters_in_the_way() {
    // Where it is in nobody else's way.
    let home = namespace::HomeNetwork::new().expect("it has a namespace");
    let (_, told) = home
        .visit_new(|| {
            assert_eq!(closed_ways(), Vec::<String>::new());
            drop_what_passes("firewall");
            closed_ways()
        })
        .expect("root may");
    assert!(told.len() == 1 && told[0].contains("ip firewall FORWARD"), "{told:?}");
}

/// Connections that the kernel tracks on loopback to a port; none where it does not tell.
fn tracked(port: u16) -> Option<usize> {
    let table = std::fs::read_to_string("/proc/net/nf_conntrack").ok()?;
    Some(
        table
            .lines()
            .filter(|line| line.contains("src=127.0.0.1 ") && line.contains(&format!("dport={port} ")))
            .count(),
    )
}

fn own_connections() {
    let (own, other) =
        (TcpListener::bind("127.0.0.1:0").expect("a port"), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config { egress: Some(egress(&[])), ..config(folder.path(), &unique("wegress15")) };
        let process = start(&config).expect("the spawner starts");
        process.leave_untracked(port(&own)).expect("it lives");
        let spawner = Spawner::connect(process).expect("it is connected");
        // Whatever is asked for later is done later.
        try_launch(&spawner, sh("a", "true")).await.expect("it starts").finish().await;
        for listener in [&own, &other] {
            let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
            let (mut server, _) = listener.accept().expect("it comes");
            std::io::Write::write_all(&mut server, b"x").expect("it is open");
            let mut byte = [0];
            std::io::Read::read_exact(&mut &client, &mut byte).expect("it is open");
        }
        assert!(matches!(tracked(port(&own)), Some(0) | None));
        assert!(matches!(tracked(port(&other)), Some(1) | None));
        spawner.shutdown().await;
    });
}

fn counted() {
    block_on(async {
        let internet = Internet::get();
        let host = Host::with("wegress14", Some(egress(&[])));
        let script = "
import socket
peer = socket.socket(fileno=3)
peer.send(b'0'); peer.recv(1)
for host in HOSTS:
    try: socket.create_connection(host, 20)
    except OSError: pass
peer.send(b'1'); peer.recv(1)
";
        let public = format!("('{}', {})", internet.public.ip(), internet.public.port());
        let closed = "('10.1.2.3', 80), ('169.254.169.254', 80)".to_owned();
        let cases = [
            (Network::Egress, public.clone(), 0),
            (Network::Egress, format!("{public}, {closed}"), 2),
            (Network::None, format!("{public}, {closed}"), 3),
            (Network::None, "('127.0.0.1', 9)".to_owned(), 0),
            (Network::None, "('localhost', 9)".to_owned(), 0),
            (Network::Host, "('127.0.0.1', 9)".to_owned(), 0),
        ];
        for (network, hosts, expected) in cases {
            let mut launch = python("a", &script.replace("HOSTS", &format!("[{hosts}]")));
            launch.network = network;
            let running = host.launch(launch).await;
            running.hello().await;
            assert_eq!(running.sandbox.refused_connections(), 0, "{network:?} {hosts}");
            use std::io::Write;
            (&running.socket).write_all(b"g").expect("it listens");
            running.hello().await;
            assert_eq!(running.sandbox.refused_connections(), expected, "{network:?} {hosts}");
            assert_eq!(running.sandbox.refused_connections(), 0);
            (&running.socket).write_all(b"g").expect("it listens");
            running.sandbox.exited().await;
            assert_eq!(running.sandbox.refused_connections(), 0);
        }
        // Most connections begin with a name.
        let mut launch = python("a", &script.replace("HOSTS", "[('service.example', 80)]"));
        launch.network = Network::None;
        let running = host.launch(launch).await;
        running.hello().await;
        use std::io::Write;
        (&running.socket).write_all(b"g").expect("it listens");
        running.hello().await;
        assert!(running.sandbox.refused_connections() > 0);
        host.spawner.shutdown().await;
    });
}
