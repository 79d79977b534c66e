//! The image of a function as the text of a column, and back.

use fungraph_model::{FunctionImage, ImageDefaults};
use serde::{Deserialize, Serialize};

use super::rows::bad;
use crate::Error;

#[derive(Serialize, Deserialize)]
struct Column {
    name: String,
    command: String,
    args: String,
    working_dir: String,
    uid: u32,
    gid: u32,
    own: Own,
}

#[derive(Serialize, Deserialize)]
struct Own {
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    env: Vec<(String, String)>,
    working_dir: String,
}

pub(super) fn write(image: &FunctionImage) -> String {
    let FunctionImage { name, command, args, working_dir, uid, gid, own } = image.clone();
    let ImageDefaults { entrypoint, cmd, env, working_dir: default_dir } = own;
    let own = Own { entrypoint, cmd, env, working_dir: default_dir };
    let column = Column { name, command, args, working_dir, uid, gid, own };
    serde_json::to_string(&column).expect("texts and numbers become JSON")
}

pub(super) fn read(text: &str) -> Result<FunctionImage, Error> {
    let Column { name, command, args, working_dir, uid, gid, own } =
        serde_json::from_str(text).map_err(|error| bad("image", &error))?;
    let Own { entrypoint, cmd, env, working_dir: default_dir } = own;
    let own = ImageDefaults { entrypoint, cmd, env, working_dir: default_dir };
    Ok(FunctionImage { name, command, args, working_dir, uid, gid, own })
}
