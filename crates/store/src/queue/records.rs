//! Lists of calls: what has ended, what waits, and by the engine's word what runs.
//!
//! A page is merged from one source for each status, all in the order of acceptance, so that each index serves both the lists with a
//! status and those without.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use fungraph_model::{AsyncRecord, AsyncStatus, CallSeq, FunctionKey, RequestId};
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, query};

use super::functions::{marked, marker};
use super::rows::{self, bad, get};
use super::{FunctionNo, Queue, QueueError, statements};

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    /// Only these calls; empty for any.
    pub requests: Vec<RequestId>,
    /// Only those in one of these states; empty for any.
    pub statuses: Vec<AsyncStatus>,
    /// Accepted at this place or later.
    pub begin: Option<CallSeq>,
    /// Accepted before this place.
    pub end: Option<CallSeq>,
    /// The `next` of the page before, 0 at the start.
    pub marker: u32,
    /// Most records on the page.
    pub limit: u32,
}

/// One page of records, in the order of acceptance. Calls that end or are accepted meanwhile move nothing.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<AsyncRecord>,
    /// Marker of the next page; `None` on the last.
    pub next: Option<u32>,
}

/// Places so far ahead of the clock are those of a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// Calls of each table that one call may have led to, as far as anybody is told.
const MOST_CHILDREN: i64 = 10_000;

/// What both tables have, in one form.
struct Found {
    record: AsyncRecord,
    seq: CallSeq,
    no: i64,
}

macro_rules! ended {
    () => {
        "SELECT seq, tail, function, no, status, code, message, qualifier, version, accepted, started, ended, begun, \
         parent, parent_tail FROM ended "
    };
}
macro_rules! unended {
    () => {
        "SELECT seq, tail, function, no, 0 AS status, last_code AS code, last_message AS message, qualifier, version, \
         accepted, first_start AS started, NULL AS ended, begun, parent, parent_tail FROM waiting "
    };
}

