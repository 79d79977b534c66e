//! Ends, wanted and not, and what they leave.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fungraph_sandbox::{Error, ExitStatus, Spawner, start};

use crate::harness::{Host, Running, Test, block_on, cgroups, eventually, is_alive, say, sh, try_launch, unique};

pub(crate) const TESTS: &[Test] = &[
    ("exit_codes_and_signals_are_told", exits),
    ("a_kill_takes_children_along", kill_takes_children),
    ("a_dropped_handle_kills", dropped_handle),
    ("an_id_is_one_of_a_kind_while_it_runs", unique_ids),
    ("fifty_launches_leave_nothing", fifty_launches),
    ("many_at_once_run_side_by_side", many_at_once),
    ("a_killed_spawner_takes_all_along_and_is_swept", killed_spawner),
    ("a_spawner_killed_while_launching_leaves_nothing_to_the_next", killed_while_launching),
    ("a_spawner_without_a_server_ends_everything", lost_server),
    ("a_dropped_client_ends_the_spawner", dropped_client),
];

async fn sleeper(host: &Host, id: &str) -> Running {
    let running = host.launch(sh(id, "sleep 1000 & printf x >&3; wait")).await;
    running.hello().await;
    running
}

fn exits() {
    block_on(async {
        let host = Host::new("wlife1");
        assert_eq!(host.run(sh("a", "exit 7")).await.1.status, ExitStatus::Code(7));
        assert_eq!(host.run(sh("b", "trap 'exit 5' TERM; kill -TERM $$; exit 6")).await.1.status, ExitStatus::Code(5));
        // A code that shells use for signals stays a code; a signal is one, also to itself.
        assert_eq!(host.run(sh("d", "exit 137")).await.1.status, ExitStatus::Code(137));
        for signal in [1, 6, 9, 11, 15, 64] {
            let exit = host.run(sh(&format!("s{signal}"), &format!("kill -{signal} $$; exit 6"))).await.1;
            assert_eq!((exit.status, exit.out_of_memory), (ExitStatus::Signal(signal), false));
        }
        let running = sleeper(&host, "c").await;
        running.sandbox.kill();
        running.sandbox.kill();
        let exit = running.sandbox.exited().await;
        assert_eq!((exit.status, exit.out_of_memory, exit.tmp_full), (ExitStatus::Signal(9), false, false));
        assert_eq!(running.sandbox.exited().await, exit);
        running.sandbox.kill();
        host.spawner.shutdown().await;
    });
}

/// Host pids of the processes in a sandbox, by its cgroup.
fn pids_of(host: &Host, id: &str) -> Vec<u32> {
    let found =
        host.cgroups().into_iter().find_map(|group| std::fs::read_to_string(group.join(id).join("cgroup.procs")).ok());
    found.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
}

fn kill_takes_children() {
    block_on(async {
        let host = Host::new("wlife2");
        let running = sleeper(&host, "a").await;
        let pids = pids_of(&host, "a");
        assert_eq!(pids.len(), 3, "the init, the function, its child");
        running.sandbox.kill();
        running.sandbox.exited().await;
        assert!(!pids.into_iter().any(is_alive));
        host.spawner.shutdown().await;
    });
}

fn dropped_handle() {
    block_on(async {
        let host = Host::new("wlife3");
        let pid = sleeper(&host, "a").await.sandbox.pid();
        eventually("the process is dead", || !is_alive(pid)).await;
        // A launch nobody waits for any more is a dropped handle as well.
        let forgotten = tokio::time::timeout(std::time::Duration::ZERO, host.launch(sh("b", "sleep 1000"))).await;
        assert!(forgotten.is_err());
        eventually("the forgotten one is gone", || pids_of(&host, "b").is_empty() && host.folder.path().exists()).await;
        host.spawner.shutdown().await;
    });
}

