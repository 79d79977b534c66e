//! What was compiled of templates, kept in the data folder: a later server need not compile it again.
//!
//! A file's name has a digest of all that its content depends on: every text, the command, the compiler's version and the machine. So
//! nothing in the folder is ever wrong, and all of it may be removed at any time.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use crate::{
    Interpreter, Sources,
    prepared::{MARK, printed},
    recipe::Work,
};

/// So many are kept, the newest: one for each compiler that a host has of each language.
const MOST: usize = 8;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The folder.
pub(crate) struct Kept {
    folder: PathBuf,
}

impl Kept {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The name of what a compiler makes of some sources.
    pub(crate) fn name(compiler: &Interpreter, sources: &Sources, work: &Work) -> String {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        };
        add(std::env::consts::ARCH);
        add(&compiler.to_string());
        work.command.iter().for_each(|word| add(word));
        work.sources.iter().for_each(|(path, text)| [path, text].into_iter().for_each(|text| add(text)));
        let digest: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digest}", sources.name)
    }

    /// The files that were kept under a name. What a crash left of them is as good as nothing.
    pub(crate) async fn read(&self, name: &str, count: usize) -> Option<Vec<Vec<u8>>> {
        let path = self.folder.join(name);
        let read = tokio::task::spawn_blocking(move || {
            let bytes = fs::read(path).ok()?;
            let files = printed(&bytes);
            (files.len() == count).then(|| files.into_iter().map(<[u8]>::to_vec).collect())
        });
        read.await.ok().flatten()
    }

    /// Keeps files, and gives them back. Where that fails they are compiled again another time, which is worth no more than a line.
    pub(crate) async fn write(&self, name: String, files: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Cause> {
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || {
            if let Err(error) = write(&folder, &name, &files) {
                tracing::warn!(cause = %error, folder = %folder.display(), "compiled templates could not be kept for the next start");
            }
            files
        });
        Ok(written.await?)
    }
}

/// In the form in which a command prints them, so that a part of it is known for what it is.
fn write(folder: &Path, name: &str, files: &[Vec<u8>]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    make_room(folder)?;
    let new = folder.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    for bytes in files {
        writeln!(file, "{MARK}{}", bytes.len())?;
        file.write_all(bytes)?;
    }
    file.sync_all()?;
    fs::rename(new, folder.join(name))
}

/// Removes the oldest, until there is room for one more.
fn make_room(folder: &Path) -> io::Result<()> {
    let age = |path: &PathBuf| fs::metadata(path).and_then(|known| known.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut kept: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    kept.sort_by_cached_key(age);
    let excess = (kept.len() + 1).saturating_sub(MOST);
    kept.iter().take(excess).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fungraph_model::Language;

    use super::*;
    use crate::interpreters::{Origin, Version};

    fn name(version: Version, text: &str) -> String {
        let compiler = Interpreter {
            language: Language::Go,
            version,
            program: "/usr/local/go/bin/go".into(),
            prefix: None,
            library: None,
            origin: Origin::System,
            image: None,
        };
        let sources = Sources { name: "some", files: &[], makes: &[] };
        let sources_of = vec![("a".to_owned(), text.to_owned())];
        let work = Work { command: Vec::new(), most_bytes: 0, memory_mb: 0, sources: sources_of, tools: Vec::new() };
        Kept::name(&compiler, &sources, &work)
    }

    #[test]
    fn another_text_or_version_is_another_name() {
        let known = name((1, 22, 3), "a");
        assert!(known.starts_with("some-") && known == name((1, 22, 3), "a"), "{known}");
        assert!(known != name((1, 22, 4), "a") && known != name((1, 22, 3), "b"));
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again_and_a_part_of_it_is_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::new(folder.path().join("compiled"));
        assert_eq!(kept.read("a", 2).await, None);
        let files = vec![b"fungraph prepared 1\n".to_vec(), Vec::new()];
        assert_eq!(kept.write("a".to_owned(), files.clone()).await.expect("it is written"), files);
        assert_eq!(kept.read("a", 2).await, Some(files));
        assert_eq!(kept.read("a", 1).await, None);
        fs::write(folder.path().join("compiled/a"), b"fungraph prepared 9\nbroken").expect("write");
        assert_eq!(kept.read("a", 1).await, None);
    }

    #[tokio::test]
    async fn the_oldest_leave_when_there_are_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::new(folder.path().to_owned());
        for number in 0..MOST + 2 {
            let name = number.to_string();
            kept.write(name.clone(), vec![Vec::new()]).await.expect("it is written");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            File::options()
                .write(true)
                .open(folder.path().join(name))
                .expect("it is there")
                .set_modified(time)
                .expect("set");
        }
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left, (2..MOST + 2).map(|number| number.to_string()).collect::<Vec<_>>());
    }
}
