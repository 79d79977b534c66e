//! Code: what a draft says or names, checked and kept as a package.

mod in_place;

use bytes::{Bytes, BytesMut};
use fungraph_model::{
    CODE_URL, CodePackage, CodeType, ErrorCode, Fault, FunctionSpec, FunctionVersion, Language, ProjectId, Runtime,
    limits,
};
use fungraph_store::{Arrival, ObjectError, PackageError, Pin, Turn};
use serde_json::{Map, Value};

use crate::{CodeDraft, Encoded, Engine, Error, quotas::Room, validate};

/// What inline functions without code begin as (contract: schemas.json, `FuncCode.file`).
const PYTHON_SAMPLE: &str = "# -*- coding:utf-8 -*-\nimport json\n\ndef handler(event, context):\n    return {\n        \"statusCode\": 200,\n        \"isBase64Encoded\": False,\n        \"body\": json.dumps(event),\n        \"headers\": {\"Content-Type\": \"application/json\"}\n    }\n";
const NODEJS_SAMPLE: &str = "exports.handler = async (event, context) => ({\n    statusCode: 200,\n    headers: { 'Content-Type': 'application/json' },\n    isBase64Encoded: false,\n    body: JSON.stringify(event),\n});\n";
const PHP_SAMPLE: &str = "<?php\nfunction handler($event, $context) {\n    return [\n        'statusCode' => 200,\n        'headers' => ['Content-Type' => 'application/json'],\n        'isBase64Encoded' => false,\n        'body' => json_encode($event),\n    ];\n}\n";

impl Engine {
    /// Fetches the code of a draft that names a link; `None` where it brings its code itself. Waits for others, so nothing may be held
    /// meanwhile.
    pub(crate) async fn fetch_code(
        &self,
        project: &ProjectId,
        draft: &CodeDraft,
        runtime: Runtime,
    ) -> Result<Option<Fetched>, Error> {
        if draft.code_type.as_deref() != Some(CodeType::Object.name()) {
            return Ok(None);
        }
        code_type(draft.code_type.as_deref(), runtime)?;
        let link = draft.link.as_deref().filter(|link| !link.is_empty());
        let link = link.ok_or_else(|| {
            Fault::new(ErrorCode::CodeMissing, "code_url is missing. Give the link of the package in code_url")
        })?;
        self.fetch(project, link).await.map(Some)
    }

    /// The turn of a project to bring a package, to be held until something that is stored names it.
    ///
    /// # Errors
    /// FSS.0429.
    pub(crate) async fn way(&self, project: &ProjectId) -> Result<Turn, Error> {
        self.packages.way(&project.0).await.map_err(|error| match error {
            PackageError::Busy => Fault::new(
                ErrorCode::TooManyRequests,
                "The project brings too many packages at the same time. Send this one again when others are done",
            )
            .into(),
            error => package_error(error),
        })
    }

    /// Brings a package from elsewhere.
    pub(crate) async fn fetch(&self, project: &ProjectId, link: &str) -> Result<Fetched, Error> {
        let link_shown = self.objects.check(link).map_err(object_error)?;
        let mut arrival = self.packages.arrive().await.map_err(package_error)?;
        let fetched = self.objects.fetch(project, link, &mut arrival).await;
        fetched.map_err(|error| {
            if let ObjectError::Refused(fault) = &error {
                tracing::info!(%project, link = link_shown, reason = fault.message, "a package was not fetched");
            }
            object_error(error)
        })?;
        tracing::info!(%project, link = link_shown, bytes = arrival.size(), "package fetched");
        Ok(Fetched { link: link_shown, arrival })
    }

    /// Checks a draft and keeps its package, where there is room for it. The pin is to be held until a function names the package.
    pub(crate) async fn keep_code(
        &self,
        draft: CodeDraft,
        runtime: Runtime,
        fetched: Option<Fetched>,
        room: &Room,
    ) -> Result<(CodePackage, Pin), Error> {
        let code_type = code_type(draft.code_type.as_deref(), runtime)?;
        if let Some(fetched) = fetched {
            room.check(fetched.size())?;
            let filename = filename_of_link(draft.filename, &fetched.link);
            return self.packages.keep(code_type, &filename, fetched.arrival).await.map_err(package_error);
        }
        let filename = filename(draft.filename, code_type, runtime)?;
        let bytes = match (draft.bytes, draft.file.filter(|file| !file.text.is_empty())) {
            (Some(bytes), _) => bytes,
            (None, Some(file)) => decode(file, &CODE).await?,
            (None, None) => return Err(missing(code_type).into()),
        };
        room.check(bytes.len() as u64)?;
        self.packages.put(code_type, &filename, bytes).await.map_err(package_error)
    }