impl Queue {
    /// Records of a function. `running` are the calls that run now: of them, and of nothing else, the status is RUNNING.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn records(
        &self,
        function: FunctionNo,
        query: &RecordQuery,
        running: &HashSet<CallSeq>,
    ) -> Result<RecordPage, QueueError> {
        let after = self.place(function, query.marker).await?;
        let wanted = |status| query.statuses.is_empty() || query.statuses.contains(&status);
        let ranges = self.ranges(function, query, after);
        let mut found = Vec::new();
        if query.requests.is_empty() {
            for range in ranges {
                found.extend(self.by_range(range, &wanted, running).await?);
            }
        } else {
            found = self.by_requests(&ranges, &query.requests, &wanted, running).await?;
        }
        found.sort_by_key(|one| one.seq);
        found.dedup_by_key(|one| one.seq);
        let limit = query.limit as usize;
        let next =
            (found.len() > limit).then(|| found.get(limit.wrapping_sub(1)).map(|last| marker(last.no))).flatten();
        found.truncate(limit);
        Ok(RecordPage { records: found.into_iter().map(|one| one.record).collect(), next })
    }

    /// The call of an id, and whose it is.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn record(
        &self,
        request: RequestId,
    ) -> Result<Option<(FunctionKey, FunctionNo, AsyncRecord)>, QueueError> {
        let Some(seq) = request.seq() else { return Ok(None) };
        let Some((function, found)) = self.find(seq).await? else { return Ok(None) };
        let key = self.shared.functions().get(function).map(|known| known.function.key.clone());
        Ok(key.filter(|_| found.record.request == request).map(|key| (key, function, found.record)))
    }

    /// The calls that a call has led to: its destinations, and further attempts by hand. Somebody may have asked for more of these than
    /// anybody wants to see: then some are left out.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn children(&self, seq: CallSeq) -> Result<Vec<(FunctionNo, AsyncRecord)>, QueueError> {
        let failed = QueueError::during("read what followed from a call");
        let sql = [concat!(unended!(), "WHERE parent = ? LIMIT ?"), concat!(ended!(), "WHERE parent = ? LIMIT ?")];
        let mut all = Vec::new();
        for sql in sql {
            for row in query(sql).bind(seq.0).bind(MOST_CHILDREN).fetch_all(&self.readers).await.map_err(failed)? {
                all.push((FunctionNo(get(&row, "function")?), found(&row)?.record));
            }
        }
        Ok(all)
    }

    /// The places that a query is about. A place is the time of acceptance, unless a clock was ahead once: places go on from there, and of those
    /// that are ahead of the clock the time is what the clock said.
    fn ranges(&self, function: FunctionNo, query: &RecordQuery, after: Option<CallSeq>) -> Vec<Range> {
        let after = after.map_or(CallSeq(0), |seq| CallSeq(seq.0 + 1));
        let (begin, end) = (query.begin.unwrap_or(CallSeq(0)), query.end.unwrap_or(CallSeq::MAX));
        let most = i64::from(query.limit) + 1;
        let range = Range { function, begin: begin.max(after), end, most, times: None };
        let Some(ahead) = self.ahead() else { return vec![range] };
        let times = Some((microseconds(query.begin, i64::MIN), microseconds(query.end, i64::MAX)));
        let beyond = Range { begin: ahead.max(after), end: CallSeq::MAX, times, ..range };
        vec![Range { end: end.min(ahead), ..range }, beyond]
    }

    /// The first place that is ahead of the clock, where any was given away.
    pub(super) fn ahead(&self) -> Option<CallSeq> {
        let soon = self.shared.clock.wall().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        let first = CallSeq::first_at(soon);
        (self.shared.newest.load(Ordering::Relaxed) >= first.0).then_some(first)
    }

    async fn by_range(
        &self,
        range: Range,
        wanted: &(dyn Fn(AsyncStatus) -> bool + Sync),
        running: &HashSet<CallSeq>,
    ) -> Result<Vec<Found>, QueueError> {
        let mut all = Vec::new();
        // First what waits: a call that ends in between is found twice, and not never.
        if wanted(AsyncStatus::Wait) && wanted(AsyncStatus::Running) {
            all.extend(self.unended(range, running).await?);
        } else if wanted(AsyncStatus::Running) {
            all.extend(self.running(range, running).await?);
        } else if wanted(AsyncStatus::Wait) {
            // Calls that run may stand before those that wait.
            let wider = Range { most: range.most + i64::try_from(running.len()).unwrap_or(i64::MAX >> 1), ..range };
            all.extend(self.unended(wider, running).await?);
            all.retain(|one| one.record.status == AsyncStatus::Wait);
        }
        for status in [AsyncStatus::Success, AsyncStatus::Fail, AsyncStatus::Discard] {
            if wanted(status) {
                all.extend(self.ended(range, status).await?);
            }
        }
        Ok(newest_state(all))
    }

    async fn by_requests(
        &self,
        ranges: &[Range],
        requests: &[RequestId],
        wanted: &(dyn Fn(AsyncStatus) -> bool + Sync),
        running: &HashSet<CallSeq>,
    ) -> Result<Vec<Found>, QueueError> {
        let mut all = Vec::new();
        for request in requests {
            let Some(seq) = request.seq() else { continue };
            let Some((function, one)) = self.find(seq).await? else { continue };
            let holds = |range: &Range| range.function == function && range.holds(&one);
            if one.record.request == *request && ranges.iter().any(holds) {
                all.push(one);
            }
        }
        mark(&mut all, running);
        all.retain(|one| wanted(one.record.status));
        Ok(all)
    }

    async fn unended(&self, range: Range, running: &HashSet<CallSeq>) -> Result<Vec<Found>, QueueError> {
        // Two sources, since each has an index of its own.
        let sql = concat!(
            unended!(),
            "WHERE function = ?1 AND seq >= ?2 AND seq < ?3 AND accepted >= ?4 AND accepted < ?5 AND due = 0 UNION ALL ",
            unended!(),
            "WHERE function = ?1 AND seq >= ?2 AND seq < ?3 AND accepted >= ?4 AND accepted < ?5 AND due > 0 \
             ORDER BY seq LIMIT ?6"
        );
        let (from, to) = range.times.unwrap_or((i64::MIN, i64::MAX));
        let rows = query(sql).bind(range.function.0).bind(range.begin.0).bind(range.end.0).bind(from).bind(to);
        let rows = rows.bind(range.most).fetch_all(&self.readers).await.map_err(QueueError::during("list calls"))?;
        let mut all = rows.iter().map(found).collect::<Result<Vec<_>, _>>()?;
        mark(&mut all, running);
        Ok(all)
    }

    async fn running(&self, range: Range, running: &HashSet<CallSeq>) -> Result<Vec<Found>, QueueError> {
        let mut seqs: Vec<_> = running.iter().copied().filter(|seq| (range.begin..range.end).contains(seq)).collect();
        seqs.sort_unstable();
        let mut all = Vec::new();
        for part in seqs.chunks(128) {
            let mut query = QueryBuilder::<Sqlite>::new(concat!(unended!(), "WHERE seq IN ("));
            let mut list = query.separated(", ");
            for seq in part {
                list.push_bind(seq.0);
            }
            query.push(") AND function = ").push_bind(range.function.0);
            let rows = query.build().fetch_all(&self.readers).await.map_err(QueueError::during("list calls"))?;
            for row in &rows {
                all.push(found(row)?);
            }
        }
        all.retain(|one| range.holds(one));
        mark(&mut all, running);
        Ok(all)
    }

    async fn ended(&self, range: Range, status: AsyncStatus) -> Result<Vec<Found>, QueueError> {
        let sql = concat!(
            ended!(),
            "WHERE function = ? AND status = ? AND seq >= ? AND seq < ? AND accepted >= ? AND accepted < ? \
             ORDER BY seq LIMIT ?"
        );
        let (from, to) = range.times.unwrap_or((i64::MIN, i64::MAX));
        let rows = query(sql)
            .bind(range.function.0)
            .bind(statements::status_number(status))
            .bind(range.begin.0)
            .bind(range.end.0)
            .bind(from)
            .bind(to)
            .bind(range.most)
            .fetch_all(&self.readers)
            .await
            .map_err(QueueError::during("list calls"))?;
        rows.iter().map(found).collect()
    }

    async fn find(&self, seq: CallSeq) -> Result<Option<(FunctionNo, Found)>, QueueError> {
        let failed = QueueError::during("look for a call");
        // In this order: a call goes from the one to the other, and never back.
        for sql in [concat!(unended!(), "WHERE seq = ?"), concat!(ended!(), "WHERE seq = ?")] {
            if let Some(row) = query(sql).bind(seq.0).fetch_optional(&self.readers).await.map_err(failed)? {
                return Ok(Some((FunctionNo(get(&row, "function")?), found(&row)?)));
            }
        }
        Ok(None)
    }

    /// The place of the call that a marker stands for, or of the last one before it that is still there.
    async fn place(&self, function: FunctionNo, marker: u32) -> Result<Option<CallSeq>, QueueError> {
        let last = self.shared.functions().get(function).map_or(0, |known| known.last_no);
        let no = marked(marker, last);
        if marker == 0 || no <= 0 {
            return Ok(None);
        }
        let sql = "SELECT max(seq) FROM (SELECT * FROM (SELECT seq FROM waiting WHERE function = ?1 AND no <= ?2 \
                   ORDER BY no DESC LIMIT 1) UNION ALL SELECT * FROM (SELECT seq FROM ended WHERE function = ?1 AND no <= ?2 \
                   ORDER BY no DESC LIMIT 1))";
        let place: Option<i64> = sqlx::query_scalar(sql)
            .bind(function.0)
            .bind(no)
            .fetch_one(&self.readers)
            .await
            .map_err(QueueError::during("find the place of a marker"))?;
        Ok(place.map(CallSeq))
    }
}

