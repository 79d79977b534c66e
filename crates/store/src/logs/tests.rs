//! Logs on a real file system: limits, torn ends, readers beside the writer.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use fungraph_model::{
    CallRecord, Ending, FunctionKey, FunctionVersion, Phase, Phases, ProjectId, RequestId, StartKind, sample,
};
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::queue::Queue;
use super::segment::{self, Records};
use super::shelf::Shelf;
use super::{LogEntry, LogFilter, LogLimits, LogRecord, Logs, find, read};

struct Place {
    folder: TempDir,
    limits: LogLimits,
    logs: Logs,
}

impl Place {
    fn new() -> Self {
        Self::with(LogLimits::default())
    }

    fn with(limits: LogLimits) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let logs = Logs::open(folder.path(), limits).expect("opens");
        Self { folder, limits, logs }
    }

    /// Ends the writer and starts another one.
    async fn restart(&mut self) {
        self.logs.close().await;
        self.logs = Logs::open(self.folder.path(), self.limits).expect("opens");
    }

    fn append(&self, name: &str, text: impl Into<Bytes>) -> RequestId {
        let entry = entry(name, text);
        let request = entry.request;
        self.logs.append(entry);
        request
    }

    fn records(&self, name: &str, filter: LogFilter) -> Vec<LogRecord> {
        read(self.folder.path(), &key(name), filter).expect("reads").map(|record| record.expect("a record")).collect()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        texts(&self.records(name, LogFilter::default()))
    }

    fn home(&self, name: &str) -> PathBuf {
        segment::folder(&segment::root(self.folder.path()), &key(name))
    }

    fn segments(&self, name: &str) -> Vec<u32> {
        segment::numbers(&self.home(name)).expect("lists")
    }
}

fn texts(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.text).into_owned()).collect()
}

fn key(name: &str) -> FunctionKey {
    FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: name.into() }
}

/// What is kept of a call from before there were records.
fn start_line(request: RequestId) -> String {
    format!("2026-01-02T03:04:05Z Start invoke request '{request}', version: latest\n")
}

fn entry(name: &str, text: impl Into<Bytes>) -> LogEntry {
    let started = Timestamp::from_microsecond(1_700_000_000_000_001).expect("a time");
    LogEntry {
        function: Arc::new(sample::function(name)),
        request: RequestId::random(),
        started,
        call: None,
        text: Box::new(text.into()),
    }
}

#[tokio::test]
async fn a_log_is_read_as_it_was_written() {
    let place = Place::new();
    // Text that looks like a record, text that does not end its line, no text at all, no UTF-8.
    let written: [&[u8]; 5] = [b"one\ntwo\n", b"=== 2026-01-01T00:00:00Z - latest 3\nabc\n", b"open", b"", b"\xFF\n\n"];
    let requests: Vec<_> = written.iter().map(|text| place.append("f", *text)).collect();
    place.logs.flush().await;
    let records = place.records("f", LogFilter::default());
    assert_eq!(records.iter().map(|r| r.text.as_slice()).collect::<Vec<_>>(), written);
    for (record, request) in records.iter().zip(&requests) {
        assert_eq!((record.request, record.version.as_str()), (Some(*request), "latest"));
        assert_eq!(record.started.as_microsecond(), 1_700_000_000_000_001);
    }
    let one = place.records("f", LogFilter { request: Some(requests[2]), ..LogFilter::default() });
    assert_eq!(texts(&one), ["open"]);
    assert!(
        place
            .records("f", LogFilter { request: Some(RequestId::random()), last: Some(1), ..LogFilter::default() })
            .is_empty()
    );
    assert!(place.texts("unknown").is_empty());
}

#[tokio::test]
async fn the_last_ones_are_the_last_calls() {
    // Each record gets a segment of its own, or all are in one.
    for segment_bytes in [100, 1 << 20] {
        let place = Place::with(LogLimits { segment_bytes, ..LogLimits::default() });
        let old = LogEntry { request: RequestId::random(), ..entry("f", "") };
        let old = LogEntry { text: Box::new(Bytes::from(start_line(old.request))), ..old };
        place.append("f", "initializer 1\n");
        place.logs.append(old);
        place.append("f", start_line(RequestId::random()) + "of another\n");
        for _ in 0..2 {
            place.logs.append(LogEntry { call: Some(record()), ..entry("f", "call\n") });
            place.append("f", "initializer 2\n");
        }
        let stop = place.append("f", "last words\n");
        place.logs.flush().await;
        let all = place.records("f", LogFilter::default());
        assert_eq!(all.iter().filter(|record| record.is_call()).count(), 3);
        for (last, left) in [(0, 0), (1, 3), (2, 5), (3, 7), (4, 8), (5, 8)] {
            let found = place.records("f", LogFilter { last: Some(last), ..LogFilter::default() });
            assert_eq!(found, all[all.len() - left..], "the last {last} in segments of {segment_bytes}");
        }
        let found = place.records("f", LogFilter { request: Some(stop), last: Some(1), ..LogFilter::default() });
        assert_eq!(texts(&found), ["last words\n"], "what was asked for by its id is shown");
    }
}

