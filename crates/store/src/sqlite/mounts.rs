//! The mounts of a function as the text of a column, and back.

use fungraph_model::{Mount, MountKind, MountUser, Mounts};
use serde::{Deserialize, Serialize};

use super::rows::bad;
use crate::Error;

const COLUMN: &str = "mounts";

#[derive(Serialize, Deserialize)]
struct Column {
    user_id: i32,
    group_id: i32,
    list: Vec<One>,
}

#[derive(Serialize, Deserialize)]
struct One {
    kind: String,
    resource: String,
    share_path: String,
    local_path: String,
}

/// None for a function without mounts.
pub(super) fn write(mounts: &Mounts) -> Option<String> {
    let one = |Mount { kind, resource, share_path, local_path }: &Mount| One {
        kind: kind.name().to_owned(),
        resource: resource.clone(),
        share_path: share_path.clone(),
        local_path: local_path.clone(),
    };
    let MountUser { user_id, group_id } = mounts.user;
    let column = Column { user_id, group_id, list: mounts.list.iter().map(one).collect() };
    let text = || serde_json::to_string(&column).expect("texts and numbers become JSON");
    (!mounts.list.is_empty()).then(text)
}

pub(super) fn read(text: Option<&str>) -> Result<Mounts, Error> {
    let Some(text) = text else { return Ok(Mounts::default()) };
    let Column { user_id, group_id, list } = serde_json::from_str(text).map_err(|error| bad(COLUMN, &error))?;
    let one = |One { kind, resource, share_path, local_path }| {
        let kind = MountKind::parse(&kind).ok_or_else(|| bad(COLUMN, &"no such mount type"))?;
        Ok(Mount { kind, resource, share_path, local_path })
    };
    let list = list.into_iter().map(one).collect::<Result<_, Error>>()?;
    Ok(Mounts { user: MountUser { user_id, group_id }, list })
}
