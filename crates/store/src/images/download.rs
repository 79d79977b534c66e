//! One blob of an image, brought from a registry into a file: checked, bounded, and gone on with where it broke off.
//!
//! Until it is checked it belongs to the registry it comes from, by its file's name too: another registry could else spoil what is
//! brought from this one.

use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::ask::{AskError, Conversation};
use super::error::{ImageError, during, not_read, unusable};
use super::plan::Part;
use super::registry::told;
use crate::guard::reason;

/// How often a download that breaks off is gone on with, each time after a longer pause.
const TRIES: u32 = 5;

/// A blob and its place.
pub(super) struct Blob<'a> {
    pub(super) talk: &'a Conversation<'a>,
    pub(super) part: &'a Part,
    /// Where it will be, whole.
    pub(super) path: &'a Path,
    /// Where it is until then.
    pub(super) partial: &'a Path,
    pub(super) pause: Duration,
}

/// Why one try did not bring all of it.
enum Broken {
    /// The next one may.
    Off(String),
    /// No other will.
    Final(ImageError),
}

impl Blob<'_> {
    /// Brings it. What a broken download leaves is used by the next one, also by that of a later server.
    pub(super) async fn download(&self, mut came: impl FnMut(u64)) -> Result<(), ImageError> {
        if tokio::fs::metadata(self.path).await.is_ok_and(|file| file.len() == self.part.size) {
            return Ok(());
        }
        let mut why = String::new();
        for attempt in 0..TRIES {
            sleep(self.pause * attempt * attempt).await;
            match self.go_on(&mut came).await {
                Ok(()) => {
                    return tokio::fs::rename(self.partial, self.path).await.map_err(during("rename", self.partial));
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Off(cause)) => {
                    tracing::info!(
                        digest = self.part.digest,
                        cause,
                        attempt,
                        "the download of a layer broke off; it is gone on with"
                    );
                    why = cause;
                }
            }
        }
        Err(not_read(format!(
            "The registry {} breaks off again and again while it sends {}: {why}. What came is kept; send the request again to go on",
            self.talk.image.resolve_registry(),
            self.talk.image.whole()
        )))
    }

    async fn go_on(&self, came: &mut impl FnMut(u64)) -> Result<(), Broken> {
        let failed = |error| Broken::Final(during("write", self.partial)(error));
        let mut open = OpenOptions::new();
        let open = open.read(true).write(true).create(true).truncate(false);
        let mut file = open.open(self.partial).await.map_err(failed)?;
        let (mut hash, had) = self.hash_of(&mut file).await.map_err(failed)?;
        let mut have = had;
        if have < self.part.size {
            let digest = format!("sha256:{}", self.part.digest);
            let mut response = self.talk.blob(&digest, have).await.map_err(|error| self.refused(error))?;
            if response.status() != StatusCode::PARTIAL_CONTENT {
                // A registry that cannot go on sends all of it again.
                file.set_len(0).await.map_err(failed)?;
                (hash, have) = (Sha256::new(), 0);
            }
            let file = at(&mut file, have).await.map_err(failed)?;
            loop {
                let chunk = match response.chunk().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(error) => {
                        file.flush().await.map_err(failed)?;
                        return Err(Broken::Off(reason(&error)));
                    }
                };
                have += chunk.len() as u64;
                if have > self.part.size {
                    return Err(self.spoilt("it is longer than the manifest says").await);
                }
                hash.update(&chunk);
                file.write_all(&chunk).await.map_err(failed)?;
                came(chunk.len() as u64);
            }
            file.flush().await.map_err(failed)?;
        }
        if have < self.part.size {
            return Err(Broken::Off("it ended early".to_owned()));
        }
        if super::hex(&hash.finalize()) == self.part.digest {
            // Its length will be all that tells the next one that it is whole.
            return file.sync_all().await.map_err(failed);
        }
        let spoilt = self.spoilt("its digest is another one").await;
        // What was there before may have been something else; all of it anew will tell.
        Err(if had > 0 { Broken::Off("what was there before is of another file".to_owned()) } else { spoilt })
    }

    /// What came is of no use to anybody.
    async fn spoilt(&self, why: &str) -> Broken {
        match tokio::fs::remove_file(self.partial).await {
            Ok(()) => self.wrong(why),
            Err(error) => Broken::Final(during("remove", self.partial)(error)),
        }
    }

    /// Of what is there already.
    async fn hash_of(&self, file: &mut File) -> io::Result<(Sha256, u64)> {
        let (mut hash, mut have) = (Sha256::new(), 0);
        if file.metadata().await?.len() > self.part.size {
            file.set_len(0).await?;
        }
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                return Ok((hash, have));
            }
            hash.update(&buffer[..read]);
            have += read as u64;
        }
    }

    fn refused(&self, error: AskError) -> Broken {
        match error {
            AskError::Unreachable(why) => Broken::Off(why),
            AskError::Status(status) if status.is_server_error() => {
                Broken::Off(format!("the registry answered {}", status.as_u16()))
            }
            error => Broken::Final(told(self.talk.image, error)),
        }
    }

    fn wrong(&self, why: &str) -> Broken {
        Broken::Final(unusable(format!(
            "The registry {} sent a wrong layer for {}: {why}. Push the image again",
            self.talk.image.resolve_registry(),
            self.talk.image.whole()
        )))
    }
}

async fn at(file: &mut File, position: u64) -> io::Result<&mut File> {
    use tokio::io::AsyncSeekExt as _;
    file.seek(io::SeekFrom::Start(position)).await?;
    Ok(file)
}
