//! Words and forms that several shapes share.

/// Names of functions, packages, aliases and test events.
pub(super) const NAME: &str = "^[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?$";

/// Names of dependencies.
pub(super) const DOTTED_NAME: &str = "^[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

/// Names of published versions.
pub(super) const VERSION_NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

/// Names of headers and cookies in rules of aliases.
pub(super) const PARAMETER_NAME: &str = "^[A-Za-z0-9_-]+$";

pub(super) const CODE_TYPES: [&str; 5] = ["inline", "zip", "obs", "jar", "Custom-Image-Swr"];
