//! Projects, users and keys from the terminal, against a running server, and what of them survives a restart.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Answer, Run, Server, fungraph, fungraph_with, open_folder, wait_for};
use crate::signed::Client;

const PASSWORD: &str = "correct horse battery";

/// Runs a command as the operator of a server.
fn operator(server: &Server, args: &[&str]) -> Run {
    fungraph(&[args, &["--data-dir", &server.data().display().to_string()]].concat())
}

#[track_caller]
fn done(server: &Server, args: &[&str]) -> String {
    let run = operator(server, args);
    assert_eq!(run.code, 0, "{args:?}: {}", run.err);
    run.out
}

/// With a line on standard input.
#[track_caller]
fn done_with(server: &Server, args: &[&str], line: &str) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), format!("{line}\n")).expect("write");
    let data = server.data().display().to_string();
    let args = [args, &["--data-dir", &data]].concat();
    let input = file.reopen().expect("a file");
    let run = fungraph_with(&args, |command| {
        command.stdin(Stdio::from(input));
    });
    assert_eq!(run.code, 0, "{args:?}: {}", run.err);
}

/// The key in what `fungraph key` prints.
fn key(server: &Server, printed: &str, project: &str) -> Client {
    let value = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("export {name}='")));
        line.and_then(|line| line.strip_suffix('\'')).expect(name).to_owned()
    };
    Client {
        endpoint: server.endpoint().to_owned(),
        project: project.to_owned(),
        access_key: value("HUAWEICLOUD_SDK_AK"),
        secret_key: value("HUAWEICLOUD_SDK_SK"),
    }
}

fn log_in(server: &Server, user: &str, password: &str) -> Answer {
    let user = json!({ "name": user, "password": password, "domain": { "name": "default" } });
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    let body = json!({ "auth": { "identity": identity, "scope": { "project": { "name": "local" } } } });
    server.request("POST", "/v3/auth/tokens", &[], &body.to_string())
}

fn with_token(server: &Server, token: &str) -> u16 {
    let path = format!("/v2/{}/fgs/functions", server.project());
    server.request("GET", &path, &[("X-Auth-Token", token)], "").status
}

