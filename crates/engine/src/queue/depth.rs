//! How much may wait, of each function and each project: what is beyond the limits is refused before it is stored (contract: errors.md,
//! FSS.0429). Pure. What is on its way to the disk is not counted yet, so a limit may be passed by a few calls.

use fungraph_model::{ErrorCode, Fault};

/// What waits already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Depth {
    pub(super) of_function: u64,
    pub(super) of_project: u64,
    pub(super) bytes_of_project: u64,
}

/// What may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) of_function: u64,
    pub(super) of_project: u64,
    pub(super) bytes_of_project: u64,
}

/// Whether one more call with an event of `bytes` may wait.
pub(super) fn check(depth: Depth, most: &Most, bytes: u64) -> Result<(), Fault> {
    let full = |what: String, setting: &str| {
        let message = format!("{what}. Send it again later, or raise {setting} in the server's settings");
        Err(Fault::new(ErrorCode::TooManyRequests, message))
    };
    if depth.of_function >= most.of_function {
        let what = format!("{} asynchronous calls of the function wait already", depth.of_function);
        return full(what, "async.waiting_per_function");
    }
    if depth.of_project >= most.of_project {
        let what = format!("{} asynchronous calls of the project wait already", depth.of_project);
        return full(what, "async.waiting_per_project");
    }
    if depth.bytes_of_project.saturating_add(bytes) > most.bytes_of_project {
        let what = format!(
            "The events of the project that wait, and what its destinations have not taken yet, have {} bytes already",
            depth.bytes_of_project
        );
        return full(what, "async.waiting_mb_per_project");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_names_its_setting() {
        let most = Most { of_function: 2, of_project: 3, bytes_of_project: 100 };
        let check = |of_function, of_project, bytes_of_project, bytes| {
            let refused = check(Depth { of_function, of_project, bytes_of_project }, &most, bytes);
            refused.map_err(|fault| {
                assert_eq!(fault.code, ErrorCode::TooManyRequests);
                fault.message.split("async.").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned)
            })
        };
        let by = |setting: &str| Err(Some(setting.to_owned()));
        assert_eq!(check(1, 2, 90, 10), Ok(()));
        assert_eq!(check(2, 2, 0, 10), by("waiting_per_function"));
        assert_eq!(check(1, 3, 0, 10), by("waiting_per_project"));
        assert_eq!(check(1, 2, 91, 10), by("waiting_mb_per_project"));
        assert_eq!(check(0, 0, u64::MAX, u64::MAX), by("waiting_mb_per_project"));
    }
}
