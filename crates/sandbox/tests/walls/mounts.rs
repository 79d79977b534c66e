//! Folders that the operator gives away.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use fungraph_sandbox::{Error, ExitStatus, Fit, Launch, Mount, Share, User, WallState, inspect_share, start};

use crate::harness::{Host, MIB, Running, Test, block_on, config, python, sh, unique};
use crate::image::{image, in_image};

pub(crate) const TESTS: &[Test] = &[
    ("a_mount_shows_files_under_the_wanted_owner", owners),
    ("a_mount_is_no_way_to_what_is_beside_it", no_way_out),
    ("a_mount_may_be_read_only", read_only),
    ("a_mount_is_seen_by_one_sandbox", one_sandbox),
    ("a_part_of_a_mount_is_not_reached_through_links", parts),
    ("a_mount_that_vanished_is_told_without_its_path", vanished),
    ("an_image_with_a_user_of_its_own_has_mounts", in_an_image),
    ("a_folder_that_cannot_be_given_away_is_refused_at_the_start", refused_at_start),
    ("nothing_of_a_mount_stays_with_the_spawner", nothing_stays),
    ("a_sandbox_outlives_the_roots_of_many_others", many_roots),
];

const PLACE: &str = "/mnt/data";
/// Whom files belong to outside.
const OWNER: u32 = 5077;

fn share(folder: &Path, name: &str, read_only: bool) -> Share {
    let path = folder.join(name);
    fs::create_dir_all(&path).expect("it is made");
    chown(&path, Some(OWNER), Some(OWNER)).expect("we are root");
    Share { name: name.to_owned(), path, read_only }
}

/// A host that gives two folders away: one for writing, one for reading.
fn host(name: &str) -> Host {
    Host::sharing(name, |folder| vec![share(folder, "data", false), share(folder, "fixed", true)])
}

fn mount(share: &str, folder: &str) -> Mount {
    Mount { place: PLACE.to_owned(), share: share.to_owned(), folder: folder.to_owned(), uid: OWNER, gid: OWNER }
}

fn fit(host: &Host, mounts: Vec<Mount>) -> Fit {
    Fit { source: host.code(&[]), mounts, memory_bytes: 128 * MIB, cpu_millicores: 300, cpu_quota: false }
}

fn with_places(launch: Launch) -> Launch {
    Launch { late: Some("/opt/function/code".to_owned()), mount_points: vec![PLACE.to_owned()], ..launch }
}

/// Says hello, waits for one byte, and goes on with the script.
fn waiting(id: &str, script: &str) -> Launch {
    let wait = "import os\nos.write(3, b'h'); os.read(3, 1)\n";
    let tell = "def attempt(name, what):\n    try: print(name, what())\n    except OSError as error: print(name, os.strerror(error.errno))\n";
    with_places(python(id, &format!("{wait}{tell}{script}")))
}

async fn go_on(running: Running) -> String {
    (&running.socket).write_all(b"g\n").expect("it listens");
    let (output, exit) = running.finish().await;
    assert_eq!(exit.status, ExitStatus::Code(0), "{output}");
    output
}

/// What a script prints with one mount.
async fn with_mount(host: &Host, id: &str, mount: Mount, script: &str) -> String {
    let running = host.launch(waiting(id, script)).await;
    running.hello().await;
    running.sandbox.fit(fit(host, vec![mount])).await.expect("it is fitted");
    go_on(running).await
}

