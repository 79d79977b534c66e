//! Messages that are owed to destinations which are no functions. Each came in the commit of the end that owes it, and leaves when it has
//! arrived or never will; after a crash in between it may arrive twice.
//!
//! Projects take turns at being delivered: who owes a hundred thousand messages to somebody slow does not delay another's only one.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fungraph_model::{CallSeq, ProjectId, RequestId};
use sqlx::{QueryBuilder, Sqlite, query_scalar};

use super::change::Change;
use super::rows::get;
use super::{FunctionNo, Queue, QueueError, QueueTime};

/// One of them.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// The call whose end it tells.
    pub call: RequestId,
    /// Whose call that was.
    pub function: FunctionNo,
    /// Whose function.
    pub project: ProjectId,
    /// Where it goes.
    pub param: String,
    /// What it says.
    pub payload: Bytes,
    /// When it came to be owed; never later than now.
    pub created: QueueTime,
    /// Attempts that failed.
    pub tries: u32,
}

/// Which messages are wanted.
#[derive(Clone, Debug, Default)]
pub struct NoticeQuery {
    /// The project that had its turn last.
    pub after: Option<ProjectId>,
    /// Messages of each project that are on their way, and not wanted again.
    pub under_way: HashMap<ProjectId, Vec<i64>>,
    /// So many at most.
    pub most: usize,
    /// So many of one project at most, those on their way included.
    pub most_of_project: usize,
}

/// What is due, and when there is more.
#[derive(Clone, Debug, Default)]
pub struct DueNotices {
    /// Those that are due, by project in the order of their turns, of each the longest due first.
    pub notices: Vec<Notice>,
    /// How long until another one is due that is not yet; `None` where there is none.
    pub next: Option<Duration>,
}

/// Projects with messages that are due, in order. Each is found by the one before: nobody's messages are passed over one by one.
macro_rules! next_projects {
    ($part:literal) => {
        concat!(
            "WITH RECURSIVE turn(project) AS (SELECT min(project) FROM notices WHERE kind = ?1 AND ",
            $part,
            " UNION ALL SELECT (SELECT min(project) FROM notices WHERE kind = ?1 AND project > turn.project AND ",
            $part,
            ") FROM turn WHERE turn.project IS NOT NULL) SELECT project FROM turn WHERE project IS NOT NULL AND \
             (SELECT min(due) FROM notices WHERE kind = ?1 AND project = turn.project) <= ?3 LIMIT ?4"
        )
    };
}

fn failed(source: sqlx::Error) -> QueueError {
    QueueError::during("read what is owed to destinations")(source)
}

impl Queue {
    /// Messages of a kind that are due.
    ///
    /// # Errors
    /// [`QueueError::Database`], [`QueueError::BadRow`].
    pub async fn next_notices(&self, kind: &str, query: &NoticeQuery) -> Result<DueNotices, QueueError> {
        let now = self.now();
        let mut notices = Vec::new();
        for (project, most) in self.turns(kind, query, now).await? {
            let under_way = query.under_way.get(&project).map(Vec::as_slice).unwrap_or_default();
            notices.extend(self.due_notices(kind, &project, under_way, most, now).await?);
        }
        let next = query_scalar::<_, Option<i64>>("SELECT min(due) FROM notices WHERE kind = ? AND due > ?");
        let next = next.bind(kind).bind(now.0).fetch_one(&self.loader).await.map_err(failed)?;
        Ok(DueNotices { notices, next: next.map(|due| QueueTime(due).since(now)) })
    }

    /// Projects whose turn it is, and how many messages each may have.
    async fn turns(
        &self,
        kind: &str,
        query: &NoticeQuery,
        now: QueueTime,
    ) -> Result<Vec<(ProjectId, usize)>, QueueError> {
        let taken = |project: &ProjectId| query.under_way.get(project).map_or(0, Vec::len);
        // Whoever has as many under way as he may is passed over.
        let most = i64::try_from(query.most + query.under_way.len()).unwrap_or(i64::MAX);
        let mut turns = Vec::new();
        // First those behind the one whose turn was last, then from the beginning up to that one.
        let after = query.after.as_ref().map_or("", |project| project.0.as_str());
        for sql in [next_projects!("project > ?2"), next_projects!("project <= ?2")] {
            let projects = query_scalar::<_, String>(sql).bind(kind).bind(after).bind(now.0).bind(most);
            let projects = projects.fetch_all(&self.loader).await.map_err(failed)?;
            turns.extend(projects.into_iter().map(|project| (ProjectId(project), 0)));
        }
        turns.retain(|(project, _)| taken(project) < query.most_of_project);
        turns.truncate(query.most);
        let mut left = query.most;
        while left > 0 {
            let before = left;
            for (project, most) in &mut turns {
                if left > 0 && taken(project) + *most < query.most_of_project {
                    *most += 1;
                    left -= 1;
                }
            }
            if left == before {
                break;
            }
        }
        Ok(turns)
    }

    async fn due_notices(
        &self,
        kind: &str,
        project: &ProjectId,
        under_way: &[i64],
        most: usize,
        now: QueueTime,
    ) -> Result<Vec<Notice>, QueueError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT id, call, call_tail, function, param, payload, created, tries FROM notices WHERE kind = ",
        );
        query.push_bind(kind).push(" AND project = ").push_bind(&project.0).push(" AND due <= ").push_bind(now.0);
        query.push(" AND id NOT IN (");
        let mut list = query.separated(", ");
        for id in under_way {
            list.push_bind(id);
        }
        query.push(") ORDER BY due, id LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = query.build().fetch_all(&self.loader).await.map_err(failed)?;
        rows.iter()
            .map(|row| {
                Ok(Notice {
                    id: get(row, "id")?,
                    call: RequestId::of_seq(CallSeq(get(row, "call")?), get(row, "call_tail")?),
                    function: FunctionNo(get(row, "function")?),
                    project: project.clone(),
                    param: get(row, "param")?,
                    payload: Bytes::from(get::<Vec<u8>>(row, "payload")?),
                    created: QueueTime(get(row, "created")?).min(now),
                    tries: get(row, "tries")?,
                })
            })
            .collect()
    }

    /// A message has arrived. Returns when that is on disk; `false` where it is not, and the message will arrive twice.
    pub async fn delivered(&self, id: i64) -> bool {
        self.settle_notice(Change::NoticeDone(id)).await
    }

    /// A message is tried again later; `false` where that is not on disk, and it is due as before.
    pub async fn notice_again(&self, id: i64, due: QueueTime) -> bool {
        self.settle_notice(Change::NoticeAgain(id, due)).await
    }

    /// A message will never arrive; `false` where that is not on disk.
    pub async fn notice_given_up(&self, id: i64) -> bool {
        self.settle_notice(Change::NoticeDone(id)).await
    }

    async fn settle_notice(&self, change: Change) -> bool {
        let settled = self.change(change).await;
        if let Err(error @ QueueError::Database { .. }) = &settled {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "what became of a message to a destination is not stored"
            );
        }
        settled.is_ok()
    }
}
