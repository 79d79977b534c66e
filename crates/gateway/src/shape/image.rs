//! `custom_image` in requests and answers (contract: schemas.json, `CustomImage`).

use fungraph_engine::ImageDraft;
use fungraph_model::{Fault, FunctionVersion};
use serde_json::{Map, Value, json};

use super::fields::Fields;

/// Takes it out of a request; clients that use no image send it with `enabled` false, or empty.
pub(super) fn read(fields: &mut Fields) -> Result<Option<ImageDraft>, Fault> {
    let read = |image: &mut Fields| {
        let enabled = image.boolean("enabled")?;
        let draft = ImageDraft {
            image: image.text("image")?,
            command: image.text("command")?,
            args: image.text("args")?,
            working_dir: image.text("working_dir")?,
            uid: number(image, "uid")?,
            gid: number(image, "gid")?,
        };
        let says_something = draft.image.as_ref().is_some_and(|name| !name.is_empty());
        Ok((enabled.unwrap_or(says_something)).then_some(draft))
    };
    Ok(fields.inside("custom_image", read)?.flatten())
}

/// The API writes it as text, which may be empty.
fn number(image: &mut Fields, name: &str) -> Result<Option<i64>, Fault> {
    if image.get(name).and_then(Value::as_str).is_some_and(str::is_empty) {
        return Ok(None);
    }
    image.integer(name)
}

/// Puts it into an answer.
pub(super) fn put(version: &FunctionVersion, shape: &mut Map<String, Value>) {
    let Some(image) = &version.image else { return };
    shape.insert("image_name".to_owned(), json!(image.name));
    let custom = json!({
        "enabled": true,
        "image": image.name,
        "command": image.command,
        "args": image.args,
        "working_dir": image.working_dir,
        "uid": image.uid.to_string(),
        "gid": image.gid.to_string(),
    });
    shape.insert("custom_image".to_owned(), custom);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Option<(&str, Option<i64>)>) {
        let draft = read(&mut Fields::parse(body.as_bytes()).expect(body)).expect(body);
        let read = draft.as_ref().map(|draft| (draft.image.as_deref().unwrap_or(""), draft.uid));
        assert_eq!(read, expected, "{body}");
    }

    #[test]
    fn an_image_is_one_that_is_enabled() {
        check(r#"{"custom_image":{"enabled":true,"image":"a:1","uid":"7","gid":""}}"#, Some(("a:1", Some(7))));
        check(r#"{"custom_image":{"image":"a:1","uid":-1}}"#, Some(("a:1", Some(-1))));
        check(r#"{"custom_image":{"enabled":true}}"#, Some(("", None)));
        for none in [
            "{}",
            r#"{"custom_image":null}"#,
            r#"{"custom_image":{}}"#,
            r#"{"custom_image":{"enabled":false,"image":"a"}}"#,
        ] {
            check(none, None);
        }
    }
}
