//! What is particular to SQLite: the file, its schema, its plans.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fungraph_model::limits::LATEST;
use fungraph_model::{
    DomainId, FunctionVersion, Metric, ProjectId, Qualifier, Reservation, Role, Secret, TracingKeys, Trigger,
    TriggerId, TriggerKind, sample,
};
use jiff::Timestamp;
use sqlx::Row;
use tempfile::TempDir;

use super::{FILE, MIGRATIONS, Sqlite};
use crate::{Config, Error, FunctionQuery, RankQuery, TalliesOf, TallyQuery, TriggerQuery, TriggersOf};

async fn open(folder: &Path) -> Result<Sqlite, Error> {
    Sqlite::open(&Config { folder: folder.to_owned(), readers: 2 }).await
}

async fn fresh() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite = open(folder.path()).await.expect("opens");
    found(&sqlite).await;
    (folder, sqlite)
}

/// The owner of all samples.
async fn found(sqlite: &Sqlite) {
    execute(sqlite, "INSERT INTO domains (id) VALUES ('d')").await;
    execute(sqlite, "INSERT INTO projects (id, domain) VALUES ('p', 'd')").await;
}

async fn execute(sqlite: &Sqlite, statement: &'static str) {
    sqlx::query(statement).execute(&sqlite.writer).await.expect(statement);
}

fn function(name: &str, description: String) -> FunctionVersion {
    let mut function = sample::function(name);
    function.spec.description = description;
    function
}

#[tokio::test]
async fn the_database_is_private() {
    let (folder, sqlite) = fresh().await;
    sqlite.create_function(&function("f", String::new())).await.expect("creates");
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
        files += 1;
    }
    assert_eq!(files, 4, "database, log, index of the log, and the key");
    sqlite.close().await;
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2, "closing leaves database and key");
}

#[tokio::test]
async fn writes_are_synced_and_keys_checked() {
    let (_folder, sqlite) = fresh().await;
    let pragma = async |pool: &sqlx::SqlitePool, pragma: &'static str| -> i64 {
        sqlx::query_scalar(pragma).fetch_one(pool).await.expect(pragma)
    };
    assert_eq!(pragma(&sqlite.writer, "PRAGMA synchronous").await, 2, "FULL");
    assert_eq!(pragma(&sqlite.writer, "PRAGMA foreign_keys").await, 1);
    assert_eq!(pragma(&sqlite.readers, "PRAGMA query_only").await, 1);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&sqlite.writer).await.expect("mode");
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_newer_database_is_refused_with_a_text() {
    let (folder, sqlite) = fresh().await;
    execute(
        &sqlite,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', 1, x'00', 0)",
    )
    .await;
    sqlite.close().await;
    let error = open(folder.path()).await.expect_err("must be refused");
    assert!(matches!(error, Error::NewerSchema { found: 999, .. }), "{error:?}");
    assert!(error.to_string().contains("start the version that made it"), "{error}");
}