/// A server of the first release wrote this segment.
const BEFORE_RECORDS: &[u8] = include_bytes!("fixtures/before-records.log");

#[tokio::test]
async fn segments_from_before_there_were_records_are_read_and_written_on() {
    let mut place = Place::new();
    place.logs.close().await;
    segment::make_private(&place.home("f")).expect("a folder");
    fs::write(place.home("f").join(segment::file_name(1)), BEFORE_RECORDS).expect("writes");
    place.restart().await;
    let added = record();
    let entry = LogEntry { call: Some(added.clone()), ..entry("f", "new\n") };
    let request = entry.request;
    place.logs.append(entry);
    place.logs.flush().await;
    assert_eq!(place.segments("f"), [1]);
    let records = place.records("f", LogFilter::default());
    assert_eq!(records.iter().map(|record| record.call.as_ref()).collect::<Vec<_>>(), [None, None, Some(&added)]);
    let texts = texts(&records);
    assert!(texts[0].contains("greeting Ada") && texts[1].contains("no Bobs") && texts[2] == "new\n", "{texts:?}");
    let old = RequestId::parse("acef8bdc-c84e-46f9-b122-2367b0c992e0").expect("an id of the fixture");
    for (request, record) in [(old, &records[1]), (request, &records[2])] {
        let found = find(place.folder.path(), request).expect("reads").expect("it is there");
        assert_eq!((found.function, &found.record), (key("f"), record));
    }
}

#[tokio::test]
async fn a_call_is_found_in_the_logs_of_all_functions() {
    let place = Place::with(LogLimits { segment_bytes: 200, ..LogLimits::default() });
    let mut requests = Vec::new();
    for name in ["f", "g", "f", "a%2Fb", "f"] {
        requests.push((name, place.append(name, format!("of {name}\n{}", "x".repeat(120)))));
        place.logs.flush().await;
    }
    for (name, request) in requests {
        let found = find(place.folder.path(), request).expect("reads").expect("it is there");
        assert_eq!((found.function, found.record.request), (key(name), Some(request)));
    }
    assert_eq!(find(place.folder.path(), RequestId::random()).expect("reads"), None);
    assert_eq!(find(&place.folder.path().join("nothing"), RequestId::random()).expect("reads"), None);
}

fn record() -> CallRecord {
    let mut phases = Phases::default();
    phases.add(Phase::Run, 1234);
    CallRecord {
        phases,
        start: Some(StartKind::Warm),
        end: Ending::Returned,
        memory_used: 5,
        memory_mb: 128,
        line: None,
        is_server_error: false,
    }
}

#[tokio::test]
async fn segments_rotate_and_the_oldest_leave() {
    let limits = LogLimits { segment_bytes: 1000, function_bytes: 3000, ..LogLimits::default() };
    let mut place = Place::with(limits);
    for n in 0..40 {
        place.append("f", format!("{n:0300}\n"));
        if n % 7 == 0 {
            place.logs.flush().await;
        }
        if n % 13 == 0 {
            place.restart().await;
        }
    }
    place.logs.flush().await;
    let texts = place.texts("f");
    let expected: Vec<_> = (40 - texts.len()..40).map(|n| format!("{n:0300}\n")).collect();
    assert_eq!(texts, expected, "a run without holes up to the last");
    assert!(texts.len() >= 4, "{}", texts.len());
    let sizes = place.segments("f").into_iter().map(|n| fs::metadata(place.home("f").join(segment::file_name(n))));
    let sizes: Vec<u64> = sizes.map(|about| about.expect("is there").len()).collect();
    assert!(sizes.iter().sum::<u64>() <= 3000 && sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
}

#[tokio::test]
async fn a_log_larger_than_a_segment_is_kept_whole() {
    let place = Place::with(LogLimits { segment_bytes: 100, function_bytes: 200, ..LogLimits::default() });
    for text in ["small", &"x".repeat(5000), "small again"] {
        place.append("f", text.to_owned());
        place.logs.flush().await;
        assert_eq!(place.texts("f").last().map(String::as_str), Some(text));
    }
}

#[tokio::test]
async fn all_logs_together_have_a_limit() {
    let limits = LogLimits { segment_bytes: 1000, total_bytes: 10_000, open_files: 3, ..LogLimits::default() };
    let mut place = Place::with(limits);
    for round in 0..4 {
        for n in 0..20 {
            place.append(&format!("f{n}"), format!("{round} {}\n", "x".repeat(300)));
            place.logs.flush().await;
        }
        place.restart().await;
    }
    let total = |place: &Place| (0..20).map(|n| place.texts(&format!("f{n}")).len()).sum::<usize>();
    assert!((15..=30).contains(&total(&place)), "{}", total(&place));
    assert!(place.texts("f19").last().expect("the newest stays").starts_with("3 "));
    assert!(place.texts("f0").iter().all(|text| !text.starts_with("0 ")), "the oldest left");
}

#[tokio::test]
async fn few_files_are_open_whatever_the_number_of_functions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut shelf = Shelf::new(folder.path(), LogLimits { open_files: 8, ..LogLimits::default() });
    for round in 0..3 {
        for n in 0..100 {
            shelf.write(&key(&format!("f{n}")), format!("{round}\n").as_bytes()).expect("writes");
            assert!(shelf.open_files() <= 8);
        }
    }
    let path = segment::folder(folder.path(), &key("f42")).join(segment::file_name(1));
    assert_eq!(fs::read_to_string(path).expect("reads"), "0\n1\n2\n");
}

