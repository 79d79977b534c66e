//! `fungraph project`: projects of the account, over the network, as an administrator.

use http::Method;
use serde_json::{Value, json};

use crate::args::ProjectCommand;
use crate::client::{self, ask, encode};
use crate::exit::Exit;
use crate::say;

const PATH: &str = "/v1/fungraph/projects";

pub(crate) fn run(command: &ProjectCommand) -> anyhow::Result<Exit> {
    match command {
        ProjectCommand::Create { name, locate } => {
            let made = ask(&client::credentials(locate)?, Method::POST, PATH, &json!({ "name": name }))?;
            say::out(made["id"].as_str().unwrap_or_default());
        }
        ProjectCommand::List { locate } => {
            let found = ask(&client::credentials(locate)?, Method::GET, PATH, &Value::Null)?;
            say::raw(table(&found["projects"], &["id", "name", "created"]).as_bytes());
        }
        ProjectCommand::Delete { project, locate } => {
            let path = format!("{PATH}/{}", encode(project));
            ask(&client::credentials(locate)?, Method::DELETE, &path, &Value::Null)?;
        }
    }
    Ok(Exit::Clean)
}

/// One line for each object of a list, in columns; what has no value is `-`.
pub(super) fn table(list: &Value, columns: &[&str]) -> String {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.is_empty() => "-".to_owned(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let heading = columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect::<Vec<_>>();
    let lines = list.as_array().into_iter().flatten();
    let lines = lines.map(|one| columns.iter().map(|name| text(&one[*name])).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(lines).collect();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut drawn = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        drawn.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        drawn.push('\n');
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_text() {
        let list = json!([{ "id": "1", "some_name": "žluť", "on": true }, { "id": "22", "some_name": null, "on": ["a", "b"] }]);
        assert_eq!(
            table(&list, &["id", "some_name", "on"]),
            "ID  SOME NAME  ON\n1   žluť       yes\n22  -          a, b\n"
        );
        assert_eq!(table(&Value::Null, &["id"]), "ID\n");
    }
}
