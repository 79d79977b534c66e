//! Event classes from a table: a private field, a getter and a setter for each value of an event.

/// One class.
#[derive(Debug)]
pub(super) struct Class {
    /// Its path below the family's folder.
    pub(super) file: String,
    pub(super) text: String,
}

/// A class of the table: `package.Name What it is.`, then its lines.
struct Entry<'a> {
    package: &'a str,
    name: &'a str,
    about: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    /// Java as it is.
    members: Vec<&'a str>,
}

/// All classes of a table, in `package`.
pub(super) fn classes(table: &str, package: &str) -> Vec<Class> {
    entries(table).iter().map(|entry| entry.class(package)).collect()
}

fn entries(table: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("  "), entries.last_mut()) {
            (Some(member), Some(entry)) => entry.add(member),
            _ => entries.extend(head(line)),
        }
    }
    entries
}

fn head(line: &str) -> Option<Entry<'_>> {
    let (path, about) = line.split_once(' ')?;
    let (package, name) = path.split_once('.')?;
    Some(Entry { package, name, about, fields: Vec::new(), members: Vec::new() })
}

impl<'a> Entry<'a> {
    fn add(&mut self, member: &'a str) {
        match (member.strip_prefix('|'), member.rsplit_once(' ')) {
            (Some(java), _) => self.members.push(java.strip_prefix(' ').unwrap_or(java)),
            (None, Some(field)) => self.fields.push(field),
            (None, None) => {}
        }
    }

    fn class(&self, family: &str) -> Class {
        let (package, name) = (self.package, self.name);
        let fields: String = self.fields.iter().map(|(kind, field)| format!("    private {kind} {field};\n")).collect();
        let accessors: String = self.fields.iter().map(|(kind, field)| accessors(kind, field)).collect();
        let members: String = self.members.iter().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "package {family}.{package};\n\nimport java.io.*;\nimport java.net.*;\nimport java.nio.charset.*;\nimport java.util.*;\n\n\
             /** {} */\npublic class {name} {{\n{fields}{accessors}{members}}}\n",
            self.about
        );
        Class { file: format!("{package}/{name}.java"), text }
    }
}

fn accessors(kind: &str, field: &str) -> String {
    let (getter, setter) = names(field);
    format!(
        "    public {kind} {getter}() {{ return {field}; }}\n    public void {setter}({kind} value) {{ this.{field} = value; }}\n"
    )
}

/// Getter and setter of a field: `queue_id` has `getQueueId`, and `isBase64Encoded` is one already.
fn names(field: &str) -> (String, String) {
    if let Some(flag) = field.strip_prefix("is").filter(|rest| rest.starts_with(char::is_uppercase)) {
        return (field.to_owned(), format!("set{flag}"));
    }
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let name: String = field.split('_').map(capital).collect();
    (format!("get{name}"), format!("set{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_classes() {
        let table = "# A note.\n\ndms.Letter Something written.\n  Map<String, String> queue_id\n  | int twice() {\n  | }\n\nx.Y Else.\n";
        let classes = classes(table, "a.b");
        assert_eq!(
            classes.iter().map(|class| class.file.as_str()).collect::<Vec<_>>(),
            ["dms/Letter.java", "x/Y.java"]
        );
        let text = &classes[0].text;
        for part in [
            "package a.b.dms;",
            "/** Something written. */\npublic class Letter {\n    private Map<String, String> queue_id;\n",
            "    public Map<String, String> getQueueId() { return queue_id; }\n",
            "    public void setQueueId(Map<String, String> value) { this.queue_id = value; }\n",
            "    int twice() {\n    }\n}\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn accessors_are_named_as_beans_are() {
        for (field, expected) in [
            ("user_event", ("getUserEvent", "setUserEvent")),
            ("isBase64Encoded", ("isBase64Encoded", "setBase64Encoded")),
            ("ShardID", ("getShardID", "setShardID")),
            ("x_amz_id_2", ("getXAmzId2", "setXAmzId2")),
        ] {
            let (getter, setter) = names(field);
            assert_eq!((getter.as_str(), setter.as_str()), expected);
        }
    }
}
