//! What can be seen and written.

use fungraph_sandbox::{Bind, Error, ExitStatus, Spawner, Wall, start};

use crate::harness::{Host, MIB, Test, block_on, config, python, sh, try_launch, unique};

pub(crate) const TESTS: &[Test] = &[
    ("the_root_is_read_only_and_only_tmp_can_be_written", only_tmp_can_be_written),
    ("code_is_read_only_even_below_a_closed_folder", code_is_read_only),
    ("a_bound_file_and_a_link_are_there", files_and_links),
    ("the_hosts_secrets_are_not_there", host_is_not_there),
    ("proc_and_dev_are_minimal", proc_and_dev),
    ("a_full_tmp_is_enospc_and_no_memory_kill", full_tmp),
    ("tmp_is_not_charged_to_memory", tmp_is_not_memory),
    ("tmp_is_empty_and_its_own", tmp_is_its_own),
    ("a_missing_bind_source_is_named", missing_source),
    ("without_disks_tmp_is_memory_if_accepted", tmp_in_memory),
];

fn only_tmp_can_be_written() {
    block_on(async {
        let host = Host::new("wfiles1");
        let script = r#"
            touch /tmp/x || exit 1
            for path in / /usr /usr/bin /etc /etc/ssl /opt /opt/function /home /home/snuser /root /run /dev /proc /proc/sys/kernel /var /sys; do
                touch $path/x 2>/dev/null && echo "wrote $path"
            done
            echo x 2>/dev/null > /proc/sys/kernel/hostname && echo "wrote hostname"
            echo x 2>/dev/null > /proc/sysrq-trigger && echo "wrote sysrq"
            chmod 777 /usr 2>/dev/null && echo "changed /usr"
            awk '{ print $2, $4 }' /proc/mounts | grep -v -E '^(/proc|/dev|/tmp)' | grep -v -E ' ro(,|$)' && echo "writable mounts"
            exit 0
        "#;
        assert_eq!(host.sh("a", script).await, "");
        host.spawner.shutdown().await;
    });
}

fn code_is_read_only() {
    block_on(async {
        let host = Host::new("wfiles2");
        let code = host.code(&[("index.py", "answer = 42\n")]);
        use std::os::unix::fs::PermissionsExt;
        let closed = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(host.folder.path(), closed).expect("it is closed to others");
        let script = "
import os, errno
os.chdir('code')
import sys; sys.path.insert(0, '.'); sys.dont_write_bytecode = True
import index; print(index.answer, os.getcwd())
for path in ('index.py', 'new.py'):
    try: open(path, 'w'); print('wrote', path)
    except OSError as error: print(errno.errorcode[error.errno])
print([line.split()[3].split(',')[:3] for line in open('/proc/mounts') if '/opt/function/code' in line])
";
        let mut launch = python("a", script);
        launch.binds.push(Bind { source: code, target: "/opt/function/code".into() });
        let (output, _) = host.run(launch).await;
        assert_eq!(output, "42 /opt/function/code\nEROFS\nEROFS\n[['ro', 'nosuid', 'nodev']]\n");
        host.spawner.shutdown().await;
    });
}

fn files_and_links() {
    block_on(async {
        let host = Host::new("wfiles3");
        let code = host.code(&[("one", "first\n")]);
        let mut launch = sh("a", "cat /opt/deep/er/file; readlink /srv/link; cat /srv/link");
        launch.binds.push(Bind { source: code.join("one"), target: "/opt/deep/er/file".into() });
        launch.links.push(("/srv/link".into(), "/opt/deep/er/file".into()));
        assert_eq!(host.run(launch).await.0, "first\n/opt/deep/er/file\nfirst\n");
        host.spawner.shutdown().await;
    });
}

fn host_is_not_there() {
    block_on(async {
        let host = Host::new("wfiles4");
        let code = host.code(&[("secret", "x")]);
        let script = format!(
            "for path in /etc/shadow /etc/gshadow /etc/sudoers /etc/hostname /etc/crontab {code} {data} /work /mnt /srv /var /boot /sys/kernel; do
                test -e $path && echo \"there is $path\"; done
            ls -A /home /home/snuser /run; test -e /root && ls -A /root
            grep -c . /etc/passwd; id -un; cat /etc/resolv.conf",
            code = code.display(),
            data = host.folder.path().display(),
        );
        assert_eq!(
            host.sh("a", &script).await,
            "/home:\nsnuser\n\n/home/snuser:\n\n/run:\n3\nsnuser\nnameserver 192.0.2.53\n"
        );
        host.spawner.shutdown().await;
    });
}

