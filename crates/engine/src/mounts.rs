//! The mounts of a function: what may be asked for, and whether the operator gives it (contract: errors.md FSS.1038 and following).

use std::path::Path;

use fungraph_model::{ErrorCode, Fault, FunctionVersion, Mount, MountKind, MountUser, Mounts, ProjectId, limits};

use crate::{
    Engine, Error,
    draft::{MountDraft, MountsDraft},
    validate::clip,
};

/// Longest path inside, and longest folder of a mount.
const PATH_CHARS: usize = 255;
/// Places inside that are the platform's or the root file system's: nothing is mounted upon or below them.
const OWN_PLACES: [&str; 14] = [
    "/proc", "/dev", "/sys", "/tmp", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/run",
    "/boot",
];
/// Folders that hold what a function is made of: nothing is mounted upon, below or above them either.
const OWN_FOLDERS: [&str; 2] = ["/opt/function", "/home/snuser"];
/// Ids that nobody may have (contract: limits.md).
const CLOSED_IDS: [i64; 3] = [0, 1000, 1002];

/// The mounts a draft asks for, as far as that can be told without the operator's settings.
pub(crate) fn checked(draft: MountsDraft) -> Result<Mounts, Fault> {
    if draft.list.len() > limits::MOUNTS {
        let message = format!("func_mounts has {} entries; {} are allowed", draft.list.len(), limits::MOUNTS);
        return Err(Fault::new(ErrorCode::TooManyMounts, message));
    }
    let user = MountUser { user_id: id("user_id", draft.user_id)?, group_id: id("user_group_id", draft.group_id)? };
    let mut list: Vec<Mount> = Vec::with_capacity(draft.list.len());
    for (index, draft) in draft.list.into_iter().enumerate() {
        let mount = mount(draft, &format!("func_mounts[{index}]"))?;
        apart(&mount, &list)?;
        list.push(mount);
    }
    Ok(Mounts { user, list })
}

fn bad(message: String) -> Fault {
    Fault::new(ErrorCode::BadParameter, message)
}

fn mount(draft: MountDraft, name: &str) -> Result<Mount, Fault> {
    let kind = draft.kind.unwrap_or_default();
    let kind = MountKind::parse(&kind)
        .ok_or_else(|| bad(format!("{name}.mount_type '{}' does not exist. Use sfs, sfsTurbo or ecs", clip(&kind))))?;
    let resource = draft.resource.filter(|resource| !resource.is_empty()).ok_or_else(|| {
        bad(format!(
            "{name}.mount_resource is missing. Give the name of a mount of this server; its operator has the list"
        ))
    })?;
    let share_path = share_path(draft.share_path.unwrap_or_default(), kind, name)?;
    let local_path = local_path(draft.local_path.unwrap_or_default(), name)?;
    Ok(Mount { kind, resource, share_path, local_path })
}

fn share_path(path: String, kind: MountKind, name: &str) -> Result<String, Fault> {
    if path.is_empty() && kind == MountKind::Ecs {
        return Err(bad(format!(
            "{name}.mount_share_path is missing; mounts of the type ecs need one. Use / for all of the folder"
        )));
    }
    let rest = path.trim_matches('/');
    let plain = rest.is_empty() || rest.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if plain && path.chars().count() <= PATH_CHARS && !path.chars().any(char::is_control) {
        return Ok(path);
    }
    Err(bad(format!(
        "{name}.mount_share_path '{}' is no folder of a mount. Write it plainly, /team/data for instance, in up to {PATH_CHARS} characters",
        clip(&path)
    )))
}

fn local_path(path: String, name: &str) -> Result<String, Fault> {
    let refuse = |why: &str| {
        let shown = clip(&path);
        Err(Fault::new(
            ErrorCode::BadMountPath,
            format!("{name}.local_mount_path '{shown}' {why}. Use /mnt/data, for instance"),
        ))
    };
    let mut parts = path.strip_prefix('/').into_iter().flat_map(|path| path.split('/')).peekable();
    let plain = parts.peek().is_some() && parts.all(|part| !matches!(part, "" | "." | ".."));
    if !plain || path.chars().count() > PATH_CHARS || path.chars().any(char::is_control) {
        return refuse("must be an absolute path without '..', doubled slashes or a slash at the end");
    }
    let is_ours = OWN_PLACES.iter().any(|place| below(&path, place));
    if is_ours || OWN_FOLDERS.iter().any(|folder| meet(&path, folder)) {
        return refuse("is where the platform keeps what a function runs with");
    }
    Ok(path)
}