/// From schema 6 back to what was before it, with secrets in the open.
const UNDO_IDENTITY: [&str; 15] = [
    "DROP TABLE timers_looked",
    "DROP TABLE seal",
    "DROP TABLE revoked_tokens",
    "DROP TABLE access_keys",
    "DROP TABLE grants",
    "DROP TABLE users",
    "DROP INDEX projects_by_name",
    "ALTER TABLE projects DROP COLUMN name",
    "ALTER TABLE projects DROP COLUMN created",
    "ALTER TABLE domains DROP COLUMN name",
    "CREATE TABLE access_keys (access TEXT NOT NULL PRIMARY KEY, secret TEXT NOT NULL,
         domain TEXT NOT NULL REFERENCES domains (id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE access_key_projects (access TEXT NOT NULL REFERENCES access_keys (access) ON DELETE CASCADE,
         position INTEGER NOT NULL, project TEXT NOT NULL REFERENCES projects (id), PRIMARY KEY (access, position))
         STRICT, WITHOUT ROWID",
    "INSERT INTO access_keys SELECT 'AK1', 'SecretOfBefore', id FROM domains",
    "INSERT INTO access_key_projects SELECT 'AK1', 0, id FROM projects",
    "UPDATE function_versions SET encrypted_user_data = '{\"s\":\"VariableOfBefore\"}'",
];

#[tokio::test]
async fn a_database_from_before_users_gets_an_administrator_and_its_secrets_are_sealed() {
    let (folder, sqlite) = fresh().await;
    let old = function("f", String::new());
    sqlite.create_function(&old).await.expect("creates");
    for statement in UNDO_IDENTITY {
        execute(&sqlite, statement).await;
    }
    execute(&sqlite, "DELETE FROM _sqlx_migrations WHERE version IN (6, 13)").await;
    sqlite.close().await;
    std::fs::remove_file(folder.path().join("secrets.key")).expect("there was none before");

    for start in ["the first", "the next"] {
        let sqlite = open(folder.path()).await.expect("is brought up to date");
        let register = sqlite.register().await.expect("reads");
        let [user] = register.users.as_slice() else { panic!("{start}: {:?}", register.users) };
        let [key] = register.keys.as_slice() else { panic!("{start}: {:?}", register.keys) };
        assert_eq!((key.access.as_str(), key.secret.reveal(), key.enabled), ("AK1", "SecretOfBefore", true), "{start}");
        assert_eq!((&key.user, &user.domain, user.name.as_str()), (&user.id, &old.domain, "administrator"), "{start}");
        let [grant] = register.grants.as_slice() else { panic!("{start}: {:?}", register.grants) };
        assert_eq!((&grant.user, &grant.project, grant.role), (&user.id, &None, Role::Admin), "{start}");
        assert_eq!(register.projects[0].name, None, "{start}: it goes by the region");
        let found = sqlite.version(&old.key, LATEST).await.expect("reads").expect("is there");
        assert_eq!(found.spec.encrypted_user_data["s"].reveal(), "VariableOfBefore", "{start}");
        let bytes = [FILE, "fungraph.db-wal"].map(|file| std::fs::read(folder.path().join(file)).expect("reads"));
        let bytes = String::from_utf8_lossy(&bytes.concat()).into_owned();
        assert!(bytes.contains("index.handler"), "{start}: what is no secret can be found");
        assert!(!bytes.contains("OfBefore"), "{start}: a secret is in the files");
        sqlite.close().await;
    }
}

#[tokio::test]
async fn a_server_that_died_before_it_cleared_open_secrets_clears_them_at_the_next_start() {
    let (folder, sqlite) = fresh().await;
    // As it lies there when secrets were sealed, and nothing was cleared.
    execute(&sqlite, "PRAGMA secure_delete = OFF").await;
    execute(&sqlite, "CREATE TABLE before (secret TEXT)").await;
    for _ in 0..200 {
        execute(&sqlite, "INSERT INTO before VALUES (printf('SecretOfBefore%.400c', 'x'))").await;
    }
    execute(&sqlite, "DROP TABLE before").await;
    execute(&sqlite, "UPDATE seal SET vacuum_owed = 1").await;
    sqlite.close().await;
    let holds_secret = || {
        let bytes = std::fs::read(folder.path().join(FILE)).expect("reads");
        String::from_utf8_lossy(&bytes).contains("SecretOfBefore")
    };
    assert!(holds_secret(), "else this proves nothing");
    let sqlite = open(folder.path()).await.expect("opens");
    let owed: i64 = sqlx::query_scalar("SELECT vacuum_owed FROM seal").fetch_one(&sqlite.writer).await.expect("reads");
    sqlite.close().await;
    assert_eq!((owed, holds_secret()), (0, false));
}

#[tokio::test]
async fn without_its_key_a_database_is_refused_and_no_new_key_is_made() {
    let (folder, sqlite) = fresh().await;
    sqlite.close().await;
    let key = folder.path().join("secrets.key");
    let right = std::fs::read(&key).expect("is there");
    std::fs::remove_file(&key).expect("removes");
    let error = open(folder.path()).await.expect_err("must be refused");
    assert!(matches!(error, Error::KeyLost { .. }) && error.to_string().contains("put the file back"), "{error}");
    assert!(!key.exists(), "a new key would make the loss final");
    std::fs::write(&key, "0".repeat(64)).expect("writes");
    let error = open(folder.path()).await.expect_err("must be refused");
    assert!(matches!(error, Error::KeyDiffers { .. }), "{error}");
    std::fs::write(&key, "a word").expect("writes");
    let error = open(folder.path()).await.expect_err("must be refused");
    assert!(matches!(error, Error::KeyFile { .. }), "{error}");
    std::fs::write(&key, right).expect("writes");
    open(folder.path()).await.expect("is the right one again").close().await;
}

#[tokio::test]
async fn sealed_secrets_cannot_be_moved_to_another_row() {
    let (_folder, sqlite) = fresh().await;
    let (one, two) = (function("one", String::new()), function("two", String::new()));
    for function in [&one, &two] {
        sqlite.create_function(function).await.expect("creates");
    }
    execute(
        &sqlite,
        "UPDATE function_versions SET encrypted_user_data = (SELECT encrypted_user_data FROM function_versions
         WHERE function = (SELECT id FROM functions WHERE name = 'one'))",
    )
    .await;
    assert!(sqlite.version(&one.key, LATEST).await.is_ok());
    let moved = sqlite.version(&two.key, LATEST).await;
    assert!(matches!(moved, Err(Error::BadRow { column: "encrypted_user_data", .. })), "{moved:?}");
    execute(&sqlite, "UPDATE function_versions SET encrypted_user_data = '{\"s\":\"in the open\"}'").await;
    assert!(sqlite.version(&one.key, LATEST).await.is_err(), "what is not sealed is not taken");
}

