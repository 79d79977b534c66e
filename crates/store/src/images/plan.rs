//! What a manifest says an image consists of, checked before anything of it is brought.

use serde::Deserialize;

use super::ImageLimits;
use super::config::architecture;
use super::error::{ImageError, unusable};
use super::layer::Packing;
use super::registry::shown;

/// What an image consists of.
pub(super) struct Plan {
    pub(super) config: Part,
    pub(super) layers: Vec<Part>,
    /// Bytes of the layers.
    pub(super) size: u64,
}

/// A blob of it.
pub(super) struct Part {
    /// 64 hexadecimal characters.
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) packing: Packing,
}

/// What stands under the name of an image: the image, or a list of one for each kind of machine.
pub(super) enum Manifest {
    Image(ImageManifest),
    /// Digest of the one for this machine: `sha256:…`.
    List(String),
}

/// As far as it is read, of what the image format has (OCI image manifest; Docker's version 2, schema 2).
#[derive(Deserialize)]
pub(super) struct ImageManifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
}

/// Both forms: the media type may be absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    manifests: Option<Vec<Entry>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

impl Manifest {
    /// Reads one. What is wrong with it is not told in the words of the reader, who would show parts of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let unreadable = || unusable("The image has a manifest that cannot be read. Push the image again".to_owned());
        let document: Document = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
        match document {
            Document { schema_version: 2, manifests: Some(list), .. } => for_this_machine(list).map(Self::List),
            Document { schema_version: 2, config: Some(config), layers: Some(layers), .. } => {
                Ok(Self::Image(ImageManifest { config, layers }))
            }
            Document { schema_version: 1, .. } => {
                Err(unusable("The image is of an old format. Push it again with a tool of today".to_owned()))
            }
            _ => Err(unreadable()),
        }
    }
}

fn for_this_machine(list: Vec<Entry>) -> Result<String, ImageError> {
    let here = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
    let fitting = list.into_iter().find(|entry| entry.platform.as_ref().is_some_and(here));
    fitting.map(|entry| entry.digest).ok_or_else(|| {
        unusable(format!(
            "The image is not built for linux/{}, which this server runs. Build it for that",
            architecture()
        ))
    })
}

impl Plan {
    pub(super) fn of(manifest: &ImageManifest, limits: &ImageLimits) -> Result<Self, ImageError> {
        if manifest.layers.len() > limits.layers {
            let (has, most) = (manifest.layers.len(), limits.layers);
            return Err(unusable(format!(
                "The image has {has} layers, and {most} are allowed. Build it in fewer steps"
            )));
        }
        let layers: Vec<Part> = manifest.layers.iter().map(layer).collect::<Result<_, _>>()?;
        let size = layers.iter().fold(0, |all: u64, layer| all.saturating_add(layer.size));
        if size > limits.packed_bytes {
            return Err(unusable(format!(
                "The image has more than {} MB. Leave out what it does not need",
                limits.packed_bytes >> 20
            )));
        }
        let config = part(&manifest.config, Packing::None)?;
        if config.size > limits.config_bytes {
            return Err(unusable("The configuration of the image is too large".to_owned()));
        }
        Ok(Self { config, layers, size })
    }

    /// All of its blobs.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.layers.iter().chain([&self.config])
    }
}

fn layer(descriptor: &Descriptor) -> Result<Part, ImageError> {
    let packing = Packing::of(&descriptor.media_type).ok_or_else(|| {
        unusable(format!(
            "The image has a layer of the kind '{}', and only tar archives are unpacked here, plain or packed with gzip or zstd",
            shown(&descriptor.media_type)
        ))
    })?;
    part(descriptor, packing)
}

fn part(descriptor: &Descriptor, packing: Packing) -> Result<Part, ImageError> {
    Ok(Part { digest: sha256(&descriptor.digest)?.to_owned(), size: descriptor.size, packing })
}

/// The hexadecimal part of a digest that becomes a file's name.
pub(super) fn sha256(digest: &str) -> Result<&str, ImageError> {
    digest.strip_prefix("sha256:").filter(|hex| is_digest(hex)).ok_or_else(|| {
        unusable(format!("The image names something by '{}', and only sha256 digests are known here", shown(digest)))
    })
}

pub(super) fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T>(result: Result<T, ImageError>) -> String {
        match result {
            Err(ImageError::Refused(fault)) => fault.message,
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("it was taken"),
        }
    }

    #[test]
    fn the_image_for_this_machine_is_taken_from_a_list() {
        let list = |arch: &str| {
            format!(
                r#"{{"schemaVersion":2,"manifests":[{{"digest":"sha256:a","size":1}},
                {{"digest":"sha256:b","size":1,"platform":{{"os":"linux","architecture":"{arch}"}}}}]}}"#
            )
        };
        let Ok(Manifest::List(digest)) = Manifest::read(list(architecture()).as_bytes()) else { panic!("a list") };
        assert_eq!(digest, "sha256:b");
        assert!(refused(Manifest::read(list("mips").as_bytes())).contains("Build it for that"));
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_not_shown() {
        for bad in [r#"{"secret":"x"}"#, "secret", r#"{"schemaVersion":2,"config":"secret"}"#, r#"{"schemaVersion":2}"#]
        {
            let told = refused(Manifest::read(bad.as_bytes()));
            assert!(told.contains("cannot be read") && !told.contains("secret"), "{told}");
        }
        assert!(refused(Manifest::read(br#"{"schemaVersion":1}"#)).contains("old format"));
    }

    #[test]
    fn digests_become_names_of_files() {
        assert!(sha256(&format!("sha256:{}", "a1".repeat(32))).is_ok());
        for bad in ["", "sha256:", "sha512:00", &format!("sha256:{}", "A1".repeat(32)), "sha256:../../x"] {
            assert!(sha256(bad).is_err(), "{bad}");
        }
    }
}
