//! Layers by themselves, and pulls from a real registry.

mod layers;
mod pulls;
mod registry;

use std::io::Write as _;

use tar::{EntryType, Header};

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