    /// The code of a new function: a sample where it brings none. An update never puts one in the place of what is there.
    pub(crate) async fn first_code(
        &self,
        draft: CodeDraft,
        runtime: Runtime,
        fetched: Option<Fetched>,
        room: &Room,
    ) -> Result<(CodePackage, Pin), Error> {
        let code_type = code_type(draft.code_type.as_deref(), runtime)?;
        if code_type != CodeType::Inline || draft.brings_code() {
            return self.keep_code(draft, runtime, fetched, room).await;
        }
        let filename = filename(draft.filename, code_type, runtime)?;
        self.packages.put(code_type, &filename, sample(runtime)?).await.map_err(package_error)
    }

    /// Source text of inline code; packages are downloaded instead.
    pub(crate) async fn inline_source(&self, version: &FunctionVersion) -> Result<Option<Bytes>, Error> {
        if version.code.code_type != CodeType::Inline {
            return Ok(None);
        }
        self.packages.bytes(&version.code).await.map(Some).map_err(read_error)
    }

    /// An uploaded package as a file, for download links.
    ///
    /// # Errors
    /// FSS.0404 where no function has this code any more.
    pub async fn open_package(&self, package: &CodePackage) -> Result<tokio::fs::File, Error> {
        self.packages.open_file(package).map(tokio::fs::File::from_std).map_err(read_error)
    }

    /// Removes packages that no function and no instance uses.
    pub(crate) async fn remove_unused_packages(&self) -> Result<(), Error> {
        let collection = self.packages.collection().await;
        let mut used =
            self.store.digests_in_use().await.map_err(|source| Error::internal("list the code in use", source))?;
        used.extend(self.pool.digests());
        let removed = self.images.collect(&used).await;
        let removed = removed.map_err(|error| Error::internal("remove unused images", error))?;
        if removed > 0 {
            tracing::info!(removed, "removed images that no function uses");
        }
        let removed = collection.remove_all_but(used).await.map_err(package_error)?;
        if removed > 0 {
            tracing::info!(removed, "removed code packages that no function uses");
        }
        Ok(())
    }
}

/// A package that came from elsewhere.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where from, as it may be shown.
    pub(crate) link: String,
    pub(crate) arrival: Arrival,
}

impl Fetched {
    pub(crate) fn size(&self) -> u64 {
        self.arrival.size()
    }
}

impl CodeDraft {
    /// Whether it has code, or says where some is.
    pub(crate) fn brings_code(&self) -> bool {
        let link = self.link.as_ref().filter(|_| self.code_type.as_deref() == Some(CodeType::Object.name()));
        let file = self.file.as_ref().is_some_and(|file| !file.text.is_empty());
        self.bytes.is_some() || file || link.is_some_and(|link| !link.is_empty())
    }
}

/// The specification of a function whose code came from a link, or did not.
pub(crate) fn from_link(mut spec: FunctionSpec, link: Option<&str>) -> FunctionSpec {
    let mut passive: Map<String, Value> = serde_json::from_str(&spec.passive).unwrap_or_default();
    let changed = match link {
        Some(link) => passive.insert(CODE_URL.to_owned(), Value::from(link)).as_ref() != Some(&Value::from(link)),
        None => passive.shift_remove(CODE_URL).is_some(),
    };
    if changed {
        spec.passive = Value::Object(passive).to_string();
    }
    spec
}

fn object_error(error: ObjectError) -> Error {
    match error {
        ObjectError::Refused(fault) => Error::Refused(fault),
        ObjectError::Package(error) => package_error(error),
    }
}

pub(crate) fn package_error(error: PackageError) -> Error {
    match error {
        PackageError::Refused(fault) => Error::Refused(fault),
        error => Error::internal("keep a code package", error),
    }
}

/// The same while a package is read that no function may have any more: it goes as soon as that is so.
pub(crate) fn read_error(error: PackageError) -> Error {
    let PackageError::Missing { digest } = error else { return package_error(error) };
    tracing::warn!(
        digest = digest.0,
        "code is not there any more that somebody reads; it was replaced, or removed from the data folder"
    );
    Fault::new(
        ErrorCode::NotFound,
        "The code is not there any more: the function was changed or deleted meanwhile. Ask for the function again",
    )
    .into()
}

fn code_type(name: Option<&str>, runtime: Runtime) -> Result<CodeType, Fault> {
    let bad = |why: &str| Fault::new(ErrorCode::BadCodeType, format!("code_type {why}. Use inline, zip, jar or obs"));
    let code_type = match name {
        None | Some("") => return Err(bad("is missing")),
        Some(name) => {
            CodeType::parse(name).ok_or_else(|| bad(&format!("'{}' does not exist", validate::clip(name))))?
        }
    };
    if code_type == CodeType::Inline && runtime.main_file().is_none() {
        let or_jar = if runtime.language() == Language::Java { " or jar" } else { "" };
        let message = format!("code_type inline does not fit the runtime {}. Use zip{or_jar}", runtime.name());
        return Err(Fault::new(ErrorCode::BadCodeType, message));
    }
    Ok(code_type)
}

