//! The table: what was measured, beside what it is measured by.

use std::fmt;

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// Of the value or, where there is one, of the ratio.
    AtMost(f64),
    AtLeast(f64),
}

impl Budget {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

/// One line.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    ours: String,
    against: String,
    ratio: Option<f64>,
    judged: f64,
    budget: Option<Budget>,
}

impl Row {
    /// A figure that has nothing to be compared with but its budget.
    pub(crate) fn alone(what: impl Into<String>, value: f64, unit: &str, budget: Option<Budget>) -> Self {
        Self {
            what: what.into(),
            ours: figure(value, unit),
            against: String::new(),
            ratio: None,
            judged: value,
            budget,
        }
    }

    /// Two figures; the ratio is ours by theirs, and was found apart (a median of ratios is no ratio of medians).
    pub(crate) fn beside(
        what: impl Into<String>,
        [ours, theirs, ratio]: [f64; 3],
        unit: &str,
        whose: &str,
        budget: Option<Budget>,
    ) -> Self {
        let against = format!("{} ({whose})", figure(theirs, unit));
        Self { what: what.into(), ours: figure(ours, unit), against, ratio: Some(ratio), judged: ratio, budget }
    }

    /// Something that is not there to be measured.
    pub(crate) fn missing(what: impl Into<String>, why: &str) -> Self {
        Self {
            what: what.into(),
            ours: why.to_owned(),
            against: String::new(),
            ratio: None,
            judged: f64::NAN,
            budget: None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let verdict = match self.budget {
            Some(budget) if budget.holds(self.judged) => "holds",
            Some(_) => "MISSED",
            None => "",
        };
        let ratio = self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let budget = self.budget.map(|budget| budget.to_string()).unwrap_or_default();
        [self.what.clone(), self.ours.clone(), self.against.clone(), ratio, budget, verdict.to_owned()]
    }
}

fn figure(value: f64, unit: &str) -> String {
    if value >= 1000.0 {
        format!("{value:.0} {unit}")
    } else if value >= 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.3} {unit}")
    }
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        eprintln!("  {}", row.cells().join("  ").trim_end());
        self.rows.push(row);
    }
}

/// Markdown, so that it can be pasted where it is read.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "ours", "beside", "ratio", "budget", ""].map(str::to_owned);
        let mut lines = vec![head];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                for width in widths {
                    write!(f, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_judged_where_there_are_some() {
        let row = Row::beside("p50", [0.27, 0.25, 1.08], "ms", "bare", Some(Budget::AtMost(1.1)));
        assert_eq!(row.cells().join("|"), "p50|0.270 ms|0.250 ms (bare)|1.08|<= 1.1|holds");
        let row = Row::alone("size", 41.0, "MB", Some(Budget::AtMost(40.0)));
        assert_eq!(row.cells().join("|"), "size|41.0 MB|||<= 40|MISSED");
    }
}
