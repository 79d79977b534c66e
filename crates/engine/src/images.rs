//! Container images as functions (contract: custom-runtime.md section 3): pulled when a function is created or changed, never for a call.

use std::{io::ErrorKind, sync::Arc};

use fungraph_instance::Root;
use fungraph_model::{
    CodePackage, CodeType, ErrorCode, Fault, FunctionImage, FunctionKey, FunctionVersion, ImageDefaults, Language,
    ProjectId, Runtime,
};
use fungraph_store::{ImageConfig, ImageError, InUse, images::Held};
use tokio::time::timeout;

use crate::{Engine, Error, draft::ImageDraft, validate};

/// The user of image functions (contract: limits.md).
const USER: u32 = 1003;
/// Longest command, arguments or folder.
const CHARS: usize = 4096;

/// An image that a function may have, and what the function has then.
pub(crate) struct Pulled {
    pub(crate) image: FunctionImage,
    pub(crate) code: CodePackage,
    /// Kept until a function names the image.
    _held: Held,
}

impl Engine {
    /// Brings the image that a draft names; what it leaves out is that of `old`.
    pub(crate) async fn pull_image(
        &self,
        key: &FunctionKey,
        draft: ImageDraft,
        old: Option<&FunctionImage>,
    ) -> Result<Pulled, Error> {
        let image = checked(draft, old)?;
        let limit = self.config.image_pull;
        let in_use = self.images_in_use(&key.project).await?;
        let pulled = timeout(limit, self.images.pull(&image.name, in_use)).await;
        let held = match pulled {
            Ok(Ok(held)) => held,
            Ok(Err(ImageError::Refused(fault))) => {
                tracing::warn!(function = %key, image = image.name, reason = fault.message, "an image was not pulled");
                return Err(fault.into());
            }
            Ok(Err(ImageError::Io { source, action, path }))
                if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
            {
                tracing::error!(path = %path.display(), action, "the disk is full, so no image can be pulled");
                return Err(Fault::new(
                    ErrorCode::Unavailable,
                    "The disk of this server is full. Ask its operator to make room",
                )
                .into());
            }
            Ok(Err(error)) => return Err(Error::internal("keep an image", error)),
            Err(_) => {
                tracing::warn!(function = %key, image = image.name, "an image was not pulled in time");
                return Err(too_slow(&image.name, limit.as_secs()).into());
            }
        };
        let code = CodePackage {
            code_type: CodeType::Image,
            filename: String::new(),
            // It takes nothing of the quota of code packages.
            size: 0,
            digest: held.image.digest.clone(),
        };
        let image = FunctionImage { own: defaults(&held.image.config), ..image };
        if image.command_line().first().is_none_or(String::is_empty) {
            return Err(Fault::new(
                ErrorCode::BadCode,
                "The image has neither an entry point nor a command. Give one in custom_image.command, or build the image with one",
            )
            .into());
        }
        Ok(Pulled { image, code, _held: held })
    }

    async fn images_in_use(&self, project: &ProjectId) -> Result<InUse, Error> {
        let moment = self.images.now();
        let functions = self.store.images_in_use().await;
        let functions = functions.map_err(|source| Error::internal("list the images in use", source))?;
        Ok(InUse::of(moment, project.clone(), functions, self.pool.digests().into_iter().collect()))
    }

    /// The root file system of a function that is an image.
    pub(crate) fn root(&self, version: &FunctionVersion) -> Option<Arc<Root>> {
        let image = version.image.as_ref()?;
        let tree = self.images.root_of(&version.code.digest);
        Some(Arc::new(Root { tree, uid: image.uid, gid: image.gid }))
    }
}

/// Images belong to one runtime, and other code to the others.
pub(crate) fn check_code_type(code_type: Option<&str>, runtime: Runtime) -> Result<bool, Fault> {
    let is_image = runtime.language() == Language::Image;
    let says_image = code_type == Some(CodeType::Image.name());
    match (is_image, says_image) {
        (true, false) => Err(Fault::new(
            ErrorCode::BadCodeType,
            format!("The runtime {} takes the code_type {} and a custom_image", runtime.name(), CodeType::Image.name()),
        )),
        (false, true) => Err(Fault::new(
            ErrorCode::BadCodeType,
            format!(
                "code_type {} does not fit the runtime {}. Use the runtime Custom Image",
                CodeType::Image.name(),
                runtime.name()
            ),
        )),
        _ => Ok(is_image),
    }
}

/// Only image functions have one.
pub(crate) fn unexpected(runtime: Runtime) -> Fault {
    Fault::new(
        ErrorCode::BadParameter,
        format!(
            "custom_image does not fit the runtime {}. Leave it out, or create the function with the runtime Custom Image",
            runtime.name()
        ),
    )
}

