//! What calls came to, and the order of what is reserved.

use fungraph_model::{Metric, MonthUsage, Ranking, Tally, TallyEntry};

use super::*;
use crate::{RankQuery, TalliesOf, TallyQuery};

const MONTH: i64 = 2026 * 12 + 10;

fn tally(calls: u64, errors: u64) -> Tally {
    Tally {
        calls,
        refused: 1,
        function_errors: errors,
        duration_us: calls * 1000,
        shortest_us: (calls > 1).then_some(500),
        longest_us: 2000 * calls,
        running: calls,
        ..Tally::default()
    }
}

fn entry(name: &str, qualifier: Qualifier, tally: Tally) -> TallyEntry {
    TallyEntry { func_id: format!("id-{name}"), project: project("p1"), qualifier, tally, mb_ms: tally.calls * 128 }
}

fn of(name: &str, qualifier: Option<Qualifier>) -> TallyQuery {
    TallyQuery { of: TalliesOf::Function(key(name), qualifier), from: 0, to: 1000, step: 1 }
}

fn version(name: &str) -> Qualifier {
    Qualifier::Version(name.to_owned())
}

fn prod() -> Qualifier {
    Qualifier::Alias("prod".to_owned())
}

async fn filled() -> (TempDir, Store) {
    let (folder, store) = fresh().await;
    for name in ["f", "g"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let first = [
        entry("f", Qualifier::Latest, tally(3, 1)),
        entry("f", version("v1"), tally(2, 0)),
        entry("f", prod(), tally(2, 0)),
        entry("g", Qualifier::Latest, tally(1, 0)),
    ];
    store.add_tallies(100, MONTH, &first).await.expect("stores");
    store.add_tallies(100, MONTH, &[entry("f", Qualifier::Latest, tally(2, 0))]).await.expect("adds");
    store.add_tallies(107, MONTH + 1, &[entry("f", Qualifier::Latest, tally(1, 1))]).await.expect("stores");
    (folder, store)
}

#[tokio::test]
async fn numbers_of_calls_add_up_by_version_alias_and_project() {
    let (folder, store) = filled().await;
    store.close().await;
    let store = open(folder.path()).await;
    let latest = store.tallies(&of("f", Some(Qualifier::Latest))).await.expect("reads");
    let at_100 = Tally {
        calls: 5,
        refused: 2,
        function_errors: 1,
        duration_us: 5000,
        shortest_us: Some(500),
        longest_us: 6000,
        running: 3,
        ..Tally::default()
    };
    assert_eq!(latest, [(100, at_100), (107, tally(1, 1))]);
    assert_eq!(store.tallies(&of("f", Some(prod()))).await.expect("reads"), [(100, tally(2, 0))]);
    assert_eq!(store.tallies(&of("f", Some(version("v2")))).await.expect("reads"), []);
    let mut both = at_100;
    both.add(&tally(2, 0));
    assert_eq!(store.tallies(&of("f", None)).await.expect("reads"), [(100, both), (107, tally(1, 1))]);
    let steps = store.tallies(&TallyQuery { step: 10, ..of("f", None) }).await.expect("reads");
    let [(100, all)] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!((all.calls, all.running, all.longest_us), (8, 5, 6000), "most at once is of one minute, not of all");
    let window = TallyQuery { from: 101, to: 107, ..of("f", None) };
    assert_eq!(store.tallies(&window).await.expect("reads"), []);
    let whole = TallyQuery { of: TalliesOf::Project(project("p1")), ..of("f", None) };
    let whole = store.tallies(&whole).await.expect("reads");
    assert_eq!(whole.iter().map(|(minute, tally)| (*minute, tally.calls)).collect::<Vec<_>>(), [(100, 8), (107, 1)]);
    assert_eq!(
        store.tallies(&TallyQuery { of: TalliesOf::Project(project("p2")), ..of("f", None) }).await.expect("reads"),
        []
    );
    let months = store.month_usage(&project("p1"), &[MONTH - 1, MONTH, MONTH + 1]).await.expect("reads");
    let usage = |calls: u64| MonthUsage { calls, mb_ms: calls * 128 };
    assert_eq!(months, [usage(0), usage(8), usage(1)]);
}

#[tokio::test]
async fn numbers_go_with_their_function_but_not_from_its_project() {
    let (_folder, store) = filled().await;
    assert!(store.delete_function(&key("f")).await.expect("deletes").is_some());
    store.add_tallies(108, MONTH, &[entry("f", Qualifier::Latest, tally(4, 0))]).await.expect("nobody's any more");
    store.create_function(&FunctionVersion { func_id: "another".to_owned(), ..function("f") }).await.expect("creates");
    assert_eq!(store.tallies(&of("f", None)).await.expect("reads"), [], "they were another function's");
    let whole = TallyQuery { of: TalliesOf::Project(project("p1")), ..of("f", None) };
    let calls: u64 = store.tallies(&whole).await.expect("reads").iter().map(|(_, tally)| tally.calls).sum();
    assert_eq!(calls, 13);
}

#[tokio::test]
async fn functions_are_ranked_and_lists_count_failures() {
    let (_folder, store) = filled().await;
    let rank = async |metric, from, limit| {
        let query = RankQuery { project: project("p1"), metric, from, to: 1000, limit };
        let Ranking { functions, total } = store.rank(&query).await.expect("ranks");
        (functions.into_iter().map(|(key, value)| (key.name, value)).collect::<Vec<_>>(), total)
    };
    let named =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>();
    assert_eq!(rank(Metric::Calls, 0, 10).await, (named(&[("f", 8), ("g", 1)]), 2));
    assert_eq!(rank(Metric::Calls, 0, 1).await, (named(&[("f", 8)]), 2));
    assert_eq!(rank(Metric::Failures, 0, 10).await, (named(&[("f", 2)]), 1));
    assert_eq!(rank(Metric::Refusals, 107, 10).await, (named(&[("f", 1)]), 1));
    assert_eq!(rank(Metric::LongestDuration, 0, 10).await, (named(&[("f", 6), ("g", 2)]), 2));
    assert_eq!(rank(Metric::Duration, 100, 10).await.0[0], ("f".to_owned(), 2), "8 ms of 4 that ran");
    store.add_tallies(120, MONTH, &[entry("f", Qualifier::Latest, tally(1, 3))]).await.expect("stores");
    for (failures_from, expected) in [(0, [5, 0]), (1, [5, 0]), (2, [3, 0]), (3, [0, 0])] {
        let page = store.functions(&FunctionQuery { failures_from, ..query() }).await.expect("lists");
        assert_eq!(page.failures, expected, "from {failures_from}");
    }
}

#[tokio::test]
async fn numbers_of_more_functions_than_a_statement_takes_are_all_stored() {
    let (_folder, store) = fresh().await;
    let names: Vec<String> = (0..2500).map(|number| format!("f{number}")).collect();
    let functions: Vec<FunctionVersion> = names.iter().map(|name| function(name)).collect();
    store.create_functions(&functions).await.expect("creates");
    let entries: Vec<TallyEntry> = names.iter().map(|name| entry(name, Qualifier::Latest, tally(2, 1))).collect();
    for _ in 0..2 {
        store.add_tallies(100, MONTH, &entries).await.expect("stores");
    }
    for name in [&names[0], &names[999], &names[1000], &names[2499]] {
        let found = store.tallies(&of(name, Some(Qualifier::Latest))).await.expect("reads");
        assert_eq!(found.iter().map(|(_, tally)| tally.calls).collect::<Vec<_>>(), [4], "{name}");
    }
    let whole = TallyQuery { of: TalliesOf::Project(project("p1")), ..of("f0", None) };
    let whole = store.tallies(&whole).await.expect("reads");
    assert_eq!(whole.iter().map(|(_, tally)| (tally.calls, tally.running)).collect::<Vec<_>>(), [(10_000, 5000)]);
    let page = store.functions(&FunctionQuery { limit: 400, ..query() }).await.expect("lists");
    assert!(page.failures.iter().all(|failures| *failures == 2), "{:?}", page.failures);
}

#[tokio::test]
async fn the_oldest_numbers_are_forgotten_first() {
    let (_folder, store) = filled().await;
    let minutes = async || {
        let found = store.tallies(&of("f", None)).await.expect("reads");
        found.into_iter().map(|(minute, _)| minute).collect::<Vec<_>>()
    };
    store.forget_tallies(100, 5).await.expect("there is room for five rows");
    assert_eq!(minutes().await, [100, 107]);
    store.forget_tallies(100, 4).await.expect("forgets");
    assert_eq!(minutes().await, [107]);
    store.forget_tallies(108, 100).await.expect("forgets");
    assert!(minutes().await.is_empty());
    let months = store.month_usage(&project("p1"), &[MONTH]).await.expect("reads");
    assert_eq!(months[0].calls, 8, "months stay");
}

#[tokio::test]
async fn a_new_reservation_comes_last_in_the_list() {
    let (_folder, store) = fresh().await;
    for name in ["f", "g"] {
        store.create_function(&function(name)).await.expect("creates");
    }
    let reserve = async |name: &str, count| {
        let reservation = Reservation { count, ..Reservation::default() };
        store.reserve(&key(name), &Qualifier::Latest, Some(&reservation)).await.expect("stores");
        let all = store.reservations().await.expect("lists").reserved;
        all.into_iter().map(|reserved| reserved.key.name).collect::<Vec<_>>()
    };
    assert_eq!(reserve("g", 1).await, ["g"]);
    assert_eq!(reserve("f", 1).await, ["g", "f"], "although its function is older");
    assert_eq!(reserve("g", 2).await, ["g", "f"], "a change moves nothing");
}
