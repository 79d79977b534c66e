//! One blob of an image, brought from a registry into a file: checked, bounded, and gone on with where it broke off.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use oci_client::client::BlobResponse;
use oci_client::{Client, Reference};
use sha2::{Digest as _, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::error::{ImageError, during, not_read, unusable};
use super::registry::{innermost, told};

/// How often a download that breaks off is gone on with, each time after a longer pause.
const TRIES: u32 = 5;

/// A blob and its place.
pub(super) struct Blob<'a> {
    pub(super) image: &'a Reference,
    /// `sha256:` and 64 hexadecimal characters, checked.
    pub(super) digest: &'a str,
    pub(super) size: u64,
    /// Where it will be, whole.
    pub(super) path: &'a Path,
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
    pub(super) async fn download(&self, client: &Client, mut came: impl FnMut(u64)) -> Result<(), ImageError> {
        if tokio::fs::metadata(self.path).await.is_ok_and(|file| file.len() == self.size) {
            return Ok(());
        }
        let part = self.part();
        let mut why = String::new();
        for attempt in 0..TRIES {
            sleep(self.pause * attempt * attempt).await;
            match self.go_on(client, &part, &mut came).await {
                Ok(()) => {
                    return tokio::fs::rename(&part, self.path).await.map_err(during("rename", &part));
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Off(cause)) => {
                    tracing::info!(
                        digest = self.digest,
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
            self.image.resolve_registry(),
            self.image.whole()
        )))
    }

    fn part(&self) -> PathBuf {
        self.path.with_extension("part")
    }

    async fn go_on(&self, client: &Client, part: &Path, came: &mut impl FnMut(u64)) -> Result<(), Broken> {
        let failed = |error| Broken::Final(during("write", part)(error));
        let mut open = OpenOptions::new();
        let mut file = open.read(true).write(true).create(true).truncate(false).open(part).await.map_err(failed)?;
        let (mut hash, mut have) = self.hash_of(&mut file).await.map_err(failed)?;
        let resumed = have > 0;
        if have < self.size {
            let response = client.pull_blob_stream_partial(self.image, self.digest, have, None).await;
            let mut stream = match response.map_err(|error| self.refused(&error))? {
                BlobResponse::Partial(stream) => stream.stream,
                BlobResponse::Full(stream) => {
                    // A registry that cannot go on sends all of it again.
                    file.set_len(0).await.map_err(failed)?;
                    (hash, have) = (Sha256::new(), 0);
                    stream.stream
                }
            };
            let mut file = at(file, have).await.map_err(failed)?;
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|error| Broken::Off(innermost(&error)));
                let chunk = match chunk {
                    Ok(chunk) => chunk,
                    Err(broken) => {
                        file.flush().await.map_err(failed)?;
                        return Err(broken);
                    }
                };
                have += chunk.len() as u64;
                if have > self.size {
                    drop(file);
                    tokio::fs::remove_file(part).await.map_err(failed)?;
                    return Err(self.wrong("it is longer than the manifest says"));
                }
                hash.update(&chunk);
                file.write_all(&chunk).await.map_err(failed)?;
                came(chunk.len() as u64);
            }
            file.flush().await.map_err(failed)?;
        }
        if have < self.size {
            return Err(Broken::Off("it ended early".to_owned()));
        }
        if super::hex(&hash.finalize()) == self.digest.trim_start_matches("sha256:") {
            return Ok(());
        }
        tokio::fs::remove_file(part).await.map_err(failed)?;
        // What was there before may have been something else; all of it anew will tell.
        Err(if resumed {
            Broken::Off("what was there before is of another file".to_owned())
        } else {
            self.wrong("its digest is another one")
        })
    }

    /// Of what is there already.
    async fn hash_of(&self, file: &mut File) -> io::Result<(Sha256, u64)> {
        let (mut hash, mut have) = (Sha256::new(), 0);
        if file.metadata().await?.len() > self.size {
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

    fn refused(&self, error: &oci_client::errors::OciDistributionError) -> Broken {
        use oci_client::errors::OciDistributionError as E;
        match error {
            E::RequestError(_) | E::IoError(_) => Broken::Off(innermost(error)),
            E::ServerError { code, .. } if *code >= 500 => Broken::Off(format!("the registry answered {code}")),
            error => Broken::Final(told(self.image, error)),
        }
    }

    fn wrong(&self, why: &str) -> Broken {
        Broken::Final(unusable(format!(
            "The registry {} sent a wrong layer for {}: {why}. Push the image again",
            self.image.resolve_registry(),
            self.image.whole()
        )))
    }
}

async fn at(mut file: File, position: u64) -> io::Result<File> {
    use tokio::io::AsyncSeekExt as _;
    file.seek(io::SeekFrom::Start(position)).await?;
    Ok(file)
}
