//! One layer: a tar archive, perhaps packed, laid over what is there.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use rustix::io::Errno;
use tar::{Archive, EntryType, Header};

use super::allowance::Allowance;
use super::pax;
use super::room::NoRoom;
use super::tree::{Tree, changed_at, inside};
use super::zstd::Frames;

/// Longest name or target of a link; the kernel takes less.
const NAME: u64 = 64 << 10;
/// What may be said of one entry in front of it.
const EXTENSIONS: u64 = 1 << 20;
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// Why a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayerError {
    /// What is in it is not what an image may hold.
    #[error("{0}")]
    Bad(String),
    /// It holds more than an image may.
    #[error("unpacked, the image has more than {0}")]
    TooLarge(String),
    /// There is no room for it.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// This machine did not do what was asked of it.
    #[error(transparent)]
    Io(io::Error),
}

impl Packing {
    /// By the media type of a layer; `None` for one that is no file system.
    pub(super) fn of(media_type: &str) -> Option<Self> {
        let layer = media_type.contains(".layer.") || media_type.contains(".rootfs.");
        let kind = media_type.rsplit(['.', '/']).next().unwrap_or_default();
        match kind {
            "tar" if layer => Some(Self::None),
            "tar+gzip" if layer => Some(Self::Gzip),
            "gzip" if layer => Some(Self::Gzip),
            "tar+zstd" if layer => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Lays a layer over the tree, in constant memory; returns the number of its entries.
pub(super) fn unpack(
    file: &Path,
    packing: Packing,
    tree: &mut Tree,
    allowance: &mut Allowance<'_>,
) -> Result<u64, LayerError> {
    let packed = BufReader::with_capacity(128 << 10, File::open(file).map_err(LayerError::Io)?);
    match packing {
        Packing::None => unpack_tar(packed, tree, allowance),
        Packing::Gzip => unpack_tar(MultiGzDecoder::new(packed), tree, allowance),
        Packing::Zstd => unpack_tar(Frames::new(packed), tree, allowance),
    }
}

/// What stands in front of an entry and is meant for it.
#[derive(Default)]
struct Before {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

fn unpack_tar(packed: impl Read, tree: &mut Tree, allowance: &mut Allowance<'_>) -> Result<u64, LayerError> {
    tree.next_layer();
    let before = allowance.entries();
    let limit = allowance.bytes();
    // One byte more than allowed is enough to know.
    let mut archive = Archive::new(packed.take(limit.saturating_add(1)));
    let mut said = Before::default();
    let entries = archive.entries().map_err(|error| unreadable(&error))?.raw(true);
    let mut end = 0;
    for entry in entries {
        let mut entry = entry.map_err(|error| if end > limit { allowance.exceeded() } else { unreadable(&error) })?;
        let header = entry.header().clone();
        end = entry.raw_file_position().saturating_add(entry.size());
        if end > limit {
            return Err(allowance.exceeded());
        }
        allowance.entry(entry.size())?;
        match header.entry_type() {
            EntryType::GNULongName => said.path = Some(text(&mut entry, NAME)?),
            EntryType::GNULongLink => said.link = Some(text(&mut entry, NAME)?),
            EntryType::XHeader => extensions(&text(&mut entry, EXTENSIONS)?, &mut said)?,
            EntryType::XGlobalHeader => {}
            kind => lay(kind, &header, &mut entry, std::mem::take(&mut said), tree)?,
        }
    }
    allowance.passed(end);
    Ok(before - allowance.entries())
}

fn unreadable(error: &io::Error) -> LayerError {
    LayerError::Bad(format!("one of its layers cannot be read: {error}"))
}

/// The bytes of a short entry, without what fills them up.
fn text(entry: &mut impl Read, most: u64) -> Result<Vec<u8>, LayerError> {
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > most {
        return Err(LayerError::Bad("a name in one of its layers is too long".to_owned()));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

fn extensions(bytes: &[u8], said: &mut Before) -> Result<(), LayerError> {
    let records =
        pax::records(bytes).map_err(|why| LayerError::Bad(format!("one of its layers cannot be read: {why}")))?;
    for (key, value) in records {
        match key {
            b"path" => said.path = Some(value.to_vec()),
            b"linkpath" => said.link = Some(value.to_vec()),
            // A file beyond 8 GB: its header has no room for the size, and all after it would be read wrongly.
            b"size" => return Err(LayerError::Bad("a file in one of its layers is too large".to_owned())),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(LayerError::Bad(
                    "one of its layers holds sparse files, which are not supported".to_owned(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn lay(
    kind: EntryType,
    header: &Header,
    content: &mut impl Read,
    said: Before,
    tree: &mut Tree,
) -> Result<(), LayerError> {
    let raw = said.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let named = |why: String| LayerError::Bad(format!("its entry '{}' {why}", shown(&raw)));
    let path = inside(&raw).map_err(|why| named(why.to_owned()))?;
    let name = path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default();
    let above = path.parent().unwrap_or(Path::new(""));
    let target = || said.link.clone().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
    let done = if name == OPAQUE {
        tree.white_out_inside(above)
    } else if let Some(gone) = name.strip_prefix(WHITEOUT) {
        let gone: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(gone);
        // `.wh..` and `.wh...` would name the folder itself and the one above it.
        if matches!(gone.as_encoded_bytes(), b"" | b"." | b"..") {
            return Err(named("takes away what is no entry of its folder".to_owned()));
        }
        tree.white_out(&above.join(gone))
    } else {
        match kind {
            EntryType::Directory => tree.folder(&path),
            EntryType::Regular | EntryType::Continuous => return file(header, content, &path, tree),
            EntryType::Symlink => {
                let target = target().filter(|target| !target.is_empty() && !target.contains(&0));
                tree.link(&path, &target.ok_or_else(|| named("is a link to nothing".to_owned()))?)
            }
            EntryType::Link => {
                let of = target().ok_or_else(|| named("is a second name of nothing".to_owned()))?;
                let of = inside(&of).map_err(|why| named(format!("is a second name of what {why}")))?;
                tree.second_name(&path, &of)
            }
            // Sandboxes have devices of their own, and nobody waits at the other end of a pipe.
            EntryType::Char | EntryType::Block | EntryType::Fifo => Ok(()),
            _ => return Err(named("is of a kind that no image has".to_owned())),
        }
    };
    done.map_err(|error| placed(error, &raw))
}

fn file(header: &Header, content: &mut impl Read, path: &Path, tree: &mut Tree) -> Result<(), LayerError> {
    let raw = path.as_os_str().as_encoded_bytes();
    // A mode that cannot be read is the usual one.
    let executable = header.mode().unwrap_or(0o644) & 0o111 != 0;
    let mut file = tree.file(path, executable).map_err(|error| placed(error, raw))?;
    copy(content, &mut file)?;
    changed_at(&file, header.mtime().unwrap_or(0)).map_err(LayerError::Io)
}

/// Tells what cannot be read, which is the image's fault, from what cannot be written.
fn copy(content: &mut impl Read, file: &mut File) -> Result<(), LayerError> {
    use io::Write as _;
    let mut buffer = [0; 16 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => file.write_all(&buffer[..read]).map_err(LayerError::Io)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
}

/// Entries that do not fit to others are the image's fault.
pub(super) fn placed(error: io::Error, raw: &[u8]) -> LayerError {
    let Some(why) = misfit(&error) else { return LayerError::Io(error) };
    LayerError::Bad(format!("its entry '{}' does not fit to the others: {why}", shown(raw)))
}

/// What the kernel says of paths that cannot be, in its words; `None` where this machine is at fault.
fn misfit(error: &io::Error) -> Option<String> {
    let Some(errno) = Errno::from_io_error(error) else {
        // What the tree itself refuses.
        return (error.kind() == io::ErrorKind::InvalidFilename).then(|| error.to_string());
    };
    let paths = [
        Errno::NOENT,
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::NAMETOOLONG,
        Errno::EXIST,
        Errno::MLINK,
        Errno::LOOP,
        // A second name of a folder.
        Errno::PERM,
        Errno::NOTEMPTY,
    ];
    paths.contains(&errno).then(|| error.to_string())
}

/// Names come from strangers: control characters are escaped and the length is bounded.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(120).flat_map(char::escape_debug).collect()
}
