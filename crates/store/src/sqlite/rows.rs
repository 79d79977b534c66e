//! A function version as a row and back. Columns with a meaning of their own are columns; free-form objects are JSON.

use std::collections::BTreeMap;

use fungraph_model::{
    CodePackage, CodeType, Digest, DomainId, FunctionKey, FunctionSpec, FunctionVersion, HookSpec, ProjectId, Runtime,
    Secret, Strategy,
};
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row, Sqlite, Type};

use super::{dependencies, image, mounts, seal};
use crate::{Error, SecretBox};

/// What [`read`] needs beside the dependencies, from `functions f`, `projects p` and `function_versions v`.
macro_rules! columns {
    () => {
        "f.project, f.package, f.name, f.func_id, p.domain, v.version, v.runtime, v.handler, v.timeout_s, v.memory_mb, \
         v.tmp_mb, v.initializer_handler, v.initializer_timeout_s, v.pre_stop_handler, v.pre_stop_timeout_s, \
         v.user_data, v.encrypted_user_data, v.concurrency, v.concurrent_num, v.description, v.dynamic_memory, \
         v.passive, v.code_type, v.code_filename, v.code_size, v.code_digest, v.merged_digest, v.image, v.mounts, v.revision, \
         v.last_modified, v.remark"
    };
}
pub(super) use columns;

/// The columns [`bind`] fills, in its order.
macro_rules! bound_columns {
    () => {
        "runtime, handler, timeout_s, memory_mb, tmp_mb, initializer_handler, initializer_timeout_s, pre_stop_handler, \
         pre_stop_timeout_s, user_data, encrypted_user_data, concurrency, concurrent_num, description, dynamic_memory, \
         passive, code_type, code_filename, code_size, code_digest, merged_digest, image, mounts, revision, last_modified, \
         remark"
    };
}
pub(super) use bound_columns;

/// One placeholder for each of [`bound_columns`].
macro_rules! placeholders {
    () => {
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
    };
}
pub(super) use placeholders;

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

pub(super) fn bind<'q>(
    query: Statement<'q>,
    function: &'q FunctionVersion,
    secrets: &SecretBox,
) -> Result<Statement<'q>, Error> {
    let FunctionVersion { spec, code, .. } = function;
    let hook =
        |hook: &'q Option<HookSpec>| (hook.as_ref().map(|h| h.handler.as_str()), hook.as_ref().map(|h| h.timeout_s));
    let (initializer, initializer_timeout) = hook(&spec.initializer);
    let (pre_stop, pre_stop_timeout) = hook(&spec.pre_stop);
    let variables = spec.encrypted_user_data.iter().map(|(name, value)| (name.as_str(), value.reveal()));
    let variables = json("encrypted_user_data", variables)?;
    let sealed = secrets.seal(&seal::variables_purpose(&function.func_id), variables.as_bytes());
    Ok(query
        .bind(spec.runtime.name())
        .bind(&spec.handler)
        .bind(spec.timeout_s)
        .bind(spec.memory_mb)
        .bind(spec.tmp_mb)
        .bind(initializer)
        .bind(initializer_timeout)
        .bind(pre_stop)
        .bind(pre_stop_timeout)
        .bind(json("user_data", spec.user_data.iter().map(|(name, value)| (name.as_str(), value.as_str())))?)
        .bind(sealed.map_err(|source| Error::Seal { source })?)
        .bind(spec.strategy.concurrency)
        .bind(spec.strategy.concurrent_num)
        .bind(&spec.description)
        .bind(spec.dynamic_memory)
        .bind(&spec.passive)
        .bind(code.code_type.name())
        .bind(&code.filename)
        .bind(signed("code_size", code.size)?)
        .bind(&code.digest.0)
        .bind(function.merged.as_ref().map(|digest| digest.0.as_str()))
        .bind(function.image.as_ref().map(image::write))
        .bind(mounts::write(&spec.mounts))
        .bind(signed("revision", function.revision)?)
        .bind(function.last_modified.as_microsecond())
        .bind(&function.remark))
}

/// SQLite has no unsigned integers.
pub(super) fn signed(column: &'static str, value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|e| bad(column, &e))
}

fn json<'a>(column: &'static str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<String, Error> {
    serde_json::to_string(&pairs.collect::<BTreeMap<_, _>>()).map_err(|e| bad(column, &e))
}

