//! `fungraph invoke TARGET`: one call, its result on the standard output, its log and summary on the standard error.

mod event;
mod folder;
mod pack;
mod remote;
mod replay;
mod report;
mod supervise;

use crate::args::{InvokeArgs, ReplayArgs, RunArgs};
use crate::exit::{Exit, Stop};

pub(crate) fn run(args: &InvokeArgs) -> anyhow::Result<Exit> {
    if args.target.contains('/') || args.target == "." {
        if args.asynchronous {
            return Err(Stop::usage(
                "--async is for functions of a server, whose queue keeps the call; a folder runs here and now",
            ));
        }
        return supervise::run(args);
    }
    let only_folders = [
        ("--runtime", args.runtime.is_some()),
        ("--handler", args.handler.is_some()),
        ("--memory", args.memory.is_some()),
        ("--timeout", args.timeout.is_some()),
    ];
    if let Some((flag, _)) = only_folders.iter().find(|(_, given)| *given) {
        return Err(Stop::usage(format!(
            "{flag} is for folders, and {0:?} is the name of a function on a server; to run the folder of that name, write ./{0}",
            args.target
        )));
    }
    remote::run(args)
}

/// `fungraph replay REQUEST_ID`: see `replay.rs`.
pub(crate) fn replay(args: &ReplayArgs) -> anyhow::Result<Exit> {
    replay::run(args)
}

/// The hidden half of a folder's run: see `supervise.rs`.
pub(crate) fn run_in_place(args: &RunArgs) -> anyhow::Result<Exit> {
    folder::run(&args.invoke, &args.place)
}
