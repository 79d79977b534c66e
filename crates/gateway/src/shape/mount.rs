//! `mount_config` in requests and answers (contract: schemas.json, `MountConfig`).

use fungraph_engine::{MountDraft, MountsDraft};
use fungraph_model::{Fault, FunctionVersion, Mount};
use serde_json::{Map, Value, json};

use super::fields::Fields;

/// Takes it out of a request. One that is there replaces all mounts; an empty list removes them.
pub(super) fn read(fields: &mut Fields) -> Result<Option<MountsDraft>, Fault> {
    fields.inside("mount_config", |config| {
        let user =
            config.inside("mount_user", |user| Ok((number(user, "user_id")?, number(user, "user_group_id")?)))?;
        let (user_id, group_id) = user.unwrap_or_default();
        Ok(MountsDraft { user_id, group_id, list: config.each("func_mounts", mount)? })
    })
}

fn mount(mount: &mut Fields) -> Result<MountDraft, Fault> {
    Ok(MountDraft {
        kind: mount.text("mount_type")?,
        resource: mount.text("mount_resource")?,
        share_path: mount.text("mount_share_path")?,
        local_path: mount.text("local_mount_path")?,
    })
}

/// The API writes it as text, which may be empty.
fn number(user: &mut Fields, name: &str) -> Result<Option<i64>, Fault> {
    if user.get(name).and_then(Value::as_str).is_some_and(str::is_empty) {
        return Ok(None);
    }
    user.integer(name)
}

/// Puts it into an answer, where there are mounts.
pub(super) fn put(version: &FunctionVersion, shape: &mut Map<String, Value>) {
    let mounts = &version.spec.mounts;
    if mounts.list.is_empty() {
        return;
    }
    let list: Vec<Value> = mounts.list.iter().map(one).collect();
    let user = json!({ "user_id": mounts.user.user_id, "user_group_id": mounts.user.group_id });
    shape.insert("mount_config".to_owned(), json!({ "mount_user": user, "func_mounts": list }));
}

fn one(mount: &Mount) -> Value {
    json!({
        "mount_type": mount.kind.name(),
        "mount_resource": mount.resource,
        "mount_share_path": mount.share_path,
        "local_mount_path": mount.local_path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(body: &str) -> Result<Option<MountsDraft>, Fault> {
        read(&mut Fields::parse(body.as_bytes()).expect(body))
    }

    #[test]
    fn an_empty_list_is_not_the_same_as_none() {
        for none in ["{}", r#"{"mount_config":null}"#] {
            assert!(read_from(none).expect(none).is_none());
        }
        for empty in [
            r#"{"mount_config":{}}"#,
            r#"{"mount_config":{"mount_user":{"user_id":"","user_group_id":""},"func_mounts":null}}"#,
            r#"{"mount_config":{"mount_user":null,"func_mounts":[]}}"#,
        ] {
            let draft = read_from(empty).expect(empty).expect("it is there");
            assert!(draft.list.is_empty() && draft.user_id.is_none(), "{empty}");
        }
    }

    #[test]
    fn users_come_as_text_or_number() {
        let body = r#"{"mount_config":{"mount_user":{"user_id":"-1","user_group_id":77},"func_mounts":[{"mount_type":"sfs"}]}}"#;
        let draft = read_from(body).expect(body).expect("it is there");
        assert_eq!((draft.user_id, draft.group_id, draft.list.len()), (Some(-1), Some(77), 1));
        let body = r#"{"mount_config":{"func_mounts":[{"mount_type":7}]}}"#;
        let fault = read_from(body).expect_err(body);
        assert_eq!(
            fault.message,
            "The field 'mount_config.func_mounts[0].mount_type' must be a text, not the number 7"
        );
    }
}
