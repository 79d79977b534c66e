//! Operations of an audit trigger: `service:resource type[;…]:operation[;…]` (contract: events.md section 2). Pure.

use std::collections::{HashMap, HashSet};

use fungraph_model::{ErrorCode, Fault};
use serde_json::{Map, Value};

/// Operations of one trigger, and of one service of it.
const OPERATIONS: usize = 100;
const OPERATIONS_OF_A_SERVICE: usize = 10;
const SERVICES: usize = 10;

/// Checks them.
pub(super) fn check(data: &Map<String, Value>) -> Result<(), Fault> {
    let mut of_services: HashMap<&str, HashSet<(&str, &str)>> = HashMap::new();
    let texts = data.get("operations").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for text in texts {
        let (service, types, operations) = parts(text).ok_or_else(|| unreadable(text))?;
        let known = of_services.entry(service).or_default();
        for kind in &types {
            for operation in &operations {
                if !known.insert((kind, operation)) {
                    return Err(repeated(service, kind, operation));
                }
            }
        }
        let named: HashSet<_> = known.iter().map(|(_, operation)| operation).collect();
        if named.len() > OPERATIONS_OF_A_SERVICE || known.len() > OPERATIONS {
            return Err(too_many());
        }
    }
    let all: usize = of_services.values().map(HashSet::len).sum();
    if of_services.len() > SERVICES || all > OPERATIONS { Err(too_many()) } else { Ok(()) }
}

/// The service, the types and the operations of a text; `None` where it has another form.
fn parts(text: &str) -> Option<(&str, Vec<&str>, Vec<&str>)> {
    let fields: Vec<&str> = text.split(':').collect();
    let [service, types, operations] = *fields.as_slice() else { return None };
    let (types, operations): (Vec<&str>, Vec<&str>) = (types.split(';').collect(), operations.split(';').collect());
    let is_word = |word: &&str| !word.is_empty() && !word.contains(char::is_whitespace);
    let all = is_word(&service) && types.iter().all(is_word) && operations.iter().all(is_word);
    all.then_some((service, types, operations))
}

fn unreadable(text: &str) -> Fault {
    let text: String = text.chars().take(80).collect();
    Fault::new(
        ErrorCode::BadTriggerOperation,
        format!(
            "The entry '{text}' of 'event_data.operations' cannot be read. It takes <service>:<resource type>:<operation>, with ';' \
             between several types or operations"
        ),
    )
}

fn repeated(service: &str, kind: &str, operation: &str) -> Fault {
    let what: String = format!("{service}:{kind}:{operation}").chars().take(80).collect();
    Fault::new(ErrorCode::OperationRepeated, format!("The field 'event_data.operations' names {what} twice"))
}

fn too_many() -> Fault {
    Fault::new(
        ErrorCode::TooManyOperations,
        format!(
            "The field 'event_data.operations' names too much: {SERVICES} services, {OPERATIONS_OF_A_SERVICE} operations of each and \
             {OPERATIONS} in all are allowed. Split them over several triggers"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(operations: &[String]) -> Option<ErrorCode> {
        let data = json!({ "operations": operations });
        check(data.as_object().expect("an object")).err().map(|fault| fault.code)
    }

    #[test]
    fn operations_have_a_form_and_a_number() {
        let one = |text: &str| code(&[text.to_owned()]);
        assert_eq!(one("FunctionGraph:Functions:createFunction"), None);
        assert_eq!(one("FunctionGraph:Functions;Versions:createFunction;deleteFunction"), None);
        for text in ["", "a", "a:b", "a:b:", "a::c", "a:b:c:d", "a:b;:c", "a b:c:d"] {
            assert_eq!(one(text), Some(ErrorCode::BadTriggerOperation), "{text}");
        }
        assert_eq!(one("a:b;b:c"), Some(ErrorCode::OperationRepeated));
        assert_eq!(code(&["a:b:c".to_owned(), "a:b:c;d".to_owned()]), Some(ErrorCode::OperationRepeated));
        let services = |count: usize| (0..count).map(|index| format!("s{index}:t:o")).collect::<Vec<_>>();
        assert_eq!(code(&services(10)), None);
        assert_eq!(code(&services(11)), Some(ErrorCode::TooManyOperations));
        let of_one = |count: usize| (0..count).map(|index| format!("s:t:o{index}")).collect::<Vec<_>>();
        assert_eq!(code(&of_one(10)), None);
        assert_eq!(code(&of_one(11)), Some(ErrorCode::TooManyOperations));
        let types: Vec<String> = (0..60).map(|index| format!("t{index}")).collect();
        assert_eq!(one(&format!("s:{}:a;b", types.join(";"))), Some(ErrorCode::TooManyOperations));
    }
}
