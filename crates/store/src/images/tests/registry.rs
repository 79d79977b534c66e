//! Debian's registry on a loopback address, images for it, and a line to it that breaks.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::config::architecture;
use super::Tar;

/// User and password of a registry that asks for them, and the line of its htpasswd file.
pub(super) const ACCOUNT: (&str, &str) = ("ada", "secret");
const HTPASSWD: &str = "ada:$2b$04$GbfKqWZtBtDJ2m6ykKo6p.bWGjvGWlT7Y5EyPOXSkEK5TNbOPoNxy\n";

pub(super) struct Registry {
    process: Child,
    pub(super) folder: TempDir,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    auth: RegistryAuth,
}

impl Registry {
    pub(super) fn start(closed: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("htpasswd"), HTPASSWD).expect("it is written");
        let auth = format!("auth: {{htpasswd: {{realm: tests, path: {:?}}}}}\n", path("htpasswd"));
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n{}",
            path("data"),
            if closed { &auth } else { "" }
        );
        std::fs::write(path("config.yml"), config).expect("it is written");
        let mut command = Command::new("docker-registry");
        command.args(["serve", &path("config.yml")]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("docker-registry is there; cargo xtask check host installs it");
        let mut log = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let address = loop {
            let line = log.next().expect("it has not ended").expect("a line");
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split('"').next().expect("an address").to_owned();
            }
        };
        // Its log is read to the end, or it would wait for a reader.
        std::thread::spawn(move || log.for_each(drop));
        let (user, password) = ACCOUNT;
        let auth = if closed { RegistryAuth::Basic(user.into(), password.into()) } else { RegistryAuth::Anonymous };
        Self { process, folder, address, auth }
    }

    /// Pushes an image; returns its name.
    pub(super) async fn push(&self, name: &str, layers: Vec<Tar>, arch: &str) -> String {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
        let layers: Vec<ImageLayer> =
            layers.into_iter().map(|layer| ImageLayer::oci_v1_gzip(layer.gzip(), None)).collect();
        let config = format!(
            r#"{{"architecture":"{arch}","os":"linux","config":{{"Entrypoint":["/app"],"Env":["A=1"]}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
        );
        let name = format!("{}/{name}", self.address);
        let reference = name.parse().expect("a name");
        client.push(&reference, &layers, Config::oci_v1(config, None), &self.auth, None).await.expect("it is pushed");
        name
    }

    pub(super) async fn push_here(&self, name: &str, layers: Vec<Tar>) -> String {
        self.push(name, layers, architecture()).await
    }

    /// The bytes of a manifest.
    pub(super) async fn manifest(&self, name: &str, tag: &str) -> Vec<u8> {
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let url = format!("http://{}/v2/{name}/manifests/{tag}", self.address);
        let request = reqwest::Client::new().get(url).header("Accept", "application/vnd.oci.image.manifest.v1+json");
        let answer = request.send().await.expect("it answers");
        answer.bytes().await.expect("all of it").to_vec()
    }

    /// The file of a blob.
    pub(super) fn blob(&self, digest: &str) -> std::path::PathBuf {
        let below = format!("data/docker/registry/v2/blobs/sha256/{}/{digest}/data", &digest[..2]);
        self.folder.path().join(below)
    }

    pub(super) fn stop(mut self) -> TempDir {
        self.end();
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }

    fn end(&mut self) {
        // It may have ended.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.end();
    }
}

/// The largest blob of a registry.
pub(super) fn largest_blob(registry: &Registry) -> String {
    let folder = registry.folder.path().join("data/docker/registry/v2/blobs/sha256");
    let inside = |path: &Path| std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("one").path());
    let all = inside(&folder).flat_map(|path| inside(&path).collect::<Vec<_>>());
    let size = |path: &Path| std::fs::metadata(path.join("data")).expect("a blob").len();
    let largest = all.max_by_key(|path| size(path)).expect("there is one");
    largest.file_name().expect("a name").to_string_lossy().into_owned()
}

/// A line to a registry that passes only some bytes of each answer, a number of times.
pub(super) struct Line {
    pub(super) address: String,
    /// What was asked, head by head.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

impl Line {
    pub(super) async fn to(registry: &Registry, breaks: usize, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (far, left) = (registry.address.clone(), Arc::new(AtomicUsize::new(breaks)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&far).await.expect("the registry is there");
                tokio::spawn(pass(near, far, Arc::clone(&left), after, Arc::clone(&heads)));
            }
        });
        Self { address, asked }
    }
}

async fn pass(near: TcpStream, far: TcpStream, left: Arc<AtomicUsize>, after: usize, heads: Arc<Mutex<Vec<String>>>) {
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = near_in.read(&mut buffer).await {
            heads.lock().expect("no panic").push(String::from_utf8_lossy(&buffer[..read]).to_lowercase());
            if far_out.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    });
    let (mut buffer, mut passed) = (vec![0; 16 << 10], 0);
    while let Ok(read @ 1..) = far_in.read(&mut buffer).await {
        passed += read;
        if near_out.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        let one_less = |left: usize| left.checked_sub(1);
        if passed > after && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return;
        }
    }
}
