//! The whole state of a queue as text, without what differs from run to run.

use sqlx::{Row, query};

use super::super::*;

/// One line for each row of each table. Calls are named by function and number: `f#1`.
pub(super) async fn state(queue: &Queue) -> String {
    let mut lines = Vec::new();
    let functions =
        "SELECT name, paused, gone, waiting, bytes, succeeded, failed, discarded, records FROM functions ORDER BY id";
    for row in query(functions).fetch_all(&queue.readers).await.expect("reads") {
        let numbers: Vec<String> = (1..9).map(|column| row.get::<i64, _>(column).to_string()).collect();
        lines.push(format!("{} {}", row.get::<&str, _>(0), numbers.join(" ")));
    }
    let waiting = "SELECT f.name || '#' || no || ' waits begun=' || begun || ' failed=' || w.failed || ' deaths=' || deaths || ' code=' \
                   || last_code || iif(first_start IS NULL, '', ' started') || iif(due = 0, '', iif(due = 1, ' due at once', ' due')) \
                   || iif(cancelled = 0, '', ' cancelled') \
                   || iif(w.parent IS NULL, '', ' of ' || (SELECT p.name || '#' || e.no FROM ended e JOIN functions p \
                   ON p.id = e.function WHERE e.seq = w.parent) || ' hops=' || hops) || ' ' || CAST(body AS TEXT) \
                   FROM waiting w JOIN functions f ON f.id = w.function ORDER BY seq";
    let ended = "SELECT f.name || '#' || no || ' ended status=' || status || ' code=' || code || ' begun=' || begun || ' ' || message \
                 FROM ended e JOIN functions f ON f.id = e.function ORDER BY seq";
    let notices = "SELECT kind || ' ' || param || ' owed tries=' || tries || ' ' || CAST(payload AS TEXT) FROM notices ORDER BY id";
    for table in [waiting, ended, notices] {
        lines.extend(query_scalar::<_, String>(table).fetch_all(&queue.readers).await.expect("reads"));
    }
    lines.join("\n")
}
