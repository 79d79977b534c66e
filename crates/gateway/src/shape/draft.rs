//! Bodies of create and update requests, as drafts for the engine.

use fungraph_engine::{AttachedDraft, CodeDraft, FunctionDraft, SpecDraft, StrategyDraft};
use fungraph_model::Fault;

use super::{dependency::attached, fields::Fields, image, mount, not_built, passive};

/// CreateFunction.
pub(crate) fn create(mut fields: Fields) -> Result<FunctionDraft, Fault> {
    not_built::refuse(&fields)?;
    Ok(FunctionDraft {
        name: fields.text("func_name")?,
        package: fields.text("package")?,
        spec: spec(&mut fields)?,
        code: code(&mut fields)?,
        attached: attached(&mut fields)?,
        tags: fields.text("tags")?,
    })
}

/// UpdateFunctionConfig: the name it repeats, the configuration, and the dependencies.
pub(crate) fn spec_update(mut fields: Fields) -> Result<(Option<String>, SpecDraft, AttachedDraft), Fault> {
    not_built::refuse(&fields)?;
    let spec = SpecDraft { image: image::read(&mut fields)?, ..spec(&mut fields)? };
    Ok((fields.text("func_name")?, spec, attached(&mut fields)?))
}

/// UpdateFunctionCode: the code, and the dependencies.
pub(crate) fn code_update(mut fields: Fields) -> Result<(CodeDraft, AttachedDraft), Fault> {
    not_built::refuse(&fields)?;
    Ok((code(&mut fields)?, attached(&mut fields)?))
}

fn spec(fields: &mut Fields) -> Result<SpecDraft, Fault> {
    Ok(SpecDraft {
        runtime: fields.text("runtime")?,
        handler: fields.text("handler")?,
        timeout: fields.integer("timeout")?,
        memory_size: fields.integer("memory_size")?,
        ephemeral_storage: fields.integer("ephemeral_storage")?,
        initializer_handler: fields.text("initializer_handler")?,
        initializer_timeout: fields.integer("initializer_timeout")?,
        pre_stop_handler: fields.text("pre_stop_handler")?,
        pre_stop_timeout: fields.integer("pre_stop_timeout")?,
        user_data: fields.text("user_data")?,
        encrypted_user_data: fields.text("encrypted_user_data")?,
        description: fields.text("description")?,
        strategy: fields.inside("strategy_config", strategy)?,
        dynamic_memory: fields.boolean("enable_dynamic_memory")?,
        image: None,
        mounts: mount::read(fields)?,
        heartbeat_handler: fields.text("heartbeat_handler")?,
        class_isolation: fields.boolean("enable_class_isolation")?,
        passive: passive::take(fields)?,
    })
}

fn strategy(fields: &mut Fields) -> Result<StrategyDraft, Fault> {
    Ok(StrategyDraft { concurrency: fields.integer("concurrency")?, concurrent_num: fields.integer("concurrent_num")? })
}

fn code(fields: &mut Fields) -> Result<CodeDraft, Fault> {
    let url = fields.text("code_url")?.filter(|url| !url.is_empty());
    let inner = fields.inside("func_code", |code| Ok((code.package("file")?, code.text("link")?)))?;
    let (file, link) = inner.unwrap_or_default();
    Ok(CodeDraft {
        code_type: fields.text("code_type")?,
        filename: fields.text("code_filename")?,
        file,
        link: url.or(link),
        bytes: None,
        image: image::read(fields)?,
    })
}

#[cfg(test)]
mod tests {
    use fungraph_model::ErrorCode;

    use super::*;

    #[test]
    fn a_request_of_the_sdk_is_read_whole() {
        let body = br#"{"func_name": "hello", "package": "default", "runtime": "Python3.9", "timeout": "3",
            "handler": "index.handler", "memory_size": 128, "code_type": "inline", "code_filename": "index.py",
            "user_data": "{\"k\":\"v\"}", "func_code": {"file": "eA==", "link": null}, "xrole": "agency",
            "strategy_config": {"concurrency": "10", "concurrent_num": 2}, "enable_dynamic_memory": true, "more": [1]}"#;
        let draft = create(Fields::parse(body).expect("JSON")).expect("a draft");
        assert_eq!((draft.name.as_deref(), draft.package.as_deref()), (Some("hello"), Some("default")));
        assert_eq!((draft.spec.timeout, draft.spec.memory_size), (Some(3), Some(128)));
        let strategy = draft.spec.strategy.expect("a strategy");
        assert_eq!((strategy.concurrency, strategy.concurrent_num), (Some(10), Some(2)));
        assert_eq!(draft.code.file.map(|file| file.text).as_deref(), Some(&b"eA=="[..]));
        assert_eq!(draft.spec.passive["xrole"], "agency");
        assert_eq!((draft.spec.dynamic_memory, draft.spec.initializer_handler), (Some(true), None));
    }

    #[test]
    fn nested_fields_are_named_by_their_path() {
        let fault = create(Fields::parse(br#"{"func_code":{"file":7}}"#).expect("JSON")).expect_err("a fault");
        assert_eq!(
            (fault.code, fault.message.as_str()),
            (ErrorCode::BadParameter, "The field 'func_code.file' must be a text, not the number 7")
        );
        let fault = create(Fields::parse(br#"{"func_code":"eA=="}"#).expect("JSON")).expect_err("a fault");
        assert_eq!(fault.message, "The field 'func_code' must be an object, not a text");
    }
}
