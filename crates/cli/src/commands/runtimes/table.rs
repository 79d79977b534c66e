//! The table for people: as wide as their terminal, within reason.

use std::io::{self, IsTerminal};

use fungraph_instance::Interpreters;

use super::{Means, Offer, unseen};

/// Columns of a terminal that does not tell, and of a file.
const WIDTH: usize = 100;
/// Narrower than this, lines are left to the terminal to break; wider, they are hard to follow.
const NARROWEST: usize = 80;
const WIDEST: usize = 120;
/// Columns in front of the last one, which is broken into lines.
const NAME: usize = 18;
const RUNS_ON: usize = 18;

/// Columns to write in.
pub(super) fn width() -> usize {
    let out = io::stdout();
    let size = if out.is_terminal() { rustix::termios::tcgetwinsize(out).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(WIDTH).clamp(NARROWEST, WIDEST)
}

/// Every name, then the programs that run them, then what is on this host and not used.
pub(super) fn text(offers: &[Offer], found: &Interpreters, width: usize) -> String {
    let mut text = line("RUNTIME", "RUNS ON", "", width);
    for offer in offers {
        let (runs_on, how) = match &offer.means {
            Means::Interpreter(choice) => {
                let state = offer.means.state();
                let image = choice.interpreter.image.as_ref();
                let how = image.map_or_else(|| state.to_owned(), |image| format!("{state}, from image {}", image.name));
                (choice.interpreter.to_string(), how)
            }
            Means::Unseen(image) => ("-".to_owned(), unseen(image)),
            Means::OwnProgram => ("its own program".to_owned(), "no interpreter is needed".to_owned()),
            Means::Missing(missing) => ("-".to_owned(), missing.brief()),
            Means::NotBuilt(why) => ("-".to_owned(), (*why).to_owned()),
        };
        text += &line(offer.runtime.name(), &runs_on, &how, width);
    }
    if !found.all().is_empty() {
        text += &format!("\n{:<NAME$} PROGRAM\n", "INTERPRETER");
    }
    for interpreter in found.all() {
        // A path is not broken: it is there to be copied.
        let (program, origin) = (interpreter.program.display(), interpreter.origin.name());
        text += &format!("{:<NAME$} {program} ({origin})\n", interpreter.to_string());
    }
    if !found.notes().is_empty() {
        text += "\nNOT USED\n";
    }
    for note in found.notes() {
        text += &hanging("  ", note, width);
    }
    text
}

fn line(name: &str, runs_on: &str, how: &str, width: usize) -> String {
    hanging(&format!("{name:<NAME$} {runs_on:<RUNS_ON$} "), how, width)
}

/// A text beside its heading, broken between words; further lines begin where it begins.
fn hanging(heading: &str, text: &str, width: usize) -> String {
    let indent = heading.chars().count();
    let mut lines = String::from(heading);
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            lines += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    format!("{}\n", lines.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::offers;
    use super::*;

    #[test]
    fn long_texts_stay_in_their_column() {
        assert_eq!(hanging("ab ", "one two three", 11), "ab one two\n   three\n");
        assert_eq!(hanging("ab ", "longer-than-the-line x", 8), "ab longer-than-the-line\n   x\n");
        assert_eq!(hanging("ab ", "", 8), "ab\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let found = Interpreters::default();
        for width in [NARROWEST, WIDEST] {
            let text = text(&offers(&found, &[], false), &found, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        }
    }
}