fn checked(draft: ImageDraft, old: Option<&FunctionImage>) -> Result<FunctionImage, Fault> {
    let fresh = FunctionImage { uid: USER, gid: USER, ..FunctionImage::default() };
    let old = old.unwrap_or(&fresh);
    let name = draft.image.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| old.name.clone());
    if name.is_empty() {
        return Err(Fault::new(ErrorCode::BadImageUrl, "custom_image.image is missing. Use registry/repository:tag"));
    }
    Ok(FunctionImage {
        name,
        command: text("command", draft.command, &old.command)?,
        args: text("args", draft.args, &old.args)?,
        working_dir: directory(text("working_dir", draft.working_dir, &old.working_dir)?)?,
        uid: id("uid", draft.uid, old.uid)?,
        gid: id("gid", draft.gid, old.gid)?,
        own: ImageDefaults::default(),
    })
}

fn text(field: &str, new: Option<String>, old: &str) -> Result<String, Fault> {
    let text = new.unwrap_or_else(|| old.to_owned());
    if text.chars().count() > CHARS || text.contains('\0') {
        let message = format!("custom_image.{field} has a zero byte or more than {CHARS} characters");
        return Err(Fault::new(ErrorCode::BadParameter, message));
    }
    Ok(text)
}

fn directory(path: String) -> Result<String, Fault> {
    if path.is_empty() || path.starts_with('/') {
        return Ok(path);
    }
    Err(Fault::new(
        ErrorCode::BadParameter,
        "custom_image.working_dir must be an absolute path inside the image, /app for instance",
    ))
}

/// -1 is the usual user; 0, 1000 and 1002 are nobody's to have (contract: limits.md).
fn id(field: &str, new: Option<i64>, old: u32) -> Result<u32, Fault> {
    match new {
        None => Ok(old),
        Some(-1) => Ok(USER),
        Some(id) => {
            let id = u32::try_from(id).ok().filter(|id| *id <= 65_534 && ![0, 1000, 1002].contains(id));
            id.ok_or_else(|| {
                let message = format!("custom_image.{field} must be -1 or 1 to 65534, and neither 1000 nor 1002");
                Fault::new(ErrorCode::BadParameter, message)
            })
        }
    }
}

fn defaults(config: &ImageConfig) -> ImageDefaults {
    let ImageConfig { entrypoint, cmd, env, working_dir } = config.clone();
    ImageDefaults { entrypoint, cmd, env, working_dir }
}

fn too_slow(name: &str, seconds: u64) -> Fault {
    let name = validate::clip(name);
    Fault::new(
        ErrorCode::ImageNotRead,
        format!(
            "The image '{name}' was not here after {seconds} seconds. What came is kept: send the request again to go on"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_that_nobody_may_have_are_refused() {
        for (given, expected) in [(-1, Some(1003)), (1, Some(1)), (65_534, Some(65_534)), (1001, Some(1001))] {
            assert_eq!(id("uid", Some(given), 5).ok(), expected);
        }
        for bad in [0, 1000, 1002, 65_535, -2, i64::MAX] {
            assert!(id("uid", Some(bad), 5).is_err(), "{bad}");
        }
        assert_eq!(id("uid", None, 5), Ok(5));
    }

    #[test]
    fn an_update_keeps_what_it_leaves_out() {
        let draft =
            ImageDraft { image: Some("a:1".into()), args: Some("x".into()), uid: Some(7), ..ImageDraft::default() };
        let first = checked(draft, None).expect("it is one");
        assert_eq!((first.uid, first.gid), (7, 1003));
        let draft = ImageDraft { image: Some("a:2".into()), ..ImageDraft::default() };
        let second = checked(draft, Some(&first)).expect("it is one");
        assert_eq!((second.name.as_str(), second.args.as_str(), second.uid), ("a:2", "x", 7));
        assert!(checked(ImageDraft::default(), None).is_err());
        let relative = ImageDraft { image: Some("a".into()), working_dir: Some("app".into()), ..ImageDraft::default() };
        assert!(checked(relative, None).is_err());
    }

    #[test]
    fn images_and_their_runtime_belong_together() {
        let runtime = |name: &str| Runtime::parse(name).expect("in the list");
        assert_eq!(check_code_type(Some("Custom-Image-Swr"), runtime("Custom Image")), Ok(true));
        assert_eq!(check_code_type(Some("zip"), runtime("Custom")), Ok(false));
        assert!(check_code_type(Some("zip"), runtime("Custom Image")).is_err());
        assert!(check_code_type(Some("Custom-Image-Swr"), runtime("http")).is_err());
    }
}