fn unique_ids() {
    block_on(async {
        let host = Host::new("wlife4");
        let running = sleeper(&host, "a").await;
        let Err(Error::Launch { reason, .. }) = host.try_launch(sh("a", "true")).await else { panic!("it started") };
        assert!(reason.contains("still there"), "{reason}");
        assert!(is_alive(running.sandbox.pid()));
        let Err(Error::Invalid { .. }) = host.try_launch(sh("a/../b", "true")).await else { panic!("it started") };
        host.spawner.shutdown().await;
    });
}

/// What a host has that sandboxes could leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
    descriptors: usize,
    children: usize,
    loops: usize,
    mounts: usize,
    cgroups: usize,
    folders: Vec<std::ffi::OsString>,
}

fn belongings(host: &Host) -> Belongings {
    let count = |path: String| std::fs::read_dir(path).map_or(0, Iterator::count);
    let mounts = std::fs::read_to_string(format!("/proc/{}/mounts", host.spawner_pid)).expect("it lives");
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", host.spawner_pid)).expect("it lives");
    let below = |group: &Path| {
        std::fs::read_dir(group).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()).count()
    };
    let mut folders: Vec<_> = std::fs::read_dir(host.config.folder.join("tmp"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    folders.sort();
    Belongings {
        descriptors: count(format!("/proc/{}/fd", host.spawner_pid)),
        children: children.split_whitespace().count(),
        loops: loops_below(host.folder.path()),
        mounts: mounts.lines().count(),
        cgroups: host.cgroups().iter().map(|group| below(group)).sum(),
        folders,
    }
}

/// Loop devices that show a file of this folder; others on the host are not ours.
fn loops_below(folder: &Path) -> usize {
    let blocks = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let file = |path: &Path| std::fs::read_to_string(path.join("loop/backing_file")).ok();
    blocks.filter_map(|entry| file(&entry.path())).filter(|file| Path::new(file).starts_with(folder)).count()
}

fn fifty_launches() {
    block_on(async {
        let host = Host::new("wlife5");
        let (_, exit) = host.run(sh("first", "true")).await;
        assert_eq!(exit.status, ExitStatus::Code(0));
        let is_clean = |now: &Belongings| (now.cgroups, now.children, now.loops) == (0, 0, 0);
        eventually("the first is cleaned up", || is_clean(&belongings(&host))).await;
        let before = belongings(&host);
        let begin = Instant::now();
        for round in 0..5 {
            let mut running = Vec::new();
            for number in 0..10 {
                running.push(host.launch(sh(&format!("r{round}-{number}"), "sleep 1000")).await);
            }
            for one in &running {
                one.sandbox.kill();
            }
            for one in running {
                one.finish().await;
            }
        }
        say(&format!("    50 launches and ends, one after another: {} ms each", begin.elapsed().as_millis() / 50));
        // A failed launch must leave as little.
        let mut broken = sh("broken", "true");
        broken.args = vec!["/nonexistent".into()];
        assert!(host.try_launch(broken.clone()).await.is_err());
        broken.id = "broken-too".into();
        broken.cwd = "/nonexistent".into();
        assert!(host.try_launch(broken).await.is_err());
        let mut last = None;
        for _ in 0..1000 {
            last = Some(belongings(&host));
            if last.as_ref() == Some(&before) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(last, Some(before));
        host.spawner.shutdown().await;
        assert_eq!(host.cgroups(), Vec::<std::path::PathBuf>::new());
        assert!(!is_alive(host.spawner_pid));
    });
}

fn many_at_once() {
    block_on(async {
        let host = Host::new("wlife6");
        let begin = Instant::now();
        let launches = (0..40).map(|number| {
            let spawner = host.spawner.clone();
            tokio::spawn(async move {
                try_launch(&spawner, sh(&format!("n{number}"), "echo $PPID; sleep 0"))
                    .await
                    .expect("it starts")
                    .finish()
                    .await
            })
        });
        for launch in launches.collect::<Vec<_>>() {
            let (output, exit) = launch.await.expect("it ran");
            assert_eq!((output.as_str(), exit.status), ("1\n", ExitStatus::Code(0)));
        }
        say(&format!("    40 at once, from request to end: {} ms in all", begin.elapsed().as_millis()));
        host.spawner.shutdown().await;
    });
}

fn killed_spawner() {
    block_on(async {
        let host = Host::new("wlife7");
        let one = sleeper(&host, "one").await;
        let two = sleeper(&host, "two").await;
        let pids = [pids_of(&host, "one"), pids_of(&host, "two")].concat();
        assert_eq!(pids.len(), 6);
        let killed =
            Command::new("kill").args(["-9", &host.spawner_pid.to_string()]).status().expect("it is installed");
        assert!(killed.success());
        host.spawner.lost().await;
        assert_eq!(one.sandbox.exited().await.status, ExitStatus::Signal(9));
        assert!(matches!(host.try_launch(sh("three", "true")).await, Err(Error::Lost)));
        eventually("every process is dead", || !pids.iter().copied().any(is_alive)).await;
        drop((one, two));
        // Only empty cgroups are left, and the next spawner takes them away.
        assert!(!host.cgroups().is_empty());
        let process = start(&host.config).expect("the next one starts");
        let below =
            |group: &Path| std::fs::read_dir(group).into_iter().flatten().flatten().any(|entry| entry.path().is_dir());
        assert!(!cgroups(&host.config.name).iter().any(|group| below(group)));
        Spawner::connect(process).expect("it is connected").shutdown().await;
        assert!(cgroups(&host.config.name).is_empty());
    });
}

/// What it was in the middle of making may wait for it for ever; the next start must not.
fn killed_while_launching() {
    block_on(async {
        let host = Host::new("wlife10");
        let launches: Vec<_> = (0..20)
            .map(|number| {
                let spawner = host.spawner.clone();
                tokio::spawn(async move { try_launch(&spawner, sh(&format!("n{number}"), "sleep 1000")).await })
            })
            .collect();
        let made = || {
            host.cgroups()
                .iter()
                .flat_map(std::fs::read_dir)
                .flatten()
                .flatten()
                .filter(|entry| entry.path().is_dir())
                .count()
        };
        eventually("some are made", || made() > 8).await;
        assert!(
            Command::new("kill")
                .args(["-9", &host.spawner_pid.to_string()])
                .status()
                .expect("it is installed")
                .success()
        );
        host.spawner.lost().await;
        for launch in launches {
            // Those that were answered before are dead as well.
            match launch.await.expect("it ran") {
                Ok(running) => assert_eq!(running.sandbox.exited().await.status, ExitStatus::Signal(9)),
                Err(error) => assert!(matches!(error, Error::Lost), "{error}"),
            }
        }
        let processes =
            || (0..20).flat_map(|number| pids_of(&host, &format!("n{number}"))).filter(|pid| is_alive(*pid)).count();
        eventually("the started ones are dead", || processes() <= 2).await;
        Spawner::connect(start(&host.config).expect("the next one starts")).expect("it is connected").shutdown().await;
        assert!(processes() == 0 && cgroups(&host.config.name).is_empty());
    });
}

fn lost_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = unique("wlife8");
    let (spawner, sandbox) = crate::server::start_doomed(folder.path(), &name);
    block_on(async {
        assert!(is_alive(spawner) && is_alive(sandbox));
        crate::server::kill_doomed();
        eventually("sandbox and spawner are dead", || !is_alive(spawner) && !is_alive(sandbox)).await;
        assert!(cgroups(&name).is_empty());
    });
}

fn dropped_client() {
    block_on(async {
        let host = Host::new("wlife9");
        let running = sleeper(&host, "a").await;
        let (pid, spawner_pid) = (running.sandbox.pid(), host.spawner_pid);
        drop((running, host));
        eventually("sandbox and spawner are dead", || !is_alive(pid) && !is_alive(spawner_pid)).await;
    });
}
