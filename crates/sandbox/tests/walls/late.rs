//! What a sandbox gets after its start.

use std::fs;
use std::io::{Read, Write};

use fungraph_sandbox::{Error, ExitStatus, Fit, Launch};

use crate::harness::{Host, MIB, Running, Test, block_on, eventually, python, sh};

pub(crate) const TESTS: &[Test] = &[
    ("a_running_process_sees_its_late_folder", a_running_process_sees_its_late_folder),
    ("a_late_folder_is_read_only_and_its_own", a_late_folder_is_read_only_and_its_own),
    ("limits_are_those_of_the_fit", limits_are_those_of_the_fit),
    ("a_fit_overtakes_launches", a_fit_overtakes_launches),
    ("a_failed_fit_is_told", a_failed_fit_is_told),
    ("nothing_of_a_late_folder_stays", nothing_of_a_late_folder_stays),
];

const CODE: &str = "/opt/function/code";

/// Says hello, waits for one byte, and goes on with the script.
fn waiting(id: &str, script: &str) -> Launch {
    let wait = "import os\nos.write(3, b'h'); os.read(3, 1)\n";
    Launch { late: Some(CODE.to_owned()), ..python(id, &format!("{wait}{script}")) }
}

fn fit(host: &Host, memory_bytes: u64) -> Fit {
    let source = host.code(&[("index.py", "the code")]);
    Fit { source, mounts: Vec::new(), memory_bytes, cpu_millicores: 500, cpu_quota: true }
}

async fn go_on(running: Running) -> (String, ExitStatus) {
    (&running.socket).write_all(b"g").expect("it listens");
    let (output, exit) = running.finish().await;
    (output, exit.status)
}

fn a_running_process_sees_its_late_folder() {
    block_on(async {
        let host = Host::new("late");
        let script = "print(before, os.listdir('.'), open('index.py').read())";
        let before = format!("before = os.listdir('{CODE}')\nos.chdir('{CODE}')\n");
        let launch = waiting("a", "");
        let text = format!("import os\n{before}os.write(3, b'h'); os.read(3, 1)\nos.chdir('{CODE}')\n{script}");
        let running = host.launch(Launch { args: with_script(&launch, &text), ..launch }).await;
        running.hello().await;
        running.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        let (output, status) = go_on(running).await;
        assert_eq!((output.trim(), status), ("[] ['index.py'] the code", ExitStatus::Code(0)));
    });
}

fn with_script(launch: &Launch, script: &str) -> Vec<String> {
    vec![launch.args[0].clone(), "-c".to_owned(), script.to_owned()]
}

fn a_late_folder_is_read_only_and_its_own() {
    block_on(async {
        let host = Host::new("late");
        let script = format!(
            "import errno\n\
             try:\n    open('{CODE}/new', 'w')\nexcept OSError as error:\n    print(errno.errorcode[error.errno])\n\
             line = [line for line in open('/proc/self/mountinfo') if ' {CODE} ' in line][-1].split(' - ')[0]\n\
             print('ro' in line.split()[5].split(','), 'nosuid' in line, 'nodev' in line)\n"
        );
        let fitted = host.launch(waiting("a", &script)).await;
        let other = host.launch(waiting("b", &format!("print(os.listdir('{CODE}'))"))).await;
        fitted.hello().await;
        other.hello().await;
        fitted.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        let (output, status) = go_on(fitted).await;
        assert_eq!((output.trim(), status), ("EROFS\nTrue True True", ExitStatus::Code(0)));
        let (output, _) = go_on(other).await;
        assert_eq!(output.trim(), "[]", "another sandbox sees nothing of it");
    });
}

