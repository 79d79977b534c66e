//! Debian's registry on a loopback address, and images for it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use oci_client::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::repository;

pub(crate) struct Registry {
    process: Child,
    folder: TempDir,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, settings) = (folder.path().join("data"), folder.path().join("config.yml"));
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {data:?}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n"
        );
        std::fs::write(&settings, config).expect("it is written");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&settings).stdout(Stdio::null()).stderr(Stdio::piped());
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
        Self { process, folder, address }
    }

    /// Arguments of a server that may ask this registry, without signatures; `more` goes below `[images]` and after it.
    pub(crate) fn settings(&self, more: &str) -> [String; 4] {
        let path = self.folder.path().join("settings.toml").display().to_string();
        let text = format!("[images]\nregistries = [\"{}\", \"127.0.0.1:1\"]\n{more}\n", self.address);
        std::fs::write(&path, text).expect("it is written");
        ["--config".to_owned(), path, "--auth".to_owned(), "off".to_owned()]
    }

    /// The program of `tests/images`, linked statically.
    pub(crate) fn program(&self) -> PathBuf {
        let program = self.folder.path().join("server");
        let source = repository("tests/images/server.c");
        let built =
            Command::new("gcc").args(["-static", "-O1", "-D_GNU_SOURCE", "-o"]).arg(&program).arg(source).status();
        assert!(built.expect("gcc is there").success());
        program
    }

    /// Pushes an image that holds these files; gives its name.
    pub(crate) fn push(&self, name: &str, files: &[(&str, &[u8])], config: &Value) -> String {
        let mut layer = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            layer.append_data(&mut header, path, *content).expect("memory takes everything");
        }
        let layer = ImageLayer::new(
            layer.into_inner().expect("it ends"),
            "application/vnd.oci.image.layer.v1.tar".to_owned(),
            None,
        );
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": arch, "os": "linux", "config": config, "rootfs": { "type": "layers", "diff_ids": [] },
        });
        let name = format!("{}/{name}", self.address);
        let push = async {
            let _chosen = rustls::crypto::ring::default_provider().install_default();
            let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
            let reference = name.parse().expect("a name");
            let config = Config::oci_v1(config.to_string(), None);
            client.push(&reference, &[layer], config, &RegistryAuth::Anonymous, None).await.expect("it is pushed");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(push);
        name
    }

    /// An image of nothing but the program.
    pub(crate) fn push_server(&self, name: &str, program: &Path) -> String {
        let program = std::fs::read(program).expect("it is built");
        let config = json!({ "Entrypoint": ["/server"], "Env": ["OWN=of the image"], "WorkingDir": "/srv/app" });
        self.push(name, &[("server", &program), ("srv/app/file", b"x")], &config)
    }
}

impl Registry {
    /// Nobody answers at its address any more; its settings stay.
    pub(crate) fn end(&mut self) {
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
