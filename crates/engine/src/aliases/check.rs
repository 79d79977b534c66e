//! What an alias may be (contract: schemas.json, `CreateVersionAliasRequestBody`; limits.md, "Counts").

use fungraph_model::{Alias, Combine, ErrorCode, Fault, Rule, RuleKind, Split, limits};
use jiff::Timestamp;

use crate::{AliasDraft, RuleDraft, RulesDraft, validate};

/// Checks everything but whether the versions are there.
///
/// # Errors
/// FSS.0400 naming the field, or the code that the contract has for it.
pub(super) fn alias(name: String, draft: AliasDraft, now: Timestamp) -> Result<Alias, Fault> {
    let version = draft.version.filter(|version| !version.is_empty());
    let version = version.ok_or_else(|| bad("The field 'version' is missing. Name a version, or latest"))?;
    let split = split(draft.weights, draft.rules)?;
    let alias = Alias {
        name,
        version,
        split,
        description: validate::description(draft.description.unwrap_or_default())?,
        last_modified: now,
    };
    check_versions(&alias)?;
    Ok(alias)
}

fn check_versions(alias: &Alias) -> Result<(), Fault> {
    let Some(additional) = alias.additional_version() else { return Ok(()) };
    if additional == limits::LATEST {
        let message = "The additional version cannot be latest, which changes. Publish it and name the version";
        return Err(Fault::new(ErrorCode::BadAdditionalVersion, message));
    }
    if alias.version == limits::LATEST {
        let message = "An alias of latest cannot have an additional version. Publish latest and name the version";
        return Err(Fault::new(ErrorCode::BadVersion, message));
    }
    if alias.version == additional {
        let message = "Main and additional version of the alias are the same. Name another one, or leave it out";
        return Err(Fault::new(ErrorCode::SameVersionTwice, message));
    }
    Ok(())
}

fn split(weights: Vec<(String, i64)>, rules: Vec<(String, RulesDraft)>) -> Result<Option<Split>, Fault> {
    if !weights.is_empty() && !rules.is_empty() {
        return Err(bad(
            "The field 'additional_version_weights' and additional_version_strategy exclude each other. Send one of them",
        ));
    }
    if weights.len() > 1 || rules.len() > 1 {
        let message = "An alias has one additional version at most. Name one";
        return Err(Fault::new(ErrorCode::BadAdditionalVersion, message));
    }
    if let Some((version, percent)) = weights.into_iter().next() {
        let percent = u32::try_from(percent).ok().filter(|percent| *percent <= 100);
        let percent = percent.ok_or_else(|| {
            let message = "The weight of the additional version must be 0 to 100 percent";
            Fault::new(ErrorCode::BadAdditionalWeight, message)
        })?;
        return Ok(Some(Split::Weight { version, percent }));
    }
    rules.into_iter().next().map(|(version, draft)| by_rules(version, draft)).transpose()
}

fn by_rules(version: String, draft: RulesDraft) -> Result<Split, Fault> {
    let path = format!("additional_version_strategy.{}", validate::clip(&version));
    let combine = match draft.combine.as_deref() {
        None | Some("" | "and") => Combine::And,
        Some("or") => Combine::Or,
        Some(_) => return Err(bad(format!("The field '{path}.combine_type' must be and, or or"))),
    };
    if !(1..=limits::ALIAS_RULES).contains(&draft.rules.len()) {
        return Err(bad(format!("The field '{path}.rules' must have 1 to {} rules", limits::ALIAS_RULES)));
    }
    let rules = draft.rules.into_iter().enumerate();
    let rules = rules.map(|(index, draft)| rule(draft, &format!("{path}.rules[{index}]")));
    Ok(Split::Rules { version, combine, rules: rules.collect::<Result<_, _>>()? })
}

fn rule(draft: RuleDraft, path: &str) -> Result<Rule, Fault> {
    let kind = match draft.kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("header") => RuleKind::Header,
        Some("cookie") => RuleKind::Cookie,
        _ => return Err(bad(format!("The field '{path}.rule_type' must be header or cookie"))),
    };
    let is_list = match draft.op.as_deref() {
        Some("=") => false,
        Some("in") => true,
        _ => return Err(bad(format!("The field '{path}.op' must be = or in"))),
    };
    let name = draft.param.unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=limits::RULE_CHARS).contains(&name.len()) || !name.bytes().all(is_plain) {
        return Err(bad(format!(
            "The field '{path}.param' must be the name of a header or cookie: letters, digits, '-' and '_'"
        )));
    }
    let value = draft.value.unwrap_or_default();
    let values: Vec<String> = if is_list { value.split(',').map(trimmed).collect() } else { vec![trimmed(&value)] };
    if value.chars().count() > limits::RULE_CHARS || values.iter().any(String::is_empty) {
        let most = limits::RULE_CHARS;
        let list = if is_list { ", several with commas between them" } else { "" };
        return Err(bad(format!("The field '{path}.value' must have 1 to {most} characters{list}")));
    }
    Ok(Rule { kind, name, is_list, values })
}

/// Blanks around a value never come with a header.
fn trimmed(value: &str) -> String {
    value.trim().to_owned()
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

#[cfg(test)]
mod tests;