/// Two mounts are two folders, at two places of which none is inside the other.
fn apart(mount: &Mount, others: &[Mount]) -> Result<(), Fault> {
    for other in others {
        if mount.resource == other.resource && mount.folder() == other.folder() {
            let message =
                format!("The mount '{}' is there twice, with the same folder. Leave one out", clip(&mount.resource));
            return Err(Fault::new(ErrorCode::MountExists, message));
        }
        if meet(&mount.local_path, &other.local_path) {
            let (one, two) = (clip(&other.local_path), clip(&mount.local_path));
            let message =
                format!("The local_mount_path '{two}' and '{one}' are in each other's way. Put them side by side");
            return Err(Fault::new(ErrorCode::BadMountPath, message));
        }
    }
    Ok(())
}

fn below(path: &str, folder: &str) -> bool {
    Path::new(path).starts_with(folder)
}

fn meet(one: &str, two: &str) -> bool {
    below(one, two) || below(two, one)
}

fn id(field: &str, given: Option<i64>) -> Result<i32, Fault> {
    let Some(given) = given else { return Ok(-1) };
    let good = i32::try_from(given).ok().filter(|id| (-1..=65_534).contains(id) && !CLOSED_IDS.contains(&given));
    good.ok_or_else(|| {
        let message = format!(
            "mount_user.{field} {given} must be -1 (the function's own) or 1 to 65534, and neither 1000 nor 1002"
        );
        Fault::new(ErrorCode::BadMountUser, message)
    })
}

impl Engine {
    /// Whether a function of a project can have these mounts on this server.
    pub(crate) fn check_mounts(&self, project: &ProjectId, mounts: &Mounts) -> Result<(), Fault> {
        for mount in &mounts.list {
            self.config.mounts.check(project, &mount.resource)?;
            let prefixes = self.interpreters.all().iter().filter_map(|interpreter| interpreter.prefix.as_deref());
            let taken = |prefix: &Path| prefix.to_str().is_some_and(|prefix| meet(&mount.local_path, prefix));
            if prefixes.into_iter().any(taken) {
                let path = clip(&mount.local_path);
                let message = format!(
                    "The local_mount_path '{path}' is where this server has an interpreter. Use /mnt/data, for instance"
                );
                return Err(Fault::new(ErrorCode::BadMountPath, message));
            }
        }
        Ok(())
    }

    /// The same for a function that exists: an operator may have taken a mount back since.
    pub(crate) fn mounts_are_there(&self, version: &std::sync::Arc<FunctionVersion>) -> Result<(), Error> {
        let project = &version.key.project;
        let missing = |fault: Fault| Error::ExecutorMissing {
            message: fault.message,
            version: std::sync::Arc::clone(version),
            alias: None,
        };
        self.check_mounts(project, &version.spec.mounts).map_err(missing)
    }
}

/// The names of the operator's folders, and whose functions may have them. The folders themselves are the spawner's matter.
#[derive(Clone, Debug, Default)]
pub struct MountNames(pub Vec<MountName>);

/// One of them.
#[derive(Clone, Debug)]
pub struct MountName {
    /// What functions call it.
    pub name: String,
    /// The projects that may have it; `None` for all.
    pub projects: Option<Vec<ProjectId>>,
}

