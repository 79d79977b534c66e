//! Settings: the manual is complete, and what is wrong is told with place, key and what is allowed.

use super::*;

/// Called by [`Settings::of`] in tests: the manual holds what is read, and what is read stands in the manual.
pub(super) fn every_setting_is_read(document: &Document, mut read: Vec<String>) {
    let mut known = document.names();
    known.sort();
    read.sort();
    assert_eq!(read, known);
}

fn load(text: &str) -> Result<Settings, Error> {
    let mut document = Document::defaults();
    document.overlay("fungraph.toml", text)?;
    Settings::of(&document)
}

fn check(text: &str, expected: &str) {
    let error = load(text).expect_err(text);
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn defaults_are_possible() {
    let settings = load("").expect("the defaults are good");
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:3470");
    assert_eq!(settings.pool.memory, None);
    assert_eq!(settings.sandbox.network, Network::Egress);
    assert!(!settings.sandbox.egress.required);
    assert_eq!(settings.sandbox.egress, fungraph_sandbox::Egress::new());
}

#[test]
fn a_file_changes_what_it_names() {
    let settings = load("[pool]\nidle_seconds = 5\nmemory_mb = 512\n[server]\nlisten = 'localhost:0'").expect("good");
    assert_eq!((settings.pool.idle.as_secs(), settings.pool.memory), (5, Some(512 << 20)));
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:0");
    assert_eq!(settings.pool.wait.as_secs(), 10);
}

#[test]
fn a_network_asked_for_by_name_is_required() {
    let required = |text| load(text).expect("good").sandbox.egress.required;
    assert!(required("[sandbox]\nnetwork = 'egress'"));
    assert!(!required("[sandbox]\nnetwork = 'none'"));
    assert!(!required("[sandbox]\negress_allow = ['10.1.0.0/16', '192.168.7.20']"));
}

#[test]
fn destinations_are_addresses_without_a_secret_in_them() {
    let text =
        "[destinations]\nsmn_endpoint = 'https://hooks.example.com/in'\ndis_server = 'nats://10.0.0.7:4222'\nhours = 2";
    let settings = load(text).expect("good").destinations;
    assert_eq!(settings.smn_endpoint.as_deref(), Some("https://hooks.example.com/in"));
    assert_eq!((settings.dis_server.as_deref(), settings.give_up.as_secs()), (Some("nats://10.0.0.7:4222"), 7200));
    for (text, expected) in [
        ("smn_endpoint = 'hooks.example.com'", "http:// or https://"),
        ("smn_endpoint = 'https://a:b@hooks.example.com'", "without a user"),
        ("smn_endpoint = 'https:///in'", "http:// or https://"),
        ("dis_server = 'http://10.0.0.7'", "nats:// or tls://"),
        ("smn_secret_file = '/k'", "destinations.smn_endpoint too"),
        ("dis_server = 'nats://n:1'\ndis_user = 'u'", "destinations.dis_password_file too"),
        ("dis_server = 'nats://n:1'\ndis_password_file = '/k'", "destinations.dis_user too"),
        ("dis_user = 'u'\ndis_password_file = '/k'", "destinations.dis_server too"),
        ("hours = 0", "1 to 720"),
        ("obs_buckets = ['results', 'a/b/c']", "PROJECT_ID/BUCKET"),
        ("obs_buckets = 'results'", "a list of texts"),
    ] {
        let error = load(&format!("[destinations]\n{text}")).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_object_store_has_a_key_and_a_secret_that_is_not_shown() {
    let text = "[obs]\nendpoint = 'http://10.0.0.7:9000'\naccess_key = 'K'\nsecret_key = 'hidden'\nlink_hosts = ['Files.example.com']";
    let mut document = Document::defaults();
    document.overlay("fungraph.toml", text).expect("good");
    let settings = Settings::of(&document).expect("good").obs;
    assert!(settings.endpoint.is_some() && matches!(settings.secret_key, Some(SecretKey::Here(_))));
    assert_eq!(settings.hosts, ["files.example.com"]);
    let shown = document.to_string();
    assert!(shown.contains("secret_key = \"******\"") && !shown.contains("hidden"), "{shown}");
    assert!(!format!("{settings:?}").contains("hidden"));
    for (text, expected) in [
        ("endpoint = 'obs.example.com'", "such as https://obs.example.com"),
        ("endpoint = 'https://obs.example.com/path'", "such as https://obs.example.com"),
        ("endpoint = 'https://a:b@obs.example.com'", "such as https://obs.example.com"),
        ("access_key = 'K'", "name the object store in obs.endpoint"),
        ("endpoint = 'https://o'\naccess_key = 'K'", "it has no secret"),
        ("endpoint = 'https://o'\nsecret_key = 's'", "it is missing"),
        ("secret_key = 's'\nsecret_key_file = '/k'", "keep one of the two"),
        ("secret_key_file = 'k'", "must be an absolute path"),
        ("link_hosts = ['https://files.example.com']", "must be a host"),
        ("link_hosts = ['*.example.com']", "must be a host"),
    ] {
        let error = load(&format!("[obs]\n{text}")).expect_err(text).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    check(
        "[pool]\n\nidle_secs = 5",
        "fungraph.toml:3: there is no setting pool.idle_secs; did you mean pool.idle_seconds?",
    );
    check("[poool]\nidle_seconds = 5", "fungraph.toml:1: there is no setting poool; did you mean [pool]?");
    check("listen = '127.0.0.1:1'", "fungraph.toml:1: there is no setting listen; it belongs below [server]");
    check("[billing]\ncolour = 'red'", "fungraph.toml:2: there is no setting billing.colour; [billing] has step_ms");
}

#[test]
fn runtimes_may_have_images() {
    let settings = load(
        "[runtimes]\nstrict = true\n\"Python3.9\".image = 'python:3.9'\n[runtimes.\"Node.js18.15\"]\nimage = 'a:1'",
    );
    let images = settings.expect("good").runtimes.images;
    let pairs: Vec<_> = images.iter().map(|image| (image.runtime.name(), image.image.as_str())).collect();
    assert_eq!(pairs.len(), 2);
    assert!(pairs.contains(&("Python3.9", "python:3.9")) && pairs.contains(&("Node.js18.15", "a:1")));
    for (text, expected) in [
        ("\"Pyton3.9\".image = 'x:1'", "there is no setting runtimes.Pyton3.9; did you mean Python3.9?"),
        ("\"Python3.9\".picture = 'x:1'", "there is no setting runtimes.Python3.9.picture; a runtime has image"),
        (
            "\"Python3.9\" = 'x:1'",
            "runtimes.Python3.9 = \"x:1\" is not possible: it is a table; write runtimes.\"Python3.9\".image = \
             \"registry/repository:tag\"",
        ),
        ("\"Python3.9\".image = 7", "runtimes.Python3.9.image = 7 is not possible: '' is no name of an image"),
        (
            "Custom.image = 'x:1'",
            "runtimes.Custom.image = \"x:1\" is not possible: functions of Custom have no interpreter that an image could bring; it \
             must be a runtime of Python, Node.js, PHP or Java",
        ),
    ] {
        let error = load(&format!("[runtimes]\n{text}")).expect_err(text).to_string();
        assert!(error.starts_with(&format!("fungraph.toml:2: {expected}")), "{error}");
    }
}

#[test]
fn impossible_values_are_refused_with_what_is_possible() {
    for (text, expected) in [
        (
            "[pool]\nidle_seconds = 0",
            "pool.idle_seconds = 0 is not possible: it must be a whole number from 1 to 86400",
        ),
        (
            "[pool]\nidle_seconds = -9",
            "pool.idle_seconds = -9 is not possible: it must be a whole number from 1 to 86400",
        ),
        ("[pool]\nidle_seconds = '5'", "pool.idle_seconds = \"5\" is not possible: it must be a whole number"),
        ("[server]\nauth = 'off'", "server.auth = \"off\" is not possible: it must be true or false"),
        ("[billing]\nstep_ms = 10", "billing.step_ms = 10 is not possible: it must be 100 or 1"),
        (
            "[runtimes]\nsearch = ['tools']",
            "runtimes.search = [\"tools\"] is not possible: \"tools\" must be an absolute path",
        ),
        (
            "[sandbox]\nnetwork = 'open'",
            "sandbox.network = \"open\" is not possible: it must be \"egress\", \"none\" or \"host\"",
        ),
        (
            "[sandbox]\negress_allow = ['10.1.0.0/8']",
            "sandbox.egress_allow = [\"10.1.0.0/8\"] is not possible: \"10.1.0.0/8\" does not start its range; did you \
             mean \"10.0.0.0/8\"?",
        ),
        (
            "[sandbox]\negress_allow = ['127.0.0.1']",
            "sandbox.egress_allow = [\"127.0.0.1\"] is not possible: 127.0.0.1/32 cannot be opened: 127.0.0.0/8 is \
             never reached from a function",
        ),
        (
            "[sandbox]\negress_subnet = '10.0.0.0/8'",
            "sandbox.egress_subnet = \"10.0.0.0/8\" is not possible: 10.0.0.0/8 must have a length from 16 to 20: \
             sandboxes and their links share it",
        ),
        (
            "[sandbox]\nengine = 'runsc'",
            "sandbox.engine = \"runsc\" is not possible: gVisor does not see what is mounted into a running sandbox, and \
             that is how a function's code gets there; use \"embedded\", \"crun\" or \"runc\"",
        ),
        (
            "[sandbox]\nengine = 'kata'",
            "sandbox.engine = \"kata\" is not possible: Kata Containers has had no OCI command line since version 2, so \
             it cannot be driven; use \"embedded\", \"crun\" or \"runc\"",
        ),
        (
            "[sandbox]\nengine = 'docker'",
            "sandbox.engine = \"docker\" is not possible: it must be \"embedded\", \"crun\" or \"runc\"",
        ),
        (
            "[sandbox]\naccept_missing = ['seccomp']",
            "sandbox.accept_missing = [\"seccomp\"] is not possible: no process can be started without the wall seccomp; \
             only memory, swap, cpu, pids, tmp-limit may be missing",
        ),
        (
            "[log]\nfilter = 'loud=very'",
            "log.filter = \"loud=very\" is not possible: it must be error, warn, info, debug, trace, or directives such \
             as \"info,fungraph_pool=debug\"",
        ),
        (
            "[server]\nlisten = '3470'",
            "server.listen = \"3470\" is not possible: it must be an address and a port, such as 127.0.0.1:3470, \
             0.0.0.0:3470 or [::1]:0",
        ),
    ] {
        check(text, &format!("fungraph.toml:2: {expected}"));
    }
}

#[test]
fn no_signatures_beyond_loopback() {
    let text = "[server]\nlisten = '0.0.0.0:80'\nauth = false";
    let error = load(text).expect_err(text).to_string();
    assert!(error.starts_with("fungraph.toml:3: server.auth = false is not possible: without signatures"), "{error}");
    assert!(load("[server]\nlisten = '[::1]:80'\nauth = false").is_ok());
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let error = load("[pool]\nidle_seconds = ").expect_err("broken").to_string();
    assert!(error.starts_with("fungraph.toml:2: not valid TOML: "), "{error}");
}

#[test]
fn the_printed_settings_read_back_the_same() {
    let mut document = Document::defaults();
    document
        .overlay("a.toml", "[runtimes]\nstrict = true\nsearch = ['/opt/x']\n'PHP8.3'.image = 'php:8'")
        .expect("good");
    let printed = document.to_string();
    let mut again = Document::defaults();
    again.overlay("b.toml", &printed).expect("what is printed can be read");
    assert_eq!(again.to_string(), printed);
}

#[test]
fn mounts_are_named_by_the_operator() {
    let text = "[mounts.\"data\"]\npath = \"/srv/data\"\nmode = \"rw\"\nprojects = [\"0123456789abcdef0123456789abcdef\"]\n[mounts.fixed]\npath = \"/srv/fixed\"";
    let settings = load(text).expect("good");
    let found: Vec<_> = settings.mounts.iter().map(|mount| (mount.name.as_str(), mount.read_only)).collect();
    assert_eq!(found, [("data", false), ("fixed", true)]);
    assert_eq!(settings.mounts[0].projects.as_ref().map(Vec::len), Some(1));
    assert_eq!(settings.mounts[1].projects, None);
    let mut document = Document::defaults();
    document.overlay("a.toml", text).expect("good");
    let mut again = Document::defaults();
    again.overlay("b.toml", &document.to_string()).expect("what is printed can be read");
    assert_eq!(again.to_string(), document.to_string());
}

#[test]
fn impossible_mounts_are_refused_with_what_is_possible() {
    for (text, expected) in [
        (
            "[mounts]\ndata = '/srv'",
            "fungraph.toml:2: mounts.data = \"/srv\" is not possible: it is a table; write it as [mounts.\"data\"]",
        ),
        (
            "[mounts.data]\npath = '/srv'\nmod = 'rw'",
            "fungraph.toml:1: there is no setting mounts.data.mod; did you mean mode?",
        ),
        (
            "[mounts.data]\npath = '/srv'\nowner = 5",
            "fungraph.toml:1: there is no setting mounts.data.owner; a mount has path, mode, projects",
        ),
        (
            "[mounts.data]\nmode = 'rw'",
            "fungraph.toml:1: mounts.data.path = \"\" is not possible: it must be the absolute path of a folder",
        ),
        (
            "[mounts.data]\npath = 'srv'",
            "fungraph.toml:1: mounts.data.path = \"srv\" is not possible: it must be the absolute path of a folder",
        ),
        (
            "[mounts.data]\npath = '/'",
            "fungraph.toml:1: mounts.data.path = \"/\" is not possible: all of the host cannot be given away; name a folder",
        ),
        (
            "[mounts.data]\npath = '/srv'\nmode = 'w'",
            "fungraph.toml:1: mounts.data.mode = \"w\" is not possible: it must be \"ro\" or \"rw\"",
        ),
        (
            "[mounts.data]\npath = '/srv'\nprojects = []",
            "fungraph.toml:1: mounts.data.projects = [] is not possible: name the projects that may have it, or leave it out for all",
        ),
        (
            "[mounts.data]\npath = '/srv'\nprojects = ['me']",
            "fungraph.toml:1: mounts.data.projects = [\"me\"] is not possible: \"me\" is no project id, which is 32 of 0-9 and a-f",
        ),
        (
            "[mounts.'a/b']\npath = '/srv'",
            "fungraph.toml:1: mounts.a/b = \"a/b\" is not possible: a name has 1 to 64 letters, digits, '.', '_' and '-', of which the first is a letter or digit",
        ),
    ] {
        check(text, expected);
    }
}
