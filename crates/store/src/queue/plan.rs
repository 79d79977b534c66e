//! The points that a commit passes. A test plans a blow at one of them: the disk refuses, or the server dies.

/// One of them, each behind what it is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Open,
    Begun,
    PutOff,
    Ended,
    Accepted,
    Owed,
    Counted,
    Changed,
    Committed,
}

/// What happens where. Outside of tests nothing ever does.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    #[cfg(test)]
    next: std::sync::Arc<std::sync::Mutex<Option<(Point, Blow)>>>,
}

#[cfg(not(test))]
impl Plan {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "in tests there is a plan, and it may fail")]
    pub(super) fn reach(&self, _: Point) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

/// What hits a commit.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    DiskFull,
    Death,
    Panic,
}

#[cfg(test)]
impl Plan {
    pub(super) const POINTS: [Point; 8] = [
        Point::Open,
        Point::Begun,
        Point::PutOff,
        Point::Ended,
        Point::Accepted,
        Point::Owed,
        Point::Counted,
        Point::Changed,
    ];

    /// Until it is told otherwise, each commit is hit there.
    pub(super) fn set(&self, blow: Option<(Point, Blow)>) {
        *self.next.lock().expect("no test panics here") = blow;
    }

    pub(super) fn reach(&self, point: Point) -> Result<(), sqlx::Error> {
        let next = *self.next.lock().expect("no test panics here");
        match next {
            Some((at, Blow::Panic)) if at == point => panic!("planned: {point:?}"),
            Some((at, Blow::DiskFull)) if at == point => Err(sqlx::Error::Io(std::io::ErrorKind::StorageFull.into())),
            Some((at, Blow::Death)) if at == point => Err(sqlx::Error::WorkerCrashed),
            _ => Ok(()),
        }
    }
}