impl MountNames {
    /// Who may not have a mount is told the same as where there is none.
    fn check(&self, project: &ProjectId, name: &str) -> Result<(), Fault> {
        let open = |mount: &&MountName| mount.projects.as_ref().is_none_or(|projects| projects.contains(project));
        let mut mine = self.0.iter().filter(open);
        if mine.clone().any(|mount| mount.name == name) {
            return Ok(());
        }
        let name = clip(name);
        let message = match mine.next() {
            Some(_) => {
                let names: Vec<&str> = self.0.iter().filter(open).map(|mount| mount.name.as_str()).collect();
                format!("This server has no mount '{name}' for this project. It has {}", names.join(", "))
            }
            None => format!(
                "This server has no mount '{name}' for this project. Its operator lists folders in its settings, as [mounts.\"{name}\"]"
            ),
        };
        Err(Fault::new(ErrorCode::MountNotFound, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(share_path: &str, local_path: &str) -> MountDraft {
        MountDraft {
            kind: Some("sfs".to_owned()),
            resource: Some("data".to_owned()),
            share_path: Some(share_path.to_owned()),
            local_path: Some(local_path.to_owned()),
        }
    }

    fn mounts(list: Vec<MountDraft>) -> MountsDraft {
        MountsDraft { user_id: None, group_id: None, list }
    }

    #[track_caller]
    fn refused(draft: MountsDraft, code: ErrorCode, text: &str) {
        let fault = checked(draft).expect_err(text);
        assert_eq!(fault.code, code, "{}", fault.message);
        assert!(fault.message.contains(text), "{}", fault.message);
    }

    #[test]
    fn places_are_nobody_elses() {
        for good in ["/mnt/data", "/data", "/home/data", "/mnt", "/opt/data", "/srv/a/b/c", "/home/snuser2"] {
            checked(mounts(vec![draft("", good)])).expect(good);
        }
        for bad in ["", "mnt", "/", "/mnt/", "/mnt//x", "/mnt/../etc", "/mnt/./x", "/mnt/\n"] {
            refused(mounts(vec![draft("", bad)]), ErrorCode::BadMountPath, "must be an absolute path");
        }
        for bad in [
            "/etc",
            "/usr/share/x",
            "/proc/1",
            "/tmp/x",
            "/opt",
            "/opt/function/code",
            "/home",
            "/home/snuser/x",
            "/run/x",
        ] {
            refused(mounts(vec![draft("", bad)]), ErrorCode::BadMountPath, "is where the platform keeps");
        }
        refused(mounts(vec![draft("", &format!("/{}", "x".repeat(300)))]), ErrorCode::BadMountPath, "absolute path");
    }

    #[test]
    fn folders_of_a_mount_are_plain() {
        for (given, expected) in [("", ""), ("/", ""), ("team", "team"), ("/team/a/", "team/a")] {
            let mounts = checked(mounts(vec![draft(given, "/mnt/a")])).expect(given);
            assert_eq!((mounts.list[0].folder(), mounts.list[0].share_path.as_str()), (expected, given));
        }
        for bad in ["..", "/team/..", "a//b", "./a", "a\0b"] {
            refused(mounts(vec![draft(bad, "/mnt/a")]), ErrorCode::BadParameter, "func_mounts[0].mount_share_path");
        }
        let ecs = MountDraft { kind: Some("ecs".to_owned()), ..draft("", "/mnt/a") };
        refused(mounts(vec![ecs]), ErrorCode::BadParameter, "mounts of the type ecs need one");
        let other = MountDraft { kind: Some("nfs".to_owned()), ..draft("", "/mnt/a") };
        refused(mounts(vec![other]), ErrorCode::BadParameter, "mount_type 'nfs' does not exist");
        let nameless = MountDraft { resource: None, ..draft("", "/mnt/a") };
        refused(mounts(vec![nameless]), ErrorCode::BadParameter, "mount_resource is missing");
    }

    #[test]
    fn mounts_are_apart_and_not_too_many() {
        let two = |one: (&str, &str), two: (&str, &str)| mounts(vec![draft(one.0, one.1), draft(two.0, two.1)]);
        checked(two(("a", "/mnt/a"), ("b", "/mnt/b"))).expect("side by side");
        refused(two(("a", "/mnt/a"), ("/a/", "/mnt/b")), ErrorCode::MountExists, "there twice");
        refused(two(("a", "/mnt/a"), ("b", "/mnt/a/b")), ErrorCode::BadMountPath, "in each other's way");
        refused(two(("a", "/mnt/a/b"), ("b", "/mnt/a")), ErrorCode::BadMountPath, "in each other's way");
        let many = |count: usize| mounts((0..count).map(|n| draft(&n.to_string(), &format!("/mnt/{n}"))).collect());
        checked(many(5)).expect("five are allowed");
        refused(many(6), ErrorCode::TooManyMounts, "has 6 entries; 5 are allowed");
    }

    #[test]
    fn users_are_those_that_anybody_may_be() {
        let owner = |user_id, group_id| {
            checked(MountsDraft { user_id, group_id, list: Vec::new() }).map(|mounts| mounts.user.owner())
        };
        assert_eq!(owner(None, Some(-1)), Ok((1003, 1003)));
        assert_eq!(owner(Some(1), Some(65_534)), Ok((1, 65_534)));
        for bad in [0, 1000, 1002, 65_535, -2, i64::MAX] {
            assert_eq!(owner(Some(bad), None).expect_err("closed").code, ErrorCode::BadMountUser);
            assert_eq!(owner(None, Some(bad)).expect_err("closed").code, ErrorCode::BadMountUser);
        }
    }

    #[test]
    fn a_mount_of_others_is_told_as_one_that_is_not_there() {
        let (mine, other) = (ProjectId("a".repeat(32)), ProjectId("b".repeat(32)));
        let name = |name: &str, projects: Option<&ProjectId>| MountName {
            name: name.to_owned(),
            projects: projects.map(|project| vec![project.clone()]),
        };
        let names = MountNames(vec![name("all", None), name("theirs", Some(&other)), name("mine", Some(&mine))]);
        assert_eq!(names.check(&mine, "all"), Ok(()));
        assert_eq!(names.check(&mine, "mine"), Ok(()));
        let told = |name: &str| names.check(&mine, name).expect_err("not for this project").message.replace(name, "X");
        assert_eq!(told("theirs"), told("nobodys"));
        assert!(told("theirs").ends_with("It has all, mine"));
        let empty = MountNames::default().check(&mine, "x").expect_err("there is none");
        assert_eq!(empty.code, ErrorCode::MountNotFound);
    }
}