#[test]
fn a_team_gets_a_project_a_user_and_a_key() {
    let server = Server::start(&[]);
    let team = done(&server, &["project", "create", "team-a"]).trim().to_owned();
    done(&server, &["user", "create", "ada"]);
    done(&server, &["user", "grant", "ada", "developer", "--project", "team-a"]);
    let ada = key(&server, &done(&server, &["key", "create", "ada"]), &team);
    let list = |client: &Client| client.call("GET", &client.functions(""), "").status;
    assert_eq!(list(&ada), 200);
    let elsewhere = Client { project: server.project(), ..ada.clone() };
    assert_eq!(list(&elsewhere), 403);

    let code = json!({
        "func_name": "f", "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 10,
        "memory_size": 128, "code_type": "inline",
        "func_code": { "file": "ZGVmIGhhbmRsZXIoZXZlbnQsIGNvbnRleHQpOiByZXR1cm4gMQ==" },
    });
    ada.done("POST", "", &code);
    let run = operator(&server, &["project", "delete", "team-a"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("delete them first, nothing was deleted (428 FSS.0428)"), "{}", run.err);

    done(&server, &["key", "disable", &ada.access_key]);
    assert_eq!(list(&ada), 401, "at once");
    done(&server, &["key", "enable", &ada.access_key]);
    assert_eq!(list(&ada), 200);
    let rotated = key(&server, &done(&server, &["key", "rotate", &ada.access_key]), &team);
    assert_eq!((list(&ada), list(&rotated)), (401, 200), "without a restart");
    assert_eq!(rotated.access_key, ada.access_key);

    let (users, keys) = (done(&server, &["user", "list"]), done(&server, &["key", "list"]));
    assert!(users.contains("ada            developer (team-a)  1     no"), "{users}");
    assert!(users.contains("administrator  admin (everywhere)  1     no"), "{users}");
    assert!(keys.contains(&ada.access_key) && !keys.contains(&rotated.secret_key), "{keys}");
    let projects = done(&server, &["project", "list"]);
    assert!(projects.contains(&format!("{team}  team-a")) && projects.contains("  local"), "{projects}");

    // Ada does not decide, not even with her own key from another machine.
    let run = fungraph_with(&["user", "list"], |command| {
        command.env("FUNGRAPH_ENDPOINT", server.endpoint()).env("HUAWEICLOUD_SDK_PROJECT_ID", &team);
        command.env("HUAWEICLOUD_SDK_AK", &rotated.access_key).env("HUAWEICLOUD_SDK_SK", &rotated.secret_key);
    });
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.contains("Only an administrator of the account") && run.err.contains("FSS.0401"), "{}", run.err);

    rotated.done("DELETE", "/f", &Value::Null);
    done(&server, &["user", "delete", "ada"]);
    assert_eq!(list(&rotated), 401);
    done(&server, &["project", "delete", "team-a"]);
    for secret in [&ada.secret_key, &rotated.secret_key] {
        assert!(!server.log().contains(secret.as_str()), "a secret is in the log");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn credentials_json_follows_the_operators_key() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    let before = Client::of(&server);
    let printed = done(&server, &["key", "rotate", &before.access_key]);
    let after = key(&server, &printed, &before.project);
    let written = || (Client::of(&server).secret_key == after.secret_key).then_some(());
    wait_for("credentials.json with the new secret", written);
    assert_eq!(before.call("GET", &before.functions(""), "").status, 401);
    done(&server, &["user", "list"]);

    // Another key of the operator takes the place of one that is gone.
    let second = key(&server, &done(&server, &["key", "create", "administrator"]), &before.project);
    done(&server, &["key", "delete", &before.access_key]);
    let written = || (Client::of(&server).access_key == second.access_key).then_some(());
    wait_for("credentials.json with the second key", written);
    let run = operator(&server, &["key", "delete", &second.access_key]);
    assert!(run.code == 1 && run.err.contains("would leave nobody"), "{}", run.err);
    assert_eq!(server.stop(), Some(0));

    let server = Server::start_on(&data, &[]);
    assert_eq!(Client::of(&server).secret_key, second.secret_key, "also after a restart");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn passwords_and_tokens_survive_a_restart_and_so_does_their_end() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    done_with(&server, &["user", "create", "ada", "--password"], PASSWORD);
    done(&server, &["user", "grant", "ada", "reader", "--everywhere"]);
    let token = |server: &Server, password: &str| {
        let answer = log_in(server, "ada", password);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.header("x-subject-token").expect("a token").to_owned()
    };
    let (kept, revoked) = (token(&server, PASSWORD), token(&server, PASSWORD));
    let headers = [("X-Auth-Token", revoked.as_str()), ("X-Subject-Token", revoked.as_str())];
    assert_eq!(server.request("DELETE", "/v3/auth/tokens", &headers, "").status, 204);
    assert_eq!((with_token(&server, &kept), with_token(&server, &revoked)), (200, 401));
    assert!(!server.log().contains(&kept) && !server.log().contains(PASSWORD), "{}", server.log());
    assert_eq!(server.stop(), Some(0));

    let server = Server::start_on(&data, &[]);
    assert_eq!((with_token(&server, &kept), with_token(&server, &revoked)), (200, 401), "after a restart");
    done_with(&server, &["user", "passwd", "ada"], "another horse battery");
    assert_eq!(with_token(&server, &kept), 401, "the password is another");
    assert_eq!(log_in(&server, "ada", PASSWORD).status, 401);
    token(&server, "another horse battery");
    let run = operator(&server, &["user", "passwd", "ada"]);
    assert_eq!(run.code, 2, "nothing on standard input");
    assert!(run.err.contains("write one line to standard input"), "{}", run.err);
    assert_eq!(server.stop(), Some(0));
}

/// Runs a program on a terminal of its own, types Ctrl-C where it asks for a password, and tells how that ended: whether the terminal was
/// silent before, its exit code, and whether the terminal shows again what is typed.
const CTRL_C: &str = r#"
import os, pty, fcntl, subprocess, sys, termios
near, far = pty.openpty()
def own():
    os.setsid()
    fcntl.ioctl(far, termios.TIOCSCTTY, 0)
run = subprocess.Popen(sys.argv[1:], stdin=far, stdout=far, stderr=far, preexec_fn=own)
shows = lambda: bool(termios.tcgetattr(far)[3] & termios.ECHO)
said = b''
while b'password of ada: ' not in said:
    said += os.read(near, 1000)
silent = not shows()
os.write(near, b'half a pass\x03')
code = run.wait(60)
print(silent, code, shows())
"#;

#[test]
fn ctrl_c_at_the_password_leaves_a_terminal_that_shows_what_is_typed() {
    let server = Server::start(&[]);
    for command in ["passwd", "create"] {
        let mut python = Command::new("python3");
        python.args(["-c", CTRL_C, env!("CARGO_BIN_EXE_fungraph"), "user", command, "ada"]);
        python.args(if command == "create" { &["--password"][..] } else { &[] });
        python.arg("--data-dir").arg(server.data());
        let output = python.output().expect("python runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(told.trim(), "True 1 True", "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!done(&server, &["user", "list"]).contains("ada"), "nothing was changed");
}

/// Whether a text is in a file below a folder, and which.
fn holder_of(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(holder_of(&entry, text));
        } else if let Ok(bytes) = fs::read(&entry)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(entry.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn secrets_are_sealed_and_their_key_is_not_made_anew() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &[]);
    let client = Client::of(&server);
    let code = json!({
        "func_name": "f", "package": "default", "runtime": "Python3.9", "handler": "index.handler", "timeout": 10,
        "memory_size": 128, "code_type": "inline", "encrypted_user_data": "{\"password\":\"TheHiddenVariable\"}",
        "func_code": { "file": "aW1wb3J0IG9zCmRlZiBoYW5kbGVyKGV2ZW50LCBjb250ZXh0KTogcmV0dXJuIGNvbnRleHQuZ2V0VXNlckRhdGEoJ3Bhc3N3b3JkJykgPT0gJ1RoZUhpZGRlbicgKyAnVmFyaWFibGUnCg==" },
    });
    client.done("POST", "", &code);
    assert_eq!(client.done("POST", "/f/invocations", &json!({})).text(), "true", "the function has it");
    assert_eq!(holder_of(&data, &client.secret_key), ["credentials.json"]);
    assert_eq!(holder_of(&data, "TheHiddenVariable"), [] as [&str; 0]);
    assert_eq!(server.stop(), Some(0));

    let file = data.join("secrets.key");
    let right = fs::read(&file).expect("the key is there");
    fs::remove_file(&file).expect("it can be removed");
    let refused = || fungraph(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &data.display().to_string()]);
    let run = refused();
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
    let path = file.canonicalize().unwrap_or_else(|_| data.canonicalize().expect("a folder").join("secrets.key"));
    let told = format!("{} is missing, the key to the secrets in the database; put the file back", path.display());
    assert!(run.err.contains(&told), "{}", run.err);
    assert!(!file.exists(), "a new one would be the end of the old secrets");
    fs::write(&file, "0".repeat(64)).expect("write");
    let run = refused();
    assert!(
        run.code == 1 && run.err.contains("is not the key that the secrets in the database were sealed with"),
        "{}",
        run.err
    );

    fs::write(&file, right).expect("write");
    let server = Server::start_on(&data, &[]);
    let client = Client::of(&server);
    assert_eq!(client.done("POST", "/f/invocations", &json!({})).text(), "true", "as before");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn env_prints_what_other_clients_read() {
    let server = Server::start(&[]);
    let (known, endpoint) = (server.credentials(), server.endpoint());
    let terraform = done(&server, &["env", "--format", "terraform"]);
    for line in [
        format!("  access_key = \"{}\"", known["access_key"].as_str().expect("a text")),
        format!("  auth_url   = \"{endpoint}/v3\""),
        format!("    fgs = \"{endpoint}/\""),
    ] {
        assert!(terraform.lines().any(|found| found == line), "{line} in {terraform}");
    }
    let clouds = done(&server, &["env", "--format", "clouds", "--user", "a\"b"]);
    assert!(
        clouds.contains("    auth_type: v3password\n") && clouds.contains("      username: \"a\\\"b\"\n"),
        "{clouds}"
    );
    let all = done(&server, &["env", "--format", "all"]);
    assert!(
        all.contains("export HUAWEICLOUD_SDK_AK=") && all.contains("auth_type: v3token") && all.contains(&terraform)
    );
    assert_eq!(operator(&server, &["env", "--user", "ada"]).code, 2);
}