#[tokio::test]
async fn a_torn_end_is_skipped_and_then_cut_off() {
    let mut place = Place::new();
    place.append("f", "first\n");
    place.restart().await;
    let path = place.home("f").join(segment::file_name(1));
    let whole = fs::read(&path).expect("reads");
    let mut next = Vec::new();
    segment::write(
        &mut next,
        Timestamp::now(),
        Some(RequestId::random()),
        "latest",
        b"never finished\nby a crash",
        None,
    );
    for cut in 1..next.len() {
        fs::write(&path, [&whole, &next[..cut]].concat()).expect("writes");
        assert_eq!(place.texts("f"), ["first\n"], "torn after {cut} bytes");
    }
    place.restart().await;
    place.append("f", "second\n");
    place.logs.flush().await;
    assert_eq!(place.texts("f"), ["first\n", "second\n"]);
}

#[tokio::test]
async fn lines_of_a_foreign_hand_are_passed_over() {
    let mut place = Place::new();
    place.append("f", "first\n");
    place.restart().await;
    let path = place.home("f").join(segment::file_name(1));
    let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
    file.write_all(format!("a note\n=== not a header\n{}\n", "=".repeat(2000)).as_bytes()).expect("writes");
    place.append("f", "second\n");
    place.logs.flush().await;
    assert_eq!(place.texts("f"), ["first\n", "second\n"]);
}

#[tokio::test]
async fn a_reader_beside_the_writer_sees_whole_records() {
    let place = Place::with(LogLimits { segment_bytes: 5000, ..LogLimits::default() });
    let mut seen = 0;
    for round in 0..50 {
        for n in 0..10 {
            place.append("f", format!("{:04}\n{}", round * 10 + n, "x".repeat(200)));
        }
        let texts = place.texts("f");
        assert!(texts.len() >= seen);
        seen = texts.len();
        for (n, text) in texts.iter().enumerate() {
            assert_eq!(*text, format!("{n:04}\n{}", "x".repeat(200)));
        }
        if round % 5 == 0 {
            place.logs.flush().await;
        }
    }
    place.logs.flush().await;
    assert_eq!(place.texts("f").len(), 500);
}

#[tokio::test]
async fn a_full_queue_drops_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let queue = Arc::new(Queue::new(2000));
    for n in 0..10 {
        queue.append(entry("f", format!("{n}{}", "x".repeat(400))));
    }
    assert_eq!(queue.dropped(), 7);
    queue.close();
    let (report, _done) = tokio::sync::watch::channel(0);
    super::writer::run(&queue, &report, &segment::root(folder.path()), LogLimits::default());
    let records: Vec<_> = read(folder.path(), &key("f"), LogFilter::default())
        .expect("reads")
        .collect::<Result<_, _>>()
        .expect("records");
    assert_eq!(records.len(), 4);
    assert_eq!(records[3].request, None);
    assert!(texts(&records)[3].contains("logs of 7 calls were dropped"), "{:?}", texts(&records)[3]);
}

#[tokio::test]
async fn logs_go_with_their_function() {
    let mut place = Place::with(LogLimits { segment_bytes: 100, ..LogLimits::default() });
    for _ in 0..3 {
        place.append("f", "x".repeat(90));
        place.append("g", "stays");
    }
    place.logs.flush().await;
    assert_eq!(place.segments("f"), [1, 2, 3]);
    place.append("f", "in the same batch");
    place.logs.remove(&key("f"), "f").await;
    assert!(place.texts("f").is_empty() && !place.home("f").exists());
    assert_eq!(place.texts("g").len(), 3);
    place.append("f", "last words of the old function");
    place.logs.flush().await;
    assert!(!place.home("f").exists());
    let next = Arc::new(FunctionVersion { func_id: "another".to_owned(), ..sample::function("f") });
    place.logs.append(LogEntry { function: next, ..entry("f", "of a new function") });
    place.append("f", "more of the old function");
    place.restart().await;
    assert_eq!(place.texts("f"), ["of a new function"]);
    place.logs.remove(&key("never seen"), "never seen").await;
}