/// Part of the calls of a function.
#[derive(Clone, Copy)]
struct Range {
    function: FunctionNo,
    begin: CallSeq,
    end: CallSeq,
    most: i64,
    /// Accepted at the first or later and before the second, where their places do not say that.
    times: Option<(i64, i64)>,
}

impl Range {
    fn holds(&self, one: &Found) -> bool {
        let at = one.record.accepted.as_microsecond();
        (self.begin..self.end).contains(&one.seq) && self.times.is_none_or(|(from, to)| (from..to).contains(&at))
    }
}

/// The time that a place of a query stands for.
fn microseconds(place: Option<CallSeq>, otherwise: i64) -> i64 {
    place.map_or(otherwise, |place| place.millisecond().saturating_mul(1000))
}

fn mark(all: &mut [Found], running: &HashSet<CallSeq>) {
    for one in all {
        if one.record.status == AsyncStatus::Wait && running.contains(&one.seq) {
            one.record.status = AsyncStatus::Running;
        }
    }
}

/// A call that was found in both tables has ended.
fn newest_state(mut all: Vec<Found>) -> Vec<Found> {
    all.sort_by_key(|one| (one.seq, !one.record.status.is_end()));
    all.dedup_by_key(|one| one.seq);
    all
}

fn found(row: &SqliteRow) -> Result<Found, QueueError> {
    let seq = CallSeq(get(row, "seq")?);
    let status = match get(row, "status")? {
        0 => AsyncStatus::Wait,
        number => statements::status_of(number).ok_or_else(|| bad("status", &"no such status"))?,
    };
    let optional = |column| get::<Option<i64>>(row, column)?.map(|at| rows::time(column, at)).transpose();
    let record = AsyncRecord {
        request: RequestId::of_seq(seq, get(row, "tail")?),
        status,
        code: get(row, "code")?,
        message: get(row, "message")?,
        accepted: rows::time("accepted", get(row, "accepted")?)?,
        start: optional("started")?,
        end: optional("ended")?,
        begun: get(row, "begun")?,
        version: get(row, "version")?,
        qualifier: rows::qualifier(get(row, "qualifier")?),
        parent: rows::parent(row)?,
    };
    Ok(Found { record, seq, no: get(row, "no")? })
}
