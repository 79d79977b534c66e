//! Clients of a server: `invoke NAME`, `logs`, `env`, with the credentials of its data folder.

use crate::harness::{Server, fungraph, fungraph_with, open_folder};

const HELLO: &str =
    "def handler(event, context):\n    print('greeting', event.get('name'))\n    return {'hello': event.get('name')}\n";

#[test]
fn a_function_is_called_by_its_name_with_a_signature() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &["--auth", "off"]);
    server.create("hello", "Python3.9", HELLO);
    assert_eq!(server.stop(), Some(0));

    let server = Server::start_on(&data, &[]);
    let data = data.display().to_string();
    let run = fungraph(&["invoke", "hello", "--data", r#"{"name": "Ada"}"#, "--data-dir", &data]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "{\"hello\": \"Ada\"}\n", ""));
    let run = fungraph(&["invoke", "hello", "--tail", "--data-dir", &data]);
    assert!(run.err.contains("greeting None") && run.err.contains(" of 128 MB"), "{}", run.err);

    let run = fungraph(&["invoke", "nobody", "--data-dir", &data]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(
        run.err.starts_with("fungraph: the server refused the call: ") && run.err.ends_with("(404 FSS.0404)\n"),
        "{}",
        run.err
    );

    let run = fungraph_with(&["invoke", "hello"], |command| {
        command
            .env("FUNGRAPH_ENDPOINT", server.endpoint())
            .env("HUAWEICLOUD_SDK_AK", "wrong")
            .env("HUAWEICLOUD_SDK_SK", "wrong");
        command.env("HUAWEICLOUD_SDK_PROJECT_ID", server.project());
    });
    assert!(run.err.ends_with("(401 APIGW.0301)\n"), "{}", run.err);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn logs_are_read_without_a_server() {
    let home = open_folder();
    let data = home.path().join("data");
    let server = Server::start_on(&data, &["--auth", "off"]);
    server.create("hello", "Python3.9", HELLO);
    let mut requests = Vec::new();
    for name in ["Ada", "Bob"] {
        let answer = server.request("POST", &server.invocations("hello"), &[], &format!("{{\"name\": \"{name}\"}}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        requests.push(answer.header("x-cff-request-id").expect("every answer has one").to_owned());
    }
    assert_eq!(server.stop(), Some(0));
    let data = data.display().to_string();

    let all = fungraph(&["logs", "hello", "--data-dir", &data]);
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    assert!(all.out.contains("greeting Ada") && all.out.contains("greeting Bob"), "{}", all.out);
    let last = fungraph(&["logs", "hello", "--last", "1", "--data-dir", &data]).out;
    assert!(!last.contains("greeting Ada") && last.contains("greeting Bob"), "{last}");
    let one = fungraph(&["logs", "default:hello", "--request", &requests[0], "--data-dir", &data]).out;
    assert!(one.contains("greeting Ada") && !one.contains("greeting Bob") && one.contains(&requests[0]), "{one}");

    let none = fungraph(&["logs", "nobody", "--data-dir", &data]);
    none.fails(1, &format!("fungraph: {data} holds no logs of default:nobody; call it first, or check the name\n"));
    let bad = fungraph(&["logs", "hello", "--request", "x", "--data-dir", &data]);
    bad.fails(2, "fungraph: --request \"x\" is no request id; it looks like 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10\n");
}

#[test]
fn variables_for_an_sdk() {
    let server = Server::start(&[]);
    let run = fungraph(&["env", "--data-dir", &server.data().display().to_string()]);
    let known = server.credentials();
    let text = |name: &str| known[name].as_str().expect("a text").to_owned();
    let expected = format!(
        "export FUNGRAPH_ENDPOINT='{0}'\nexport FUNGRAPH_REGION='local'\nexport HUAWEICLOUD_SDK_AK='{1}'\nexport HUAWEICLOUD_SDK_SK='{2}'\n\
         export HUAWEICLOUD_SDK_PROJECT_ID='{3}'\nexport HUAWEICLOUD_SDK_DOMAIN_ID='{4}'\n\
         export HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_LOCAL='{0}'\nexport HUAWEICLOUD_SDK_IAM_ENDPOINT='{0}'\n\
         export HUAWEICLOUD_SDK_STS_ENDPOINT='{0}'\n",
        server.endpoint(),
        text("access_key"),
        text("secret_key"),
        text("project_id"),
        text("domain_id")
    );
    assert_eq!((run.code, run.out), (0, expected));
}

#[test]
fn without_a_server_the_client_says_what_to_do() {
    let home = tempfile::tempdir().expect("a folder");
    let data = home.path().display().to_string();
    fungraph(&["invoke", "hello", "--data-dir", &data]).fails(
        2,
        &format!(
            "fungraph: no server was found: there is no credentials.json in {data}. Start one with `fungraph serve`, name \
             its data folder with --data-dir, or set FUNGRAPH_ENDPOINT, HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SK and \
             HUAWEICLOUD_SDK_PROJECT_ID\n"
        ),
    );
    let run = fungraph_with(&["invoke", "hello"], |command| {
        command.env("FUNGRAPH_ENDPOINT", "https://functiongraph.example.com").env("HUAWEICLOUD_SDK_AK", "a");
        command.env("HUAWEICLOUD_SDK_SK", "b").env("HUAWEICLOUD_SDK_PROJECT_ID", "c");
    });
    run.fails(
        2,
        "fungraph: https://functiongraph.example.com: this client speaks plain HTTP only for now, so it reaches servers of \
         your own and not the cloud\n",
    );
}

#[test]
fn flags_for_folders_are_refused_with_a_name() {
    fungraph(&["invoke", "hello", "--memory", "256"]).fails(
        2,
        "fungraph: --memory is for folders, and \"hello\" is the name of a function on a server; to run the folder of that \
         name, write ./hello\n",
    );
}