fn put(path: PathBuf, owner: u32, mode: u32) {
    fs::write(&path, "text").expect("it is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    chown(path, Some(owner), Some(owner)).expect("we are root");
}

fn owners() {
    block_on(async {
        let host = host("wmounts1");
        let data = host.folder.path().join("data");
        put(data.join("own"), OWNER, 0o600);
        put(data.join("1003"), 1003, 0o600);
        put(data.join("root"), 0, 0o644);
        put(data.join("secret"), 0, 0o600);
        fs::create_dir(data.join("open")).expect("it is made");
        fs::set_permissions(data.join("open"), fs::Permissions::from_mode(0o777)).expect("it is ours");
        let script = format!(
            "os.chdir('{PLACE}')
for name in ['own', '1003', 'root', 'secret']:
    found = os.stat(name)
    attempt(name, lambda: (found.st_uid, found.st_gid, open(name).read()))
attempt('new', lambda: open('new', 'w').write('x'))
attempt('folder', lambda: os.makedirs('a/b'))
attempt('open', lambda: open('open/new', 'w').write('x'))
attempt('root', lambda: open('root', 'a'))
attempt('chown', lambda: os.chown('own', 0, 0))
attempt('device', lambda: os.mknod('device', 0o20666, os.makedev(1, 3)))
attempt('set-uid', lambda: os.chmod('own', 0o4755))
print(os.stat('new').st_uid, os.stat('a/b').st_gid)
line = [line for line in open('/proc/self/mountinfo') if ' {PLACE} ' in line][-1].split(' - ')[0]
print('nosuid' in line, 'nodev' in line, 'idmapped' in line, line.split()[5].split(',')[0])
"
        );
        let output = with_mount(&host, "a", mount("data", ""), &script).await;
        // Who is nobody inside is shown as 65534.
        let expected = "own (1003, 1003, 'text')\n1003 Permission denied\nroot (65534, 65534, 'text')\nsecret Permission denied\n\
             new 1\nfolder None\nopen 1\nroot Permission denied\nchown Operation not permitted\ndevice Operation not permitted\n\
             set-uid None\n1003 1003\nTrue True True rw\n";
        assert_eq!(output, expected);
        for name in ["new", "a/b", "open/new"] {
            let found = fs::metadata(data.join(name)).expect("it is there");
            assert_eq!((found.uid(), found.gid()), (OWNER, OWNER), "{name}");
        }
        assert!(!data.join("device").exists());
        host.spawner.shutdown().await;
    });
}

fn no_way_out() {
    block_on(async {
        let host = host("wmounts2");
        let data = host.folder.path().join("data");
        fs::write(host.folder.path().join("beside"), "text").expect("it is written");
        symlink("../beside", data.join("up")).expect("it is linked");
        symlink(host.folder.path().join("beside"), data.join("away")).expect("it is linked");
        symlink("/", data.join("root")).expect("it is linked");
        fs::create_dir(data.join("below")).expect("it is made");
        let script = format!(
            "print(sorted(os.listdir('{PLACE}/..')))
os.chdir('{PLACE}/below')
for path in ['../..', '../../beside', '../up', '../away', '{folder}']:
    attempt(path, lambda: sorted(os.listdir(path)) if path == '../..' else open(path).read())
print(os.path.samefile('{PLACE}/root', '/'))
",
            folder = host.folder.path().display()
        );
        let output = with_mount(&host, "a", mount("data", ""), &script).await;
        let none = "No such file or directory";
        let folder = host.folder.path().display();
        let expected = format!(
            "['data']\n../.. ['data']\n../../beside {none}\n../up {none}\n../away {none}\n{folder} {none}\nTrue\n"
        );
        assert_eq!(output, expected);
        host.spawner.shutdown().await;
    });
}

fn read_only() {
    block_on(async {
        let host = host("wmounts3");
        put(host.folder.path().join("fixed/own"), OWNER, 0o666);
        let script = format!(
            "os.chdir('{PLACE}')
attempt('read', lambda: open('own').read())
attempt('write', lambda: open('own', 'a'))
attempt('new', lambda: open('new', 'w'))
attempt('remove', lambda: os.remove('own'))
attempt('mode', lambda: os.chmod('own', 0o777))
attempt('times', lambda: os.utime('own'))
"
        );
        let output = with_mount(&host, "a", mount("fixed", ""), &script).await;
        let no = "Read-only file system";
        assert_eq!(output, format!("read text\nwrite {no}\nnew {no}\nremove {no}\nmode {no}\ntimes {no}\n"));
        host.spawner.shutdown().await;
    });
}

fn one_sandbox() {
    block_on(async {
        let host = host("wmounts4");
        fs::write(host.folder.path().join("data/own"), "text").expect("it is written");
        let script = format!("print(os.listdir('{PLACE}'))");
        let (with, without) = (host.launch(waiting("a", &script)).await, host.launch(waiting("b", &script)).await);
        with.hello().await;
        without.hello().await;
        with.sandbox.fit(fit(&host, vec![mount("data", "")])).await.expect("it is fitted");
        without.sandbox.fit(fit(&host, Vec::new())).await.expect("it is fitted");
        assert_eq!(go_on(with).await, "['own']\n");
        assert_eq!(go_on(without).await, "[]\n");
        let script = format!("ls {PLACE} 2>/dev/null || echo none");
        assert_eq!(host.sh("c", &script).await, "none\n");
        host.spawner.shutdown().await;
    });
}

fn parts() {
    block_on(async {
        let host = host("wmounts5");
        let data = host.folder.path().join("data");
        fs::create_dir_all(data.join("team/a")).expect("it is made");
        fs::write(data.join("team/a/file"), "text").expect("it is written");
        symlink("/etc", data.join("link")).expect("it is linked");
        let script = format!("print(os.listdir('{PLACE}'), sorted(os.listdir('{PLACE}/..')))");
        assert_eq!(with_mount(&host, "a", mount("data", "team/a"), &script).await, "['file'] ['data']\n");
        for (number, (folder, expected)) in [
            ("link", "links, and what is mounted below, are not followed"),
            ("link/ssl", "are not followed"),
            ("team/b", "there is no such folder"),
            ("team/a/file", "it is no folder"),
        ]
        .into_iter()
        .enumerate()
        {
            let running = host.launch(waiting(&format!("b{number}"), "")).await;
            let error = running.sandbox.fit(fit(&host, vec![mount("data", folder)])).await.expect_err(folder);
            assert!(matches!(&error, Error::Fit { told: Some(told), .. } if told.contains(expected)), "{error:?}");
        }
        let running = host.launch(waiting("c", "")).await;
        let up = running.sandbox.fit(fit(&host, vec![mount("data", "../fixed")])).await;
        assert!(matches!(up, Err(Error::Invalid { .. })), "{up:?}");
        host.spawner.shutdown().await;
    });
}

fn vanished() {
    block_on(async {
        let host = host("wmounts6");
        let told = async |id: &str, mounts: Vec<Mount>| {
            let running = host.launch(waiting(id, "")).await;
            match running.sandbox.fit(fit(&host, mounts)).await {
                Err(Error::Fit { told, reason, .. }) => (told.unwrap_or_default(), reason),
                other => panic!("{other:?}"),
            }
        };
        let path = host.folder.path().join("fixed");
        fs::remove_dir(&path).expect("it is empty");
        let (text, reason) = told("a", vec![mount("fixed", "")]).await;
        assert_eq!(
            text,
            "the folder of the mount 'fixed' is not there; the operator of this server has to bring it back"
        );
        assert!(reason.contains(&format!("{}", path.display())) && reason.contains("No such file"), "{reason}");
        // A function that could write beside it must not choose what takes its place.
        symlink("/etc", &path).expect("it is linked");
        assert!(told("b", vec![mount("fixed", "")]).await.0.contains("is not there"));
        let (text, _) = told("c", vec![mount("other", "")]).await;
        assert_eq!(text, "there is no mount named 'other' on this server");
        let elsewhere = Mount { place: "/mnt/other".to_owned(), ..mount("data", "") };
        assert!(told("d", vec![elsewhere]).await.1.contains("it has no mount point /mnt/other"));
        assert!(told("e", vec![mount("data", ""), mount("data", "")]).await.1.contains("filled already"));
        host.spawner.shutdown().await;
    });
}

fn in_an_image() {
    block_on(async {
        let host = host("wmounts7");
        let root = image(&host, "image");
        fs::create_dir_all(root.join("mnt")).expect("it is made");
        symlink("/etc", root.join("mnt/data")).expect("a link where the mount belongs");
        put(host.folder.path().join("data/own"), OWNER, 0o600);
        let script = format!(
            "printf h >&3; read line <&3; read text < {PLACE}/own; echo $text; echo x > {PLACE}/new && echo written"
        );
        let launch = with_places(in_image("a", &root, &script));
        let running = host.launch(Launch { user: User { uid: 77, gid: 88 }, ..launch }).await;
        running.hello().await;
        running.sandbox.fit(fit(&host, vec![mount("data", "")])).await.expect("it is fitted");
        assert_eq!(go_on(running).await, "text\nwritten\n");
        let found = fs::metadata(host.folder.path().join("data/new")).expect("it is there");
        assert_eq!((found.uid(), found.gid()), (OWNER, OWNER));
        host.spawner.shutdown().await;
    });
}

fn refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |path: &Path, expected: &str| {
        let share = Share { name: "data".to_owned(), path: path.to_owned(), read_only: true };
        let found = inspect_share(&share);
        assert!(matches!(&found, WallState::Missing { .. }), "{found:?}");
        let mut config = config(folder.path(), &unique("wmounts8"));
        config.shares = vec![share];
        let error = start(&config).expect_err("it cannot be had").to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(
        &folder.path().join("missing"),
        "cannot be opened: No such file or directory (os error 2); make the folder",
    );
    fs::write(folder.path().join("file"), "x").expect("it is written");
    refused(&folder.path().join("file"), "Not a directory");
    // No file system of the kernel's own can do it.
    refused(Path::new("/proc/sys"), "use Linux 5.12 or newer and a folder on a file system with idmapped mounts");
    let good = Share { name: "data".to_owned(), path: folder.path().to_owned(), read_only: false };
    assert_eq!(inspect_share(&good), WallState::Available);
}

fn nothing_stays() {
    block_on(async {
        let host = host("wmounts9");
        let mounts = || fs::read_to_string(format!("/proc/{}/mountinfo", host.spawner_pid)).expect("the spawner lives");
        let late = || mounts().lines().filter(|line| line.contains("/late/")).count();
        let running = host.launch(waiting("a", "")).await;
        running.hello().await;
        assert_eq!(late(), 2, "the code's and the mount's");
        running.sandbox.fit(fit(&host, vec![mount("data", "")])).await.expect("it is fitted");
        assert_eq!(late(), 0);
        assert!(!mounts().contains("idmapped"), "the sandbox has the only copy");
        go_on(running).await;
        host.spawner.shutdown().await;
    });
}

fn many_roots() {
    block_on(async {
        let host = host("wmounts10");
        let script = "printf h >&3; read line <&3; ls /usr/bin/env /etc/passwd && ls /mnt/data";
        let running = host.launch(with_places(sh("a", script))).await;
        running.hello().await;
        running.sandbox.fit(fit(&host, vec![mount("data", "")])).await.expect("it is fitted");
        // More than are kept.
        for number in 0..70 {
            let launch = sh(&format!("b{number}"), "ls /usr/bin/env >/dev/null");
            let places = vec![format!("/mnt/place{number}")];
            let (output, exit) = host.run(Launch { mount_points: places, ..launch }).await;
            assert_eq!(exit.status, ExitStatus::Code(0), "{output}");
        }
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", host.spawner_pid)).expect("the spawner lives");
        let roots = mounts.lines().filter(|line| line.contains("/roots/") && line.contains("/usr ")).count();
        assert!(roots <= 66, "64 are kept, one is held, and one is for all without mounts: {roots}");
        assert_eq!(go_on(running).await, "/etc/passwd\n/usr/bin/env\n");
        host.spawner.shutdown().await;
    });
}
