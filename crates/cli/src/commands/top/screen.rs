//! The terminal: another screen while we draw, keys without Enter, and everything as it was afterwards.

use std::io::{self, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::oneshot;

/// Another screen, no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
/// The cursor and the screen from before.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";
/// Lines of a terminal that does not tell.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// The terminal in our hands; dropping this gives it back.
#[derive(Debug)]
pub(super) struct Screen {
    /// How the keyboard was; `None` where there is none.
    before: Option<Termios>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut ours = before.clone();
            // Ctrl-C stays a signal.
            ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            tcsetattr(io::stdin(), OptionalActions::Now, &ours)?;
        }
        let screen = Self { before };
        put(ENTER)?;
        Ok(screen)
    }

    /// Shows what fits.
    ///
    /// # Errors
    /// The terminal has gone.
    pub(super) fn draw(&mut self, text: &str) -> io::Result<()> {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_row > 0 && size.ws_col > 0);
        let (rows, columns) = size.map_or((ROWS, COLUMNS), |size| (size.ws_row, size.ws_col));
        put(frame(text, rows.into(), columns.into()).as_bytes())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = put(LEAVE);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// The lines that fit, over those from before; what was longer or lower is wiped.
fn frame(text: &str, rows: usize, columns: usize) -> String {
    let lines: Vec<String> = text.lines().take(rows).map(|line| line.chars().take(columns).collect()).collect();
    format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))
}

fn put(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// What is typed.
#[derive(Debug)]
pub(super) struct Keys(Option<oneshot::Receiver<()>>);

impl Keys {
    /// Of the standard input, where that is a terminal. A thread waits for them, and ends with the program.
    pub(super) fn of_terminal() -> Self {
        if !io::stdin().is_terminal() {
            return Self(None);
        }
        let (quit, typed) = oneshot::channel();
        std::thread::spawn(move || {
            let mut keys = [0; 64];
            while let Ok(count @ 1..) = io::stdin().read(&mut keys) {
                if keys[..count].iter().any(|key| matches!(key, b'q' | b'Q')) {
                    break;
                }
            }
            // Nobody waits for it any more where a signal came first.
            let _ = quit.send(());
        });
        Self(Some(typed))
    }

    /// Waits for a q, or for the end of the input.
    pub(super) async fn quit(&mut self) {
        match &mut self.0 {
            Some(typed) => drop(typed.await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_terminal() {
        assert_eq!(frame("one\ntwo\nthree\n", 2, 3), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J");
        assert_eq!(frame("žluťoučký\n", 24, 4), "\x1b[Hžluť\x1b[K\x1b[J");
        assert_eq!(frame("", 24, 80), "\x1b[H\x1b[K\x1b[J");
    }
}