fn filename(given: Option<String>, code_type: CodeType, runtime: Runtime) -> Result<String, Fault> {
    let given = given.filter(|name| !name.is_empty());
    Ok(match (given, code_type) {
        (Some(name), _) => name,
        (None, CodeType::Inline) => {
            let main = runtime.main_file();
            main.ok_or_else(|| Fault::new(ErrorCode::BadFilename, "code_filename is missing"))?.to_owned()
        }
        (None, CodeType::Zip) => "index.zip".to_owned(),
        (None, CodeType::Jar) => "index.jar".to_owned(),
        (None, CodeType::Image | CodeType::Object) => String::new(),
    })
}

/// What a fetched package is called: whether it is a jar is told by that.
fn filename_of_link(given: Option<String>, link: &str) -> String {
    let path = link.split('?').next().unwrap_or(link);
    let last = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.zip");
    given.filter(|name| !name.is_empty()).unwrap_or_else(|| last.to_owned())
}

fn sample(runtime: Runtime) -> Result<Bytes, Fault> {
    match runtime.language() {
        Language::Python => Ok(Bytes::from_static(PYTHON_SAMPLE.as_bytes())),
        Language::NodeJs => Ok(Bytes::from_static(NODEJS_SAMPLE.as_bytes())),
        Language::Php => Ok(Bytes::from_static(PHP_SAMPLE.as_bytes())),
        _ => Err(missing(CodeType::Inline)),
    }
}

fn missing(code_type: CodeType) -> Fault {
    Fault::new(
        ErrorCode::CodeMissing,
        format!(
            "func_code.file is missing. Send the {} as base64 in func_code.file, or its link in code_url with code_type obs",
            match code_type {
                CodeType::Inline => "source text",
                CodeType::Zip | CodeType::Jar | CodeType::Object | CodeType::Image => "archive",
            }
        ),
    )
}

/// A field with the base64 of an archive.
pub(crate) struct Upload {
    pub(crate) field: &'static str,
    pub(crate) what: &'static str,
    /// Bytes it may have, decoded.
    pub(crate) most: usize,
    /// Code of the refusal where it is no base64.
    pub(crate) unreadable: ErrorCode,
    /// And where it is longer.
    pub(crate) too_large: ErrorCode,
}

const CODE: Upload = Upload {
    field: "func_code.file",
    what: "code package",
    most: limits::PACKAGE_BYTES,
    unreadable: ErrorCode::BadCode,
    too_large: ErrorCode::PackageTooLarge,
};

/// A dependency's archive.
pub(crate) const DEPENDENCY: Upload = Upload {
    field: "depend_file",
    what: "dependency",
    most: limits::DEPENDENCY_BYTES,
    unreadable: ErrorCode::BadDependency,
    too_large: ErrorCode::PackageTooLarge,
};

/// A large package takes its time to decode, away from the threads that serve calls; its bytes take the place of the text.
pub(crate) async fn decode(encoded: Encoded, upload: &'static Upload) -> Result<Bytes, Error> {
    let Encoded { text, held } = encoded;
    let Upload { field, what, most, unreadable, too_large } = upload;
    if text.len() / 4 * 3 > most + 3 {
        return Err(Fault::new(
            *too_large,
            format!(
                "the {what} is over {} MB. Make it smaller, or give the link of a package in object storage",
                most >> 20
            ),
        )
        .into());
    }
    tokio::task::spawn_blocking(move || {
        let mut bytes = text.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let decoded = in_place::decode_in_place(&mut bytes).map_err(|error| {
            Fault::new(*unreadable, format!("{field} is not base64 ({error}). Encode the file's bytes as base64"))
        })?;
        let bytes = bytes.freeze().slice(decoded);
        Ok(match held {
            Some(held) => crate::held(bytes, held),
            None => bytes,
        })
    })
    .await
    .map_err(|source| Error::internal("decode a code package", source))?
    .map_err(Error::Refused)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn what_is_held_for_a_text_is_held_for_the_bytes_in_its_place() {
        let (share, seen) = (Arc::new(()), |share: &Arc<()>| Arc::strong_count(share));
        let encoded = |text| Encoded { text: Bytes::from_static(text), held: Some(share.clone()) };
        let bytes = decode(encoded(b"Y29kZQ=="), &CODE).await.expect("base64");
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!((&part[..], seen(&share)), (&b"od"[..], 2));
        drop(part);
        assert_eq!(seen(&share), 1);
        assert!(decode(encoded(b"*"), &CODE).await.is_err());
        assert_eq!(seen(&share), 1, "nobody has bytes of what is no base64");
    }
}
