//! Where the time of a call went. Values only: who measures is engine, who keeps is store, who shows is cli.

/// A part of a call's time. They follow one another without a gap, so they add up to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// From the first byte of the request to its head, and the wait for its body. Nothing is known of a request that was already
    /// read together with the one before it, or came over HTTP/2: there it begins with the head.
    Accept,
    /// Route, signature and project.
    Authenticate,
    /// From the name to a version, and the check of the event.
    Resolve,
    /// In line for an instance, without what the next two explain.
    Wait,
    /// A sandbox and its bootstrap, and in it the function's code and limits; of a blank instance only these. As far as this call waited
    /// for it.
    Start,
    /// From LOAD to LOADED: the function's own module; as far as this call waited for it.
    Load,
    /// The initializer.
    Initialize,
    /// From handing over the event to the function's answer.
    Run,
    /// From the function's answer to the response that goes out.
    Answer,
}

impl Phase {
    /// All of them in the order they happen.
    pub const ALL: [Self; 9] = [
        Self::Accept,
        Self::Authenticate,
        Self::Resolve,
        Self::Wait,
        Self::Start,
        Self::Load,
        Self::Initialize,
        Self::Run,
        Self::Answer,
    ];

    /// Its name in metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Authenticate => "authenticate",
            Self::Resolve => "resolve",
            Self::Wait => "wait",
            Self::Start => "start",
            Self::Load => "load",
            Self::Initialize => "initialize",
            Self::Run => "run",
            Self::Answer => "answer",
        }
    }
}

/// The phases of one call in microseconds; one that did not happen is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([u64; Phase::ALL.len()]);

impl Phases {
    /// Adds time to a phase, which may happen in pieces.
    pub fn add(&mut self, phase: Phase, us: u64) {
        let sum = &mut self.0[phase as usize];
        *sum = sum.saturating_add(us);
    }

    /// Microseconds of a phase.
    #[must_use]
    pub fn get(&self, phase: Phase) -> u64 {
        self.0[phase as usize]
    }

    /// Microseconds of all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, us| sum.saturating_add(*us))
    }

    /// Every phase with its microseconds, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, u64)> {
        Phase::ALL.into_iter().zip(self.0)
    }

    /// The longest phase; the later one of two that are as long.
    #[must_use]
    pub fn longest(&self) -> (Phase, u64) {
        self.iter().max_by_key(|(_, us)| *us).unwrap_or((Phase::Run, 0))
    }
}

/// How the instance of a call came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartKind {
    /// It was loaded before the call got it.
    Warm,
    /// It was started ahead without code, and the call was the first after it got its code.
    Blank,
    /// It was started for want of any other, and the call was its first.
    New,
}

impl StartKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Warm, Self::Blank, Self::New];

    /// Its name in metrics and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Blank => "blank",
            Self::New => "new",
        }
    }

    /// Reads a name back.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up() {
        let mut phases = Phases::default();
        phases.add(Phase::Wait, 5);
        phases.add(Phase::Run, 30);
        phases.add(Phase::Wait, 2);
        assert_eq!((phases.get(Phase::Wait), phases.get(Phase::Load), phases.total()), (7, 0, 37));
        assert_eq!(phases.longest(), (Phase::Run, 30));
        assert!(Phase::ALL.into_iter().enumerate().all(|(index, phase)| phase as usize == index));
    }
}