/// Whoever deletes a function may be slow to wait for the end of its logs: the next function of that name is there already.
#[tokio::test]
async fn an_order_to_remove_takes_nothing_that_comes_after_it() {
    let place = Place::new();
    place.append("f", "of the old function");
    let removed = place.logs.remove(&key("f"), "f");
    let next = Arc::new(FunctionVersion { func_id: "another".to_owned(), ..sample::function("f") });
    place.logs.append(LogEntry { function: next, ..entry("f", "first line of the next") });
    place.logs.flush().await;
    removed.await;
    assert_eq!(place.texts("f"), ["first line of the next"]);
}

#[tokio::test]
async fn logs_that_a_killed_server_left_are_found_and_cleared_whatever_their_id() {
    let mut place = Place::new();
    place.append("a.b/c", "left behind");
    place.append("kept", "kept");
    place.restart().await;
    let mut found = place.logs.functions();
    found.sort();
    assert_eq!(found, [key("a.b/c"), key("kept")]);
    place.logs.clear(&key("a.b/c")).await;
    place.logs.clear(&key("never seen")).await;
    assert_eq!(place.logs.functions(), [key("kept")]);
    // It was no function's id: the next one of that name has a log.
    place.append("a.b/c", "the next one");
    place.logs.flush().await;
    assert_eq!(place.texts("a.b/c"), ["the next one"]);
}

#[tokio::test]
async fn closing_writes_what_waits() {
    let place = Place::new();
    for n in 0..1000 {
        place.append("f", format!("{n}\n"));
    }
    place.logs.close().await;
    assert_eq!(place.texts("f").len(), 1000);
    place.append("f", "too late");
    place.logs.flush().await;
    place.logs.close().await;
    assert_eq!((place.logs.dropped(), place.texts("f").len()), (1, 1000));
}

#[tokio::test]
async fn a_disk_that_refuses_costs_logs_but_no_call() {
    let place = Place::new();
    // A file where the function's folder should be.
    fs::create_dir_all(place.home("f").parent().expect("a parent")).expect("folders");
    fs::write(place.home("f"), "in the way").expect("writes");
    place.append("f", "lost");
    place.append("g", "kept");
    place.logs.flush().await;
    assert_eq!((place.logs.dropped(), place.texts("g").len()), (1, 1));
    fs::remove_file(place.home("f")).expect("removes");
    place.append("f", "works again");
    place.logs.flush().await;
    assert_eq!(place.texts("f"), ["works again"]);
}

#[test]
fn names_are_one_part_of_a_path() {
    let strange = FunctionKey { project: ProjectId("../..".into()), package: "a/b".into(), name: ".".into() };
    let folder = segment::folder(std::path::Path::new("logs"), &strange);
    assert_eq!(folder, std::path::Path::new("logs/%2E%2E%2F%2E%2E/a%2Fb/%2E"));
    for name in ["../..", "a/b", ".", "plain-name_1", "100%", "%"] {
        let key = FunctionKey { name: name.into(), ..strange.clone() };
        let folder = segment::folder(std::path::Path::new("logs"), &key);
        let part = folder.file_name().and_then(|part| part.to_str()).expect("a part");
        assert_eq!(segment::name(part), name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any texts come back, also if only their headers are read on the way.
    #[test]
    fn records_come_back(texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
        let mut bytes = Vec::new();
        for text in &texts {
            segment::write(&mut bytes, Timestamp::UNIX_EPOCH, None, "v1", text, None);
        }
        for reads_text in [true, false] {
            let mut records = Records::new(std::io::Cursor::new(&bytes), bytes.len() as u64);
            for text in &texts {
                let (_, header, found) = records.next(|_| reads_text).expect("reads").expect("a record");
                prop_assert_eq!(header.length, text.len() as u64);
                prop_assert!(!reads_text || found == *text);
            }
            prop_assert!(records.next(|_| true).expect("reads").is_none());
            prop_assert_eq!(records.at(), bytes.len() as u64);
        }
    }

    /// Whatever is in a segment, reading ends without an error.
    #[test]
    fn garbage_is_no_error(bytes in r"(=== |2026-01-01T00:00:00Z |- |latest |[0-9]{1,19}[ \n]|us=[0-9,]{0,30} |(end|memory|line)=[0-9/x-]{0,9}[ \n]|x|\n){0,40}") {
        let mut records = Records::new(std::io::Cursor::new(bytes.as_bytes()), bytes.len() as u64);
        while records.next(|_| true).expect("no error").is_some() {}
    }
}
