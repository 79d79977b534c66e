//! Packs a folder into a zip in memory, as a person would before an upload.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context as _;
use fungraph_model::limits;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::exit::Stop;

/// What no function needs and everybody has lying about.
const LEFT_OUT: [&str; 3] = [".git", "__pycache__", ".DS_Store"];

/// The zip of all files below `folder`, links followed where they stay inside it.
///
/// # Errors
/// A file cannot be read, a link leads out, or it is all too much.
pub(super) fn pack(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let root = folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut packer = Packer { root: &root, zip: ZipWriter::new(Cursor::new(Vec::new())), bytes: 0, depth: 0 };
    packer.folder(&root, "")?;
    let zip = packer.zip.finish().context("cannot pack the folder")?.into_inner();
    if zip.len() > limits::PACKAGE_BYTES {
        return Err(too_large(
            folder,
            &format!("it packs to {} MB, and a function may have {} MB", zip.len() >> 20, limits::PACKAGE_BYTES >> 20),
        ));
    }
    Ok(zip)
}

struct Packer<'a> {
    root: &'a Path,
    zip: ZipWriter<Cursor<Vec<u8>>>,
    bytes: u64,
    depth: usize,
}

impl Packer<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        self.depth += 1;
        if self.depth > 64 {
            return Err(Stop::usage(format!("{} is nested too deep; does a link lead back up?", folder.display())));
        }
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        // The same folder always packs to the same bytes.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                Stop::usage(format!(
                    "the name of {} is not UTF-8, which a code package cannot hold",
                    entry.path().display()
                ))
            })?;
            if !LEFT_OUT.contains(&name) {
                self.entry(&entry.path(), &format!("{prefix}{name}"))?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str) -> anyhow::Result<()> {
        let real =
            path.canonicalize().map_err(|error| Stop::usage(format!("cannot read {}: {error}", path.display())))?;
        if !real.starts_with(self.root) {
            return Err(Stop::usage(format!(
                "{} leads out of the folder, to {}; put a copy there",
                path.display(),
                real.display()
            )));
        }
        let found = fs::metadata(&real)?;
        if found.is_dir() {
            return self.folder(&real, &format!("{name}/"));
        }
        if !found.is_file() {
            return Err(Stop::usage(format!(
                "{} is no file; a code package holds files and folders only",
                path.display()
            )));
        }
        self.bytes += found.len();
        if self.bytes > limits::UNPACKED_BYTES {
            let most = limits::UNPACKED_BYTES >> 20;
            return Err(too_large(self.root, &format!("its files are more than {most} MB")));
        }
        let options = SimpleFileOptions::default().unix_permissions(found.permissions().mode() & 0o755);
        let content = fs::read(&real).with_context(|| format!("cannot read {}", real.display()))?;
        self.zip
            .start_file(name, options.large_file(content.len() > u32::MAX as usize))
            .context("cannot pack the folder")?;
        self.zip.write_all(&content).context("cannot pack the folder")
    }
}

fn too_large(folder: &Path, why: &str) -> anyhow::Error {
    Stop::usage(format!("{} is too large: {why}; leave out what the function does not need", folder.display()))
}
