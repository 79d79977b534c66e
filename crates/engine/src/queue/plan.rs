//! The points that the work of the queue passes. A test plans a panic at one of them.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// A call was given out, and nothing of it has begun.
    GivenOut,
    /// An attempt has come to something, of which nothing is stored.
    Ended,
    /// What is owed for the end of a call is worked out.
    Owed,
    /// Calls that wait were read.
    Read,
    /// A call is read that is in nobody's hands.
    Struck,
    /// What waits of a function was ended on disk, and nobody knows yet.
    Emptied,
    /// The dispatcher looks what to do.
    Dispatched,
    /// The dispatcher knows what to do, and nothing of it has begun.
    Planned,
}

/// What happens where. Outside of tests nothing ever does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    #[cfg(test)]
    panics: std::sync::Mutex<Vec<Point>>,
}

#[cfg(not(test))]
impl Plan {
    #[expect(clippy::unused_self, reason = "in tests there is a plan")]
    pub(super) fn reach(&self, _: Point) {}
}

#[cfg(test)]
impl Plan {
    /// The next who come by there panic, one for each time that it is told.
    pub(super) fn panic_at(&self, points: &[Point]) {
        self.panics.lock().expect("it is let go before the panic").extend(points);
    }

    /// Whether all has happened.
    pub(super) fn is_done(&self) -> bool {
        self.panics.lock().expect("it is let go before the panic").is_empty()
    }

    pub(super) fn reach(&self, point: Point) {
        let planned = {
            let mut panics = self.panics.lock().expect("it is let go before the panic");
            panics.iter().position(|planned| *planned == point).map(|index| panics.swap_remove(index))
        };
        assert!(planned.is_none(), "planned: {point:?}");
    }
}
