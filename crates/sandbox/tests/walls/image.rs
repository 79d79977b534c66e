//! A root file system of its own, from a folder that nobody trusts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use fungraph_sandbox::{Bind, Error, Launch, User};

use crate::harness::{Host, Test, block_on, launch};

pub(crate) const TESTS: &[Test] = &[
    ("an_image_is_the_root_and_nothing_of_the_host_is_there", image_is_root),
    ("links_of_an_image_lead_no_mount_elsewhere", hostile_links),
    ("an_image_that_changes_under_its_path_is_seen_anew", image_is_replaced),
    ("a_user_of_its_own_owns_tmp", another_user),
    ("a_missing_root_is_named", missing_root),
];

/// A shell and what it needs, in a folder.
pub(crate) fn image(host: &Host, name: &str) -> PathBuf {
    let root = host.folder.path().join(name);
    copy(Path::new("/bin/sh"), &root.join("bin/sh"));
    let list = Command::new("ldd").arg("/bin/sh").output().expect("ldd is there");
    let list = String::from_utf8(list.stdout).expect("a text");
    for library in list.split_whitespace().filter(|word| word.starts_with('/')) {
        copy(Path::new(library), &root.join(&library[1..]));
    }
    root
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("it has one")).expect("folders are made");
    fs::copy(from, to).expect("it is copied");
}

pub(crate) fn in_image(id: &str, root: &Path, script: &str) -> Launch {
    Launch { root: Some(root.to_owned()), cwd: "/".to_owned(), ..launch(id, &["/bin/sh", "-c", script]) }
}

fn image_is_root() {
    block_on(async {
        let host = Host::new("wimage1");
        let root = image(&host, "image");
        fs::write(root.join("own"), "of the image\n").expect("it is written");
        let code = host.code(&[("file", "bound\n")]);
        let script = "
            echo /*
            read line < /own; echo $line
            read line < /home/snuser/runtime/file; echo $line
            read line < /etc/hosts; echo $line
            for path in / /bin /etc /own /home/snuser/runtime /proc/sys/kernel; do
                (echo x > $path/x) 2>/dev/null && echo wrote $path; (echo x > $path) 2>/dev/null && echo wrote $path
            done
            echo x > /tmp/x && echo wrote /tmp
            while read _ place _ options _; do
                case \"$place $options\" in '/ ro,nosuid,nodev,'*) echo the root is closed;; esac
            done < /proc/mounts";
        let mut launch = in_image("a", &root, script);
        launch.binds.push(Bind { source: code, target: "/home/snuser/runtime".into() });
        let (output, _) = host.run(launch).await;
        let lib: Vec<&str> = ["/bin", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/own", "/proc", "/tmp"]
            .into_iter()
            .filter(|path| root.join(&path[1..]).exists() || !path.starts_with("/lib"))
            .collect();
        let expected =
            format!("{}\nof the image\nbound\n127.0.0.1 localhost\nwrote /tmp\nthe root is closed\n", lib.join(" "));
        assert_eq!(output, expected);
        host.spawner.shutdown().await;
    });
}

fn hostile_links() {
    block_on(async {
        let host = Host::new("wimage2");
        let root = image(&host, "image");
        let kept = host.folder.path().join("kept");
        fs::create_dir(&kept).expect("it is new");
        for name in ["tmp", "proc", "dev", "etc", "home", "opt"] {
            symlink(&kept, root.join(name)).expect("it is new");
        }
        let script =
            "echo x > /tmp/x; read _ uid _ < /proc/self/status; read line < /etc/hosts; echo $line; echo /tmp/*";
        let (output, _) = host.run(in_image("a", &root, script)).await;
        assert_eq!(output, "127.0.0.1 localhost\n/tmp/lost+found /tmp/x\n".replace("/tmp/lost+found ", ""));
        assert_eq!(fs::read_dir(&kept).expect("a folder").count(), 0);
        host.spawner.shutdown().await;
    });
}

fn image_is_replaced() {
    block_on(async {
        let host = Host::new("wimage3");
        let script = "read line < /own; echo $line";
        for content in ["first\n", "second\n"] {
            let root = image(&host, "image");
            fs::write(root.join("own"), content).expect("it is written");
            let (output, _) = host.run(in_image("a", &root, script)).await;
            assert_eq!(output, content);
            fs::rename(&root, host.folder.path().join(content.trim_end())).expect("it goes");
        }
        host.spawner.shutdown().await;
    });
}

fn another_user() {
    block_on(async {
        let host = Host::new("wimage4");
        let root = image(&host, "image");
        let script = "while read name ids; do case $name in Uid:|Gid:) echo $name $ids;; esac; done < /proc/self/status; echo x > /tmp/x && echo wrote";
        let mut launch = in_image("a", &root, script);
        launch.user = User { uid: 2000, gid: 3000 };
        let (output, _) = host.run(launch).await;
        assert_eq!(output, "Uid: 2000 2000 2000 2000\nGid: 3000 3000 3000 3000\nwrote\n");
        host.spawner.shutdown().await;
    });
}

fn missing_root() {
    block_on(async {
        let host = Host::new("wimage5");
        let missing = host.folder.path().join("missing");
        let Err(Error::Launch { reason, .. }) = host.try_launch(in_image("a", &missing, "true")).await else {
            panic!("it started");
        };
        assert!(reason.contains("missing") && reason.contains("root file system"), "{reason}");
        host.spawner.shutdown().await;
    });
}
