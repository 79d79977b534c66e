//! Layers by themselves, and pulls from a real registry.

pub(super) mod fake;
mod layers;
mod pulls;
mod registry;
mod room;
mod strangers;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use fungraph_model::Fault;
use tar::{EntryType, Header};

use super::ImageError;

/// A tar archive being written, also in ways that no tool writes one.
#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    pub(super) fn entry(mut self, kind: EntryType, name: &str, mode: u32, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_600_000_000);
        header.set_uid(7);
        header.set_gid(7);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, 0o600, "", content.as_bytes())
    }

    pub(super) fn program(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, 0o4711, "", content)
    }

    pub(super) fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, 0o700, "", b"")
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, 0o777, target, b"")
    }

    pub(super) fn second_name(self, name: &str, of: &str) -> Self {
        self.entry(EntryType::Link, name, 0o644, of, b"")
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub(super) fn gzip(self) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&self.bytes()).and_then(|()| packed.finish()).expect("memory takes everything")
    }
}

/// Bytes that no packing makes smaller.
pub(super) fn noise(size: usize) -> Tar {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = std::iter::repeat_with(next).take(size / 8).flatten().collect();
    Tar::default().program("noise", &bytes)
}

pub(super) fn fault<T>(result: Result<T, ImageError>) -> Fault {
    match result {
        Err(ImageError::Refused(fault)) => fault,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// What is in the folder of images, without those that are always there.
pub(super) fn kept(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for below in ["images", "images/blobs"] {
        let entries = fs::read_dir(folder.join(below)).expect("a folder").map(|entry| entry.expect("an entry"));
        names.extend(entries.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    names.retain(|name| name != "blobs" && name != "none");
    names
}
