//! Where the project is, and its files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The root of the workspace, found from where this crate was built.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the workspace").to_path_buf()
}

/// Every file that belongs to the project, in order. The walk is ours, since a copy without git must pass as well.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(&root(), &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() && !is_made(&path) {
            walk(&path, found)?;
        } else if kind.is_file() && path.extension().is_none_or(|kind| kind != "pyc") {
            found.push(path);
        }
    }
    Ok(())
}

/// Folders that tools make.
fn is_made(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name == ".git" || name == "__pycache__" || folder == root().join("target")
}