pub(super) fn read(row: &SqliteRow, secrets: &SecretBox) -> Result<FunctionVersion, Error> {
    let key = FunctionKey {
        project: ProjectId(get(row, "project")?),
        package: get(row, "package")?,
        name: get(row, "name")?,
    };
    let runtime_name: String = get(row, "runtime")?;
    let Some(runtime) = Runtime::parse(&runtime_name) else {
        return Err(Error::UnknownRuntime { key, runtime: runtime_name });
    };
    let domain = DomainId(get(row, "domain")?);
    let func_id: String = get(row, "func_id")?;
    Ok(FunctionVersion {
        dependencies: dependencies::read_attached(row, &key.project, &domain)?,
        merged: get::<Option<String>>(row, "merged_digest")?.map(Digest),
        image: get::<Option<String>>(row, "image")?.map(|text| image::read(&text)).transpose()?,
        key,
        domain,
        version: get(row, "version")?,
        spec: spec(row, runtime, variables(row, &func_id, secrets)?)?,
        func_id,
        code: code(row)?,
        revision: unsigned(row, "revision")?,
        last_modified: Timestamp::from_microsecond(get(row, "last_modified")?).map_err(|e| bad("last_modified", &e))?,
        remark: get(row, "remark")?,
    })
}

fn spec(row: &SqliteRow, runtime: Runtime, secrets: BTreeMap<String, Secret>) -> Result<FunctionSpec, Error> {
    Ok(FunctionSpec {
        runtime,
        handler: get(row, "handler")?,
        timeout_s: get(row, "timeout_s")?,
        memory_mb: get(row, "memory_mb")?,
        tmp_mb: get(row, "tmp_mb")?,
        initializer: hook(row, "initializer_handler", "initializer_timeout_s")?,
        pre_stop: hook(row, "pre_stop_handler", "pre_stop_timeout_s")?,
        user_data: texts(row, "user_data")?,
        encrypted_user_data: secrets,
        strategy: Strategy { concurrency: get(row, "concurrency")?, concurrent_num: get(row, "concurrent_num")? },
        description: get(row, "description")?,
        dynamic_memory: get(row, "dynamic_memory")?,
        mounts: mounts::read(get::<Option<&str>>(row, "mounts")?)?,
        passive: get(row, "passive")?,
    })
}

fn hook(row: &SqliteRow, handler: &'static str, timeout: &'static str) -> Result<Option<HookSpec>, Error> {
    let (handler, timeout_s): (Option<String>, Option<u32>) = (get(row, handler)?, get(row, timeout)?);
    match (handler, timeout_s) {
        (Some(handler), Some(timeout_s)) => Ok(Some(HookSpec { handler, timeout_s })),
        (None, None) => Ok(None),
        _ => Err(bad(timeout, &"a hook needs both its handler and its timeout")),
    }
}

pub(super) fn code(row: &SqliteRow) -> Result<CodePackage, Error> {
    let code_type: String = get(row, "code_type")?;
    Ok(CodePackage {
        code_type: CodeType::parse(&code_type).ok_or_else(|| bad("code_type", &"no such code type"))?,
        filename: get(row, "code_filename")?,
        size: unsigned(row, "code_size")?,
        digest: Digest(get(row, "code_digest")?),
    })
}

/// Variables that lie in the box. One that does not open was moved here from another function, or changed by hand.
fn variables(row: &SqliteRow, func_id: &str, secrets: &SecretBox) -> Result<BTreeMap<String, Secret>, Error> {
    let column = "encrypted_user_data";
    let text = secrets.open_text(&seal::variables_purpose(func_id), &get::<String>(row, column)?);
    let text = text.ok_or_else(|| bad(column, &"the key of this data folder does not open it"))?;
    let texts: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|_| bad(column, &"not a JSON object of texts"))?;
    Ok(texts.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

/// The parser's own text may quote the value, which may be a secret; the column's name says enough.
fn texts(row: &SqliteRow, column: &'static str) -> Result<BTreeMap<String, String>, Error> {
    let text: String = get(row, column)?;
    serde_json::from_str(&text).map_err(|_| bad(column, &"not a JSON object of texts"))
}

pub(super) fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, Error> {
    u64::try_from(get::<i64>(row, column)?).map_err(|e| bad(column, &e))
}

pub(super) fn get<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    column: &'static str,
) -> Result<T, Error> {
    row.try_get(column).map_err(|e| bad(column, &e))
}

pub(super) fn bad(column: &'static str, why: &dyn std::fmt::Display) -> Error {
    Error::BadRow { column, why: why.to_string() }
}
