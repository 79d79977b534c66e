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

/// Longest that all of it may be together, in bytes: it becomes a row of the database, and the beginning of every process.
const MOST: usize = 128 << 10;

/// Reads the configuration of an image, and refuses one for another kind of machine, or one that no process can be started with.
pub(super) fn parse(bytes: &[u8]) -> Result<ImageConfig, ImageError> {
    let read: Result<Document, _> = serde_json::from_slice(bytes);
    // The reader's own words would show parts of what was read.
    let Document { architecture: made_for, os, config } =
        read.map_err(|_| unusable("The image has a configuration that cannot be read".to_owned()))?;
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
    let config = ImageConfig {
        entrypoint: entrypoint.unwrap_or_default(),
        cmd: cmd.unwrap_or_default(),
        env: env.unwrap_or_default().into_iter().filter_map(pair).filter(|(name, _)| !name.is_empty()).collect(),
        working_dir: working_dir.unwrap_or_default(),
    };
    check(&config)?;
    Ok(config)
}

fn check(config: &ImageConfig) -> Result<(), ImageError> {
    let variables = config.env.iter().flat_map(|(name, value)| [name, value]);
    let texts = || config.entrypoint.iter().chain(&config.cmd).chain(variables.clone()).chain([&config.working_dir]);
    if texts().any(|text| text.contains('\0')) {
        return Err(unusable(
            "The image has a zero byte in its entry point, command, environment or working directory. Build it without"
                .to_owned(),
        ));
    }
    // Each text is a line of a list, and counts even where it is empty.
    if texts().map(|text| text.len() + 1).sum::<usize>() > MOST {
        return Err(unusable(format!(
            "The image has more than {} kB of entry point, command, environment and working directory. Put what is long into files",
            MOST >> 10
        )));
    }
    Ok(())
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

    #[test]
    fn what_no_process_can_be_started_with_is_refused() {
        let with = |config: &str| format!(r#"{{"architecture":"{}","os":"linux","config":{config}}}"#, architecture());
        let refused = |config: &str| match parse(with(config).as_bytes()) {
            Err(ImageError::Refused(fault)) => fault.message,
            other => panic!("{other:?}"),
        };
        let long = "x".repeat(100 << 10);
        assert!(parse(with(&format!(r#"{{"Env":["A={long}"]}}"#)).as_bytes()).is_ok());
        let (entry, cmd, env) = (&long[..40 << 10], &long[..50 << 10], &long[..50 << 10]);
        let all = format!(r#"{{"Entrypoint":["{entry}"],"Cmd":["{cmd}"],"Env":["A={env}"]}}"#);
        assert!(refused(&all).contains("more than 128 kB"));
        let many = vec![r#""""#; 140_000].join(",");
        assert!(refused(&format!(r#"{{"Cmd":[{many}]}}"#)).contains("more than 128 kB"));
        for zero in [
            r#"{"Entrypoint":["a\u0000b"]}"#,
            r#"{"Cmd":["\u0000"]}"#,
            r#"{"Env":["A=\u0000"]}"#,
            r#"{"Env":["A\u0000=x"]}"#,
            r#"{"WorkingDir":"/\u0000"}"#,
        ] {
            assert!(refused(zero).contains("zero byte"), "{zero}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        let Err(ImageError::Refused(fault)) = parse(br#"{"architecture":"amd64","os":"linux","config":"secret"}"#)
        else {
            panic!("it was read");
        };
        assert!(!fault.message.contains("secret"), "{}", fault.message);
    }
}
