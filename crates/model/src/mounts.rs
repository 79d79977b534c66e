//! What a function sees of the folders that the operator gives away.

/// The mounts of a function (`mount_config`), checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Whom files belong to outside that are the function's own inside.
    pub user: MountUser,
    /// The mounts, in the order they were given.
    pub list: Vec<Mount>,
}

/// `mount_user`, as it was given: -1 is the user of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountUser {
    /// `user_id`.
    pub user_id: i32,
    /// `user_group_id`.
    pub group_id: i32,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What the client says that it is.
    pub kind: MountKind,
    /// The name that the operator gave to the folder.
    pub resource: String,
    /// A folder in it, as it was given; see [`Mount::folder`].
    pub share_path: String,
    /// Where it is inside; an absolute path.
    pub local_path: String,
}

/// `mount_type`: the API's words for services of the cloud. To this platform all are folders of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// `sfs`.
    Sfs,
    /// `sfsTurbo`.
    SfsTurbo,
    /// `ecs`.
    Ecs,
}

/// The id of functions, which -1 means (contract: runtimes.md section 2).
const USUAL_ID: u32 = 1003;

impl Default for MountUser {
    fn default() -> Self {
        Self { user_id: -1, group_id: -1 }
    }
}

impl MountUser {
    /// The owner of files outside, and their group.
    #[must_use]
    pub fn owner(self) -> (u32, u32) {
        let id = |id: i32| u32::try_from(id).unwrap_or(USUAL_ID);
        (id(self.user_id), id(self.group_id))
    }
}

impl Mount {
    /// The folder in the operator's, relative to it; empty for all of it. Clients write it with a slash in front or without.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.share_path.trim_matches('/')
    }
}

impl MountKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sfs, Self::SfsTurbo, Self::Ecs];

    /// The API's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sfs => "sfs",
            Self::SfsTurbo => "sfsTurbo",
            Self::Ecs => "ecs",
        }
    }

    /// Reads the API's word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
