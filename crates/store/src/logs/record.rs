//! A call's record as words of its header line, for `less` as well as for [`parse`].
//!
//! ```text
//! us=12,31,2,0,0,0,0,66,9 start=warm end=0 memory=22516072/128 line=2/2
//! ```
//!
//! `us` has the phases in their order. A word that is not known is passed over, and so is a phase more than we know: a later version
//! may say more. A record that lacks what we need is none.

use fungraph_model::{CallRecord, Ending, Line, Phase, Phases, StartKind};

use super::ink;

/// Stands for "no limit".
const NO_LIMIT: &str = "-";
/// Ends `line` where the host had no room.
const FULL: &str = "full";

/// Adds the words, each after a space.
pub(super) fn write(out: &mut Vec<u8>, record: &CallRecord) {
    let CallRecord { phases, start, end, memory_used, memory_mb, line, is_server_error: _ } = record;
    out.extend_from_slice(b" us=");
    for (phase, us) in phases.iter() {
        if phase != Phase::Accept {
            out.push(b',');
        }
        ink::number(out, us);
    }
    if let Some(start) = start {
        out.extend_from_slice(b" start=");
        out.extend_from_slice(start.name().as_bytes());
    }
    match end {
        Ending::Returned => out.extend_from_slice(b" end=0"),
        Ending::Failed(number) => {
            out.extend_from_slice(b" end=");
            ink::number(out, *number);
        }
        Ending::Refused(why) => {
            out.extend_from_slice(b" refused=");
            out.extend_from_slice(why.as_bytes());
        }
    }
    out.extend_from_slice(b" memory=");
    ink::number(out, *memory_used);
    out.push(b'/');
    ink::number(out, *memory_mb);
    if let Some(line) = line {
        write_line(out, line);
    }
}

fn write_line(out: &mut Vec<u8>, line: &Line) {
    out.extend_from_slice(b" line=");
    ink::number(out, line.instances);
    out.push(b'/');
    match line.most {
        Some(most) => ink::number(out, most),
        None => out.extend_from_slice(NO_LIMIT.as_bytes()),
    }
    if !line.room {
        out.push(b'/');
        out.extend_from_slice(FULL.as_bytes());
    }
}

/// Reads the words; `None` where they are no record, or one that this version cannot read.
pub(super) fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Option<CallRecord> {
    let (mut us, mut start, mut end, mut memory, mut line) = (None, None, None, None, None);
    for (name, value) in words.filter_map(|word| word.split_once('=')) {
        match name {
            "us" => us = phases(value),
            "start" => start = StartKind::parse(value),
            "end" => end = Some(if value == "0" { Ending::Returned } else { Ending::Failed(value.parse().ok()?) }),
            "refused" => end = Some(Ending::Refused(value.to_owned())),
            "memory" => memory = value.split_once('/'),
            "line" => line = self::line(value),
            _ => {}
        }
    }
    let (used, mb) = memory?;
    Some(CallRecord {
        phases: us?,
        start,
        end: end?,
        memory_used: used.parse().ok()?,
        memory_mb: mb.parse().ok()?,
        line,
        is_server_error: false,
    })
}

fn phases(text: &str) -> Option<Phases> {
    let mut phases = Phases::default();
    for (phase, us) in Phase::ALL.into_iter().zip(text.split(',')) {
        phases.add(phase, us.parse().ok()?);
    }
    Some(phases)
}

fn line(text: &str) -> Option<Line> {
    let mut parts = text.split('/');
    let instances = parts.next()?.parse().ok()?;
    let most = match parts.next()? {
        NO_LIMIT => None,
        most => Some(most.parse().ok()?),
    };
    Some(Line { instances, most, room: parts.next() != Some(FULL) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> CallRecord {
        let mut phases = Phases::default();
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            phases.add(phase, 10_u64.pow(index as u32));
        }
        CallRecord {
            phases,
            start: Some(StartKind::New),
            end: Ending::Failed(4010),
            memory_used: 22_516_072,
            memory_mb: 128,
            line: None,
            is_server_error: false,
        }
    }

    #[track_caller]
    fn comes_back(record: &CallRecord, text: &str) {
        let mut words = Vec::new();
        write(&mut words, record);
        let words = String::from_utf8(words).expect("it is text");
        assert_eq!(words, format!(" {text}"));
        assert_eq!(parse(words.split(' ')).as_ref(), Some(record));
    }

    #[test]
    fn records_come_back() {
        const US: &str = "us=1,10,100,1000,10000,100000,1000000,10000000,100000000";
        let mut one = record();
        comes_back(&one, &format!("{US} start=new end=4010 memory=22516072/128"));
        one.start = Some(StartKind::Warm);
        one.end = Ending::Returned;
        one.line = Some(Line { instances: 2, most: Some(2), room: true });
        comes_back(&one, &format!("{US} start=warm end=0 memory=22516072/128 line=2/2"));
        one.start = None;
        one.end = Ending::Refused("queue-full".to_owned());
        one.line = Some(Line { instances: 7, most: None, room: false });
        comes_back(&one, &format!("{US} refused=queue-full memory=22516072/128 line=7/-/full"));
    }

    #[test]
    fn words_of_a_later_version_are_passed_over() {
        let words = "us=1,2,3,4,5,6,7,8,9,10 more start=thawed zone=b end=0 memory=1/128";
        let found = parse(words.split(' ')).expect("a record");
        assert_eq!((found.phases.total(), found.start, found.end), (45, None, Ending::Returned));
        for broken in ["", "us=1 end=0", "us=x end=0 memory=1/128", "us=1 end=x memory=1/128", "us=1 memory=1/128"] {
            assert_eq!(parse(broken.split(' ')), None, "{broken}");
        }
    }
}