#[tokio::test]
async fn functions_of_a_database_from_before_dependencies_have_none() {
    let (folder, sqlite) = fresh().await;
    let old = function("f", "from before".to_owned());
    sqlite.create_function(&old).await.expect("creates");
    // Back to schema 2: a migration that is added later is undone here too.
    for statement in UNDO_IDENTITY {
        execute(&sqlite, statement).await;
    }
    for statement in [
        "DROP TABLE project_months",
        "DROP TABLE project_tallies",
        "DROP TABLE function_tallies",
        "DROP TABLE function_failures",
        "DROP TABLE reservations",
        "CREATE TABLE reservations (function INTEGER NOT NULL REFERENCES functions (id) ON DELETE CASCADE, qualifier TEXT NOT NULL,
             count INTEGER NOT NULL, idle_mode INTEGER NOT NULL, tactics TEXT NOT NULL, PRIMARY KEY (function, qualifier))
             STRICT, WITHOUT ROWID",
        "INSERT INTO reservations SELECT id, 'latest', 2, 0, '{}' FROM functions",
        "DROP TABLE aliases",
        "DROP INDEX function_versions_in_order",
        "ALTER TABLE function_versions DROP COLUMN remark",
        "ALTER TABLE function_versions DROP COLUMN number",
        "DROP TABLE triggers",
        "DROP INDEX functions_of_project",
        "DROP INDEX functions_of_package",
        "ALTER TABLE functions DROP COLUMN place",
        "CREATE INDEX functions_of_project ON functions (project, id, name)",
        "CREATE INDEX functions_of_package ON functions (project, package, id, name)",
        "DROP TABLE log_groups",
        "DROP TABLE vpc_endpoints",
        "DROP TABLE tracing_keys",
        "DROP TABLE async_configs",
        "DROP TABLE function_tags",
        "DROP TABLE test_events",
        "DROP TABLE function_dependencies",
        "DROP TABLE dependency_versions",
        "DROP TABLE dependencies",
        "ALTER TABLE function_versions DROP COLUMN mounts",
        "ALTER TABLE function_versions DROP COLUMN image",
        "ALTER TABLE function_versions DROP COLUMN merged_digest",
        "DELETE FROM _sqlx_migrations WHERE version >= 3",
    ] {
        execute(&sqlite, statement).await;
    }
    sqlite.close().await;
    let sqlite = open(folder.path()).await.expect("is brought up to date");
    let found = sqlite.version(&old.key, LATEST).await.expect("reads").expect("is there");
    assert_eq!((found.spec.description.as_str(), found.merged.is_none()), ("from before", true));
    assert!(found.dependencies.is_empty());
    let reserved = sqlite.reservation(&old.key, &Qualifier::Latest).await.expect("reads").expect("is there");
    assert_eq!(reserved, Reservation { count: 2, ..Reservation::default() });
    sqlite.update_function(&FunctionVersion { revision: 2, ..found }, 1).await.expect("updates");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(FILE), "hello, I am a text of more than a few bytes".repeat(50)).expect("writes");
    assert!(matches!(open(folder.path()).await, Err(Error::Open { .. })));
    assert!(std::fs::read_to_string(folder.path().join(FILE)).expect("reads").starts_with("hello"));
    assert!(matches!(open(&folder.path().join("absent")).await, Err(Error::Open { .. })));
}

