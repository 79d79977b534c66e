//! The phases of a call as lines with bars.

use fungraph_model::Phases;

/// Columns of a bar that is all of the time.
const WIDTH: u64 = 40;
/// Blocks of one to eight eighths.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// For files and pipes.
    Plain,
    /// For a terminal whose owner wants no colours.
    Blocks,
    /// The longest in a colour.
    Colour,
}

/// A line for each phase and one for all.
pub(super) fn phases(phases: &Phases, ink: Ink) -> String {
    let total = phases.total();
    let longest = phases.longest().0;
    let mut text = String::new();
    for (phase, us) in phases.iter() {
        let bar = bar(us, total, ink);
        let bar = if ink == Ink::Colour && phase == longest { format!("\x1b[33m{bar}\x1b[0m") } else { bar };
        text += line(phase.name(), us, &bar).trim_end();
        text.push('\n');
    }
    text += line("total", total, "").trim_end();
    text.push('\n');
    text
}

fn line(name: &str, us: u64, bar: &str) -> String {
    let time = if us == 0 { "-   ".to_owned() } else { format!("{}.{:03} ms", us / 1000, us % 1000) };
    format!("  {name:<13}{time:>14}  {bar}")
}

/// In proportion to the whole, to the nearest column, or part of one.
fn bar(us: u64, total: u64, ink: Ink) -> String {
    let total = u128::from(total.max(1));
    let scaled = |steps: u64| ((u128::from(us) * u128::from(WIDTH * steps) + total / 2) / total) as usize;
    if ink == Ink::Plain {
        return "#".repeat(scaled(1));
    }
    let eighths = scaled(8);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|part| EIGHTHS[part]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        for (us, plain, blocks) in [
            (0, "", ""),
            (1, "", ""),
            (1000, "", "▍"),
            (1250, "#", "▌"),
            (25_000, "##########", "██████████"),
            (26_000, "##########", "██████████▍"),
        ] {
            assert_eq!((bar(us, 100_000, Ink::Plain), bar(us, 100_000, Ink::Blocks)), (plain.into(), blocks.into()));
        }
        assert_eq!(bar(7, 7, Ink::Plain).len() as u64, WIDTH);
        assert_eq!(bar(0, 0, Ink::Plain), "");
    }
}
