//! A small file system under the data folder, which is filled to the last byte and freed again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::chance::Chance;

/// Enough for a server with its images of `/tmp`, and the records of many rounds.
const SIZE: &str = "size=1g,mode=0755";

/// The file system. Dropped, it is gone.
pub(super) struct Disk {
    place: PathBuf,
}

impl Disk {
    pub(super) fn mount(place: &Path) -> Result<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "fungraph-crash"]).arg(place).status();
        ensure!(done.context("cannot run mount")?.success(), "cannot mount a small file system on {}", place.display());
        Ok(Self { place: place.to_owned() })
    }

    /// Full after a while, free after another one, or full until the kill.
    pub(super) async fn trouble(&self, chance: &mut Chance, longest_ms: u64) -> Result<()> {
        let mut wait = || Duration::from_millis(chance.below(longest_ms));
        let (before, full, after) = (wait(), wait(), wait());
        tokio::time::sleep(before).await;
        self.fill()?;
        tokio::time::sleep(full).await;
        if full > after {
            self.free()?;
            tokio::time::sleep(after).await;
        }
        Ok(())
    }

    fn filler(&self) -> PathBuf {
        self.place.join("filler")
    }

    fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        let block = vec![1; 1 << 20];
        // Smaller and smaller pieces, until not one byte fits.
        let mut size = block.len();
        while size > 0 {
            if file.write(&block[..size]).is_err() {
                size /= 2;
            }
        }
        Ok(())
    }

    pub(super) fn free(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What of a server still stands in it may need a moment to go.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).status();
    }
}