#[tokio::test]
async fn relative_folders_work() {
    let here = std::env::current_dir().expect("a working folder");
    let folder = tempfile::tempdir_in(&here).expect("a temporary folder");
    let relative = PathBuf::from(folder.path().file_name().expect("a name"));
    let sqlite = open(&relative).await.expect("opens");
    found(&sqlite).await;
    sqlite.create_function(&function("f", String::new())).await.expect("creates");
    sqlite.close().await;
    assert!(folder.path().join(FILE).is_file());
}

#[tokio::test]
async fn values_of_a_foreign_hand_are_errors_that_say_so() {
    let (_folder, sqlite) = fresh().await;
    let function = function("f", String::new());
    sqlite.create_function(&function).await.expect("creates");
    execute(&sqlite, "UPDATE function_versions SET user_data = '{\"secret\":1'").await;
    let error = sqlite.version(&function.key, LATEST).await.expect_err("must be refused").to_string();
    assert!(error.contains("user_data") && !error.contains("secret"), "{error}");
    execute(&sqlite, "UPDATE function_versions SET user_data = '{}', runtime = 'Rust9'").await;
    let error = sqlite.version(&function.key, LATEST).await.expect_err("must be refused");
    assert!(matches!(&error, Error::UnknownRuntime { runtime, .. } if runtime == "Rust9"), "{error:?}");
    execute(&sqlite, "UPDATE function_versions SET runtime = 'http', timeout_s = -1").await;
    assert!(matches!(sqlite.version(&function.key, LATEST).await, Err(Error::BadRow { column: "timeout_s", .. })));
}

#[tokio::test]
async fn one_reservation_of_a_foreign_hand_leaves_the_others() {
    let (_folder, sqlite) = fresh().await;
    let names = ["a", "b", "c"];
    let keys = names.map(|name| function(name, String::new()).key);
    let plain = Reservation { count: 1, ..Reservation::default() };
    for (name, key) in names.iter().zip(&keys) {
        sqlite.create_function(&function(name, String::new())).await.expect("creates");
        sqlite.reserve(key, &Qualifier::Latest, Some(&plain)).await.expect("stores");
    }
    execute(
        &sqlite,
        "UPDATE reservations SET tactics = '{\"cron_configs\":[{}]}' WHERE function = (SELECT id FROM functions WHERE name = 'b')",
    )
    .await;
    let all = sqlite.reservations().await.expect("lists");
    assert_eq!(all.reserved.iter().map(|reserved| &reserved.key).collect::<Vec<_>>(), [&keys[0], &keys[2]]);
    let [(key, Qualifier::Latest, Error::BadRow { column: "tactics", .. })] = all.unreadable.as_slice() else {
        panic!("{:?}", all.unreadable);
    };
    assert_eq!(*key, keys[1]);
    assert!(sqlite.reservation(&keys[1], &Qualifier::Latest).await.is_err(), "it is not taken for none");
    sqlite.reserve(&keys[1], &Qualifier::Latest, Some(&plain)).await.expect("mends");
    let all = sqlite.reservations().await.expect("lists");
    assert_eq!((all.reserved.len(), all.unreadable.len()), (3, 0));
}

#[tokio::test]
async fn secrets_of_triggers_are_sealed_and_bound_to_their_row() {
    let (_folder, sqlite) = fresh().await;
    let key = function("f", String::new()).key;
    sqlite.create_function(&function("f", String::new())).await.expect("creates");
    let now = Timestamp::UNIX_EPOCH;
    let trigger = |id: &str, password: &str| Trigger {
        id: TriggerId(id.to_owned()),
        key: key.clone(),
        domain: DomainId("d".to_owned()),
        qualifier: Qualifier::Latest,
        kind: TriggerKind::Dds,
        enabled: false,
        data: "{}".to_owned(),
        secrets: [("db_password".to_owned(), Secret::new(password.to_owned()))].into(),
        created: now,
        updated: now,
        counts_from: now,
    };
    for (id, password) in [("a", "first"), ("b", "second")] {
        sqlite.add_trigger(&trigger(id, password)).await.expect("stores");
    }
    let texts: Vec<String> =
        sqlx::query_scalar("SELECT secrets FROM triggers").fetch_all(&sqlite.readers).await.expect("reads");
    assert!(texts.iter().all(|text| text.starts_with("box1:")), "{texts:?}");
    execute(&sqlite, "UPDATE triggers SET secrets = (SELECT secrets FROM triggers WHERE trigger_id = 'a')").await;
    let query = TriggerQuery { of: TriggersOf::All, kind: None, after: 0, limit: None };
    let page = sqlite.triggers(&query).await.expect("lists");
    assert_eq!(page.triggers, [trigger("a", "first")]);
    let [(id, Error::BadRow { column: "secrets", .. })] = page.unreadable.as_slice() else {
        panic!("{:?}", page.unreadable);
    };
    assert_eq!(id.0, "b");
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_leaves_nothing() {
    let (_folder, sqlite) = fresh().await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&sqlite.writer).await.expect("pages");
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    sqlx::query(limit).execute(&sqlite.writer).await.expect("limits");
    let large = function("large", "x".repeat(100_000));
    assert!(matches!(sqlite.create_function(&large).await, Err(Error::DiskFull { .. })));
    assert!(sqlite.version(&large.key, LATEST).await.expect("reads").is_none());
    let small = function("small", String::new());
    sqlite.create_function(&small).await.expect("small things still fit");
    assert_eq!(sqlite.usage(&small.key.project).await.expect("counts").functions, 1);
}

