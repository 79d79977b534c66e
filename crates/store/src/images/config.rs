//! What an image says of itself: what to run, and for which machine.

use serde::{Deserialize, Serialize};

use super::error::{ImageError, unusable};

/// How a program of an image is started where nobody says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The command's first part; may be empty.
    pub entrypoint: Vec<String>,
    /// The command's second part; may be empty.
    pub cmd: Vec<String>,
    /// Its environment, in order.
    pub env: Vec<(String, String)>,
    /// Its working directory; empty for `/`.
    pub working_dir: String,
}

/// As far as it is read, of what the image format has.
#[derive(Deserialize)]
struct Document {
    architecture: String,
    os: String,
    #[serde(default)]
    config: Option<Config>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
}

/// The words of the image format for this machine.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Reads the configuration of an image, and refuses one for another kind of machine.
pub(super) fn parse(bytes: &[u8]) -> Result<ImageConfig, ImageError> {
    let read: Result<Document, _> = serde_json::from_slice(bytes);
    let Document { architecture: made_for, os, config } =
        read.map_err(|error| unusable(format!("The image has a configuration that cannot be read: {error}")))?;
    if os != "linux" || made_for != architecture() {
        return Err(unusable(format!(
            "The image is built for {}/{}, and this server runs linux/{}. Build it for that",
            shown(&os),
            shown(&made_for),
            architecture()
        )));
    }
    let Config { entrypoint, cmd, env, working_dir } = config.unwrap_or_default();
    let pair = |entry: String| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let usable = |(name, value): &(String, String)| !name.is_empty() && !name.contains('\0') && !value.contains('\0');
    Ok(ImageConfig {
        entrypoint: entrypoint.unwrap_or_default(),
        cmd: cmd.unwrap_or_default(),
        env: env.unwrap_or_default().into_iter().filter_map(pair).filter(usable).collect(),
        working_dir: working_dir.unwrap_or_default(),
    })
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_says_of_itself() {
        let text = format!(
            r#"{{"architecture":"{}","os":"linux","config":{{"Entrypoint":["/app"],"Cmd":null,"Env":["A=b=c","odd","=x"],
                "WorkingDir":"/srv","User":"root"}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#,
            architecture()
        );
        let config = parse(text.as_bytes()).expect("it is one");
        let env = vec![("A".to_owned(), "b=c".to_owned())];
        let expected =
            ImageConfig { entrypoint: vec!["/app".to_owned()], cmd: vec![], env, working_dir: "/srv".to_owned() };
        assert_eq!(config, expected);
    }

    #[test]
    fn images_for_other_machines_are_refused() {
        for text in [r#"{"architecture":"mips","os":"linux"}"#, r#"{"architecture":"amd64","os":"windows"}"#] {
            let Err(ImageError::Refused(fault)) = parse(text.as_bytes()) else { panic!("{text}") };
            assert!(fault.message.contains("Build it for that"), "{}", fault.message);
        }
        assert!(parse(b"{}").is_err());
    }
}