fn proc_and_dev() {
    block_on(async {
        let host = Host::new("wfiles5");
        let output = host
            .sh("a", "ls /dev | grep -v '^core$' | tr '\\n' ' '; ls /proc | grep -c '^[0-9]'; cat /proc/1/comm")
            .await;
        assert_eq!(output, "fd full null ptmx random shm stderr stdin stdout tty urandom zero 4\nfungraph-init\n");
        let script = "
            for path in /proc/kcore /proc/keys /proc/kallsyms /proc/timer_list /proc/sched_debug; do test -s $path && head -c 16 $path; done
            head -c 4 /dev/zero | od -An -c; echo x > /dev/null; head -c 8 /dev/urandom | wc -c; echo y > /dev/shm/y && cat /dev/shm/y
            exit 0";
        assert_eq!(host.sh("b", script).await, "  \\0  \\0  \\0  \\0\n8\ny\n");
        host.spawner.shutdown().await;
    });
}

fn full_tmp() {
    block_on(async {
        let host = Host::new("wfiles6");
        let mut launch = python(
            "a",
            "
import errno, os
block, written = b'x' * (1 << 20), 0
try:
    with open('/tmp/fill', 'wb', buffering=0) as file:
        while True: written += file.write(block)
except OSError as error: print(errno.errorcode[error.errno], written >> 20 > 50)
",
        );
        launch.limits.tmp_bytes = 64 * MIB;
        let (output, exit) = host.run(launch).await;
        assert_eq!(output, "ENOSPC True\n");
        assert_eq!((exit.status, exit.out_of_memory, exit.tmp_full), (ExitStatus::Code(0), false, true));
        host.spawner.shutdown().await;
    });
}

fn tmp_is_not_memory() {
    block_on(async {
        let host = Host::new("wfiles7");
        let script = "
            head -c 300000000 /dev/zero > /tmp/big && wc -c < /tmp/big && cat /tmp/big | wc -c
            df -k /tmp | awk 'NR == 2 { print ($2 > 480000 && $2 <= 524288) }'";
        let (output, exit) = host.run(sh("a", script)).await;
        assert_eq!((output.as_str(), exit.status), ("300000000\n300000000\n1\n", ExitStatus::Code(0)));
        assert!(!exit.out_of_memory && !exit.tmp_full);
        host.spawner.shutdown().await;
    });
}

fn tmp_is_its_own() {
    block_on(async {
        let host = Host::new("wfiles8");
        assert_eq!(host.sh("a", "ls -A /tmp; stat -c '%u %g %a' /tmp; echo secret > /tmp/x").await, "1003 1003 1777\n");
        assert_eq!(host.sh("a", "ls -A /tmp; grep -a -l secret /tmp/* /dev/loop* 2>/dev/null; exit 0").await, "");
        assert_eq!(
            host.sh("b", "cp /bin/true /tmp/t && /tmp/t && mkfifo /tmp/f && mknod /tmp/d c 1 3 2>/dev/null || echo no")
                .await,
            "no\n"
        );
        host.spawner.shutdown().await;
    });
}

fn missing_source() {
    block_on(async {
        let host = Host::new("wfiles9");
        let mut launch = sh("a", "true");
        launch.binds.push(Bind { source: "/nonexistent/python".into(), target: "/opt/python".into() });
        let Err(Error::Launch { id, reason }) = host.try_launch(launch).await else { panic!("it started") };
        assert_eq!(id, "a");
        assert!(reason.contains("/nonexistent/python") && reason.contains("No such file"), "{reason}");
        host.spawner.shutdown().await;
    });
}

fn tmp_in_memory() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(folder.path(), &unique("wfiles10"));
        std::fs::create_dir(&config.folder).expect("it is made");
        std::fs::write(config.folder.join("tmp"), "in the way").expect("it is written");
        let error = start(&config).expect_err("a wall is missing").to_string();
        assert!(error.contains("tmp-limit") && error.contains("accept_missing"), "{error}");
        config.accept_missing = vec![Wall::TmpLimit];
        let spawner = Spawner::connect(start(&config).expect("it is accepted")).expect("it is connected");
        let script = "head -c 20000000 /dev/zero > /tmp/x; stat -c %s /tmp/x; stat -f -c %T /tmp; stat -c '%u %a' /tmp";
        let mut launch = sh("a", script);
        launch.limits.tmp_bytes = 10 * MIB;
        let (output, exit) = try_launch(&spawner, launch).await.expect("it starts").finish().await;
        assert!(output.ends_with("10485760\ntmpfs\n1003 1777\n"), "{output}");
        assert!(!exit.tmp_full && !exit.out_of_memory);
        spawner.shutdown().await;
    });
}