async fn explain(sqlite: &Sqlite, statement: String, parameters: usize) -> String {
    let mut query = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
    for _ in 0..parameters {
        query = query.bind("0");
    }
    let rows = query.fetch_all(&sqlite.writer).await.expect("a plan");
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// Lists and look-ups of 100,000 functions must not read the tables from end to end.
#[tokio::test]
async fn every_query_uses_an_index() {
    let (_folder, sqlite) = fresh().await;
    let explain = async |statement, parameters| explain(&sqlite, statement, parameters).await;
    let check = |plan: &str, index: &str| {
        assert!(plan.contains(index), "{index} is not used:\n{plan}");
        let scans: Vec<_> = plan.lines().filter(|line| line.contains("SCAN") && !line.contains("page")).collect();
        assert!(scans.is_empty() && !plan.contains("TEMP B-TREE"), "{plan}");
    };
    check(&explain(super::functions::SHOW.to_owned(), 4).await, "sqlite_autoindex_functions");
    check(&explain(super::aliases::SHOW.to_owned(), 4).await, "sqlite_autoindex_aliases");
    for (package, name_part, index) in [
        (None, None, "COVERING INDEX functions_of_project"),
        (None, Some("x"), "COVERING INDEX functions_of_project"),
        (Some("x"), None, "COVERING INDEX functions_of_package"),
        (Some("x"), Some("x"), "COVERING INDEX functions_of_package"),
    ] {
        let (package, name_part) = (package.map(str::to_owned), name_part.map(str::to_owned));
        let query =
            FunctionQuery { project: ProjectId("p".into()), package, name_part, marker: 0, limit: 1, failures_from: 0 };
        let near = |total| super::functions::Near::of(&FunctionQuery { marker: 5, ..query.clone() }, total);
        let page = |total| super::functions::page_query(&query, near(total));
        for statement in [page(100), page(7), super::functions::total_query(&query)] {
            let sql = statement.sql().as_str().to_owned();
            let parameters = sql.matches('?').count();
            check(&explain(sql, parameters).await, index);
        }
        let plan = explain(page(7).sql().as_str().to_owned(), 6).await;
        assert!(plan.contains("SEARCH function_failures USING PRIMARY KEY (function=? AND hour>?)"), "{plan}");
    }
    for (dependency, index) in [(None, "dependencies"), (Some("x".to_owned()), "sqlite_autoindex_dependencies_1")] {
        let query = crate::DependencyQuery {
            project: ProjectId("p".into()),
            dependency,
            name: None,
            runtime: None,
            marker: 0,
            limit: 1,
        };
        for statement in [super::dependencies::page_query(&query), super::dependencies::total_query(&query)] {
            let sql = statement.sql().as_str().to_owned();
            let parameters = sql.matches('?').count();
            let plan = explain(sql, parameters).await;
            assert!(plan.contains(index) && !plan.contains("SCAN"), "{plan}");
        }
    }
    for of in [TriggersOf::Function(sample::function("f").key), TriggersOf::Project(ProjectId("p".into()))] {
        let query = TriggerQuery { of, kind: None, after: 0, limit: None };
        let sql = super::triggers::list_query(&query).sql().as_str().to_owned();
        let parameters = sql.matches('?').count();
        let plan = explain(sql, parameters).await;
        assert!(plan.contains("triggers_of_function") && !plan.contains("SCAN"), "{plan}");
    }
    check(&explain("DELETE FROM revoked_tokens WHERE expires < ?".to_owned(), 1).await, "revoked_tokens_by_end");
    let digests = explain("SELECT DISTINCT code_digest FROM function_versions".to_owned(), 0).await;
    assert!(digests.contains("COVERING INDEX function_versions_by_digest"), "{digests}");
}

#[tokio::test]
async fn every_query_of_statistics_uses_an_index() {
    let (_folder, sqlite) = fresh().await;
    let explain = async |statement, parameters| explain(&sqlite, statement, parameters).await;
    let key = sample::function("f").key;
    for (of, index) in [
        (
            TalliesOf::Function(key.clone(), None),
            "SEARCH function_tallies USING PRIMARY KEY (function=? AND minute>? AND minute<?)",
        ),
        (
            TalliesOf::Function(key.clone(), Some(Qualifier::Latest)),
            "SEARCH function_tallies USING PRIMARY KEY (function=? AND minute>? AND minute<?)",
        ),
        (
            TalliesOf::Project(key.project.clone()),
            "SEARCH project_tallies USING PRIMARY KEY (project=? AND minute>? AND minute<?)",
        ),
    ] {
        let query = TallyQuery { of, from: 0, to: 1, step: 1 };
        let sql = super::tallies::tally_query(&query).sql().as_str().to_owned();
        let parameters = sql.matches('?').count();
        let plan = explain(sql, parameters).await;
        assert!(plan.contains(index), "{plan}");
    }
    let query = RankQuery { project: key.project, metric: Metric::Calls, from: 0, to: 1, limit: 1 };
    let sql = super::tallies::rank_query(&query).sql().as_str().to_owned();
    let parameters = sql.matches('?').count();
    let plan = explain(sql, parameters).await;
    assert!(
        plan.contains("SEARCH f USING") && plan.contains("SEARCH t USING PRIMARY KEY (function=? AND minute>?"),
        "{plan}"
    );
    for table in &super::tallies::TABLES {
        for (statement, parameters) in [(table.beyond, 1), (table.remove, 2)] {
            let plan = explain(statement.to_owned(), parameters).await;
            assert!(plan.contains("_by_age") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}

#[tokio::test]
async fn tracing_secrets_are_sealed_for_their_function() {
    let (_folder, sqlite) = fresh().await;
    let keys = ["a", "b"].map(|name| function(name, String::new()).key);
    for (name, key) in ["a", "b"].iter().zip(&keys) {
        sqlite.create_function(&function(name, String::new())).await.expect("creates");
        let secret = Secret::new("hidden word".to_owned());
        let tracing = TracingKeys { access: "AK".to_owned(), secret };
        sqlite.set_tracing_keys(key, Some(&tracing)).await.expect("stores");
    }
    let kept: Vec<String> =
        sqlx::query_scalar("SELECT secret FROM tracing_keys").fetch_all(&sqlite.writer).await.expect("reads");
    assert!(kept.iter().all(|sealed| !sealed.contains("hidden")) && kept[0] != kept[1], "{kept:?}");
    execute(&sqlite, "UPDATE tracing_keys SET secret = (SELECT max(secret) FROM tracing_keys)").await;
    let opened = [sqlite.tracing_keys(&keys[0]).await, sqlite.tracing_keys(&keys[1]).await];
    assert_eq!(opened.iter().filter(|opened| opened.is_ok()).count(), 1, "one was moved to another function");
}

/// A caller that stops waiting in the middle of a change must not leave it open.
#[tokio::test]
async fn an_abandoned_change_is_undone() {
    let (_folder, sqlite) = fresh().await;
    for polls in 1..40 {
        let function = function("f", String::new());
        let mut change = Box::pin(sqlite.create_function(&function));
        let mut done = false;
        for _ in 0..polls {
            tokio::select! {
                biased;
                result = &mut change => { result.expect("creates"); done = true; }
                () = tokio::task::yield_now() => {}
            }
            if done {
                break;
            }
        }
        drop(change);
        if sqlite.delete_function(&function.key).await.expect("the writer still works").is_some() {
            assert_eq!(sqlite.usage(&function.key.project).await.expect("counts"), crate::Usage::default());
        }
    }
}

#[test]
fn migrations_are_numbered_once_each() {
    let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    assert!(versions.first() == Some(&1) && versions.is_sorted_by(|one, next| one < next), "{versions:?}");
}