fn limits_are_those_of_the_fit() {
    block_on(async {
        let host = Host::new("late");
        let script = "held = bytearray(200 << 20)\nprint('held', len(held))";
        for (id, memory, expected) in [("a", 300, "held 209715200"), ("b", 100, "")] {
            let running = host.launch(waiting(id, script)).await;
            running.hello().await;
            running.sandbox.fit(fit(&host, memory * MIB)).await.expect("it is fitted");
            let (sandbox, pid) = (running.sandbox.id().to_owned(), running.sandbox.pid());
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
            assert!(groups.contains(&sandbox), "{groups}");
            (&running.socket).write_all(b"g").expect("it listens");
            let (output, exit) = running.finish().await;
            assert_eq!(output.trim(), expected);
            assert_eq!(exit.out_of_memory, expected.is_empty());
        }
        let quotas = |running: &Running| {
            let files = ["cpu/cpu.cfs_quota_us", "cpu.max"];
            let groups = host.cgroups();
            let read = |name: &str| {
                let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
                let group = groups
                    .iter()
                    .find(|group| folder.is_empty() || group.components().any(|c| c.as_os_str() == folder))?;
                fs::read_to_string(group.join(running.sandbox.id()).join(file)).ok()
            };
            files.iter().find_map(|name| read(name)).expect("there is a quota")
        };
        let running = host.launch(waiting("c", "")).await;
        running.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        assert!(quotas(&running).trim().starts_with("50000"), "{}", quotas(&running));
    });
}

fn a_fit_overtakes_launches() {
    block_on(async {
        let host = Host::new("late");
        let blank = host.launch(waiting("blank", "")).await;
        let spawner = host.spawner.clone();
        let launches: Vec<_> = (0..20)
            .map(|number| {
                let spawner = spawner.clone();
                let launch = sh(&format!("n{number}"), "read line <&3");
                tokio::spawn(async move { crate::harness::try_launch(&spawner, launch).await.expect("it starts") })
            })
            .collect();
        tokio::task::yield_now().await;
        blank.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        let through = launches.iter().filter(|launch| launch.is_finished()).count();
        assert!(through < 20, "the fit came after every launch");
        for launch in launches {
            launch.await.expect("it does not panic");
        }
    });
}

fn a_failed_fit_is_told() {
    block_on(async {
        let host = Host::new("late");
        let running = host.launch(waiting("a", "")).await;
        let missing = Fit { source: host.folder.path().join("missing"), ..fit(&host, 128 * MIB) };
        let error = running.sandbox.fit(missing).await.expect_err("there is no such folder");
        assert!(matches!(&error, Error::Fit { reason, .. } if reason.contains("missing")), "{error}");
        let relative = Fit { source: "code".into(), ..fit(&host, 128 * MIB) };
        assert!(matches!(running.sandbox.fit(relative).await, Err(Error::Invalid { .. })));

        let running = host.launch(waiting("b", "")).await;
        running.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        let again = running.sandbox.fit(fit(&host, 128 * MIB)).await.expect_err("once");
        assert!(again.to_string().contains("filled already"), "{again}");

        let ended = host.launch(Launch { late: Some(CODE.to_owned()), ..sh("c", "exit 0") }).await;
        ended.sandbox.exited().await;
        assert!(matches!(ended.sandbox.fit(fit(&host, 128 * MIB)).await, Err(Error::Fit { .. })));
    });
}

fn nothing_of_a_late_folder_stays() {
    block_on(async {
        let host = Host::new("late");
        let late = || {
            let mut text = String::new();
            let mounts = format!("/proc/{}/mountinfo", host.spawner_pid);
            fs::File::open(mounts).and_then(|mut file| file.read_to_string(&mut text)).expect("the spawner lives");
            text.lines().filter(|line| line.contains("/late/")).count()
        };
        let (fitted, killed) = (host.launch(waiting("a", "")).await, host.launch(waiting("b", "")).await);
        assert_eq!(late(), 2);
        fitted.sandbox.fit(fit(&host, 128 * MIB)).await.expect("it is fitted");
        assert_eq!(late(), 1, "what was filled is the sandbox's alone");
        killed.sandbox.kill();
        killed.sandbox.exited().await;
        eventually("the folder of a sandbox that was never fitted goes with it", || late() == 0).await;
        let (_, status) = go_on(fitted).await;
        assert_eq!(status, ExitStatus::Code(0));
    });
}
