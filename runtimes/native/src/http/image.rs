//! The command of a container image (contract: custom-runtime.md section 3).

use std::{io, path::Path, process::Stdio, sync::Arc};

use tokio::process::Command;

use crate::{
    child,
    failure::Failure,
    load::{Image, Load},
};

/// Where programs are looked for in an image that says nothing of it, as other runtimes of containers have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command with its environment: the image's own, then the user's variables, then those of the platform.
pub(super) fn command(load: &Load) -> Result<Command, Failure> {
    let image = image(load)?;
    let Some((program, args)) = image.args.split_first().filter(|(program, _)| !program.is_empty()) else {
        return Err(Failure::start(
            "the image has neither an entry point nor a command; set custom_image.command, or ENTRYPOINT when it is built",
        ));
    };
    if !Path::new(&image.cwd).is_dir() {
        return Err(Failure::start(&format!(
            "the image has no folder {}, its working directory; correct custom_image.working_dir, or make the folder when it is built",
            image.cwd
        )));
    }
    let mut command = Command::new(program);
    command.args(args).env_clear();
    command.envs([("PATH", PATH), ("HOME", "/home/snuser"), ("TZ", "UTC")]);
    command.envs(image.env.iter().map(|(name, value)| (name, value))).envs(load.environment());
    command.current_dir(&image.cwd).stdin(Stdio::null()).process_group(0);
    Ok(command)
}

/// Tells why the command was not started.
pub(super) fn explain(load: &Arc<Load>) -> impl FnOnce(io::Error) -> Failure + use<> {
    let load = Arc::clone(load);
    move |error| {
        let program = image(&load).ok().and_then(|image| image.args.first()).map_or("", String::as_str);
        let path = Path::new(program);
        if program.contains('/') && path.exists() {
            return child::explain(path, &error);
        }
        if error.kind() == io::ErrorKind::NotFound {
            return Failure::start(&format!(
                "the image has no program {program}, which its command names; correct custom_image.command, or the image"
            ));
        }
        Failure::start(&format!("{program}, the image's command, cannot be started: {error}"))
    }
}

fn image(load: &Load) -> Result<&Image, Failure> {
    load.image.as_ref().ok_or_else(|| Failure::start("the platform has not said how the image is started"))
}
