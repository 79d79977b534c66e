//! `fungraph env`: the variables that point an SDK at this server, for `eval "$(fungraph env)"`.
//!
//! The `clouds.yaml` and the Terraform block that belong here come with the clients that read them.

use crate::args::EnvArgs;
use crate::client;
use crate::exit::Exit;
use crate::say;

pub(crate) fn run(args: &EnvArgs) -> anyhow::Result<Exit> {
    let found = client::credentials(&args.locate)?;
    let region = found.region.to_uppercase().replace('-', "_");
    for (name, value) in [
        ("FUNGRAPH_ENDPOINT", found.endpoint.as_str()),
        ("HUAWEICLOUD_SDK_AK", found.access_key.as_str()),
        ("HUAWEICLOUD_SDK_SK", found.secret_key.reveal()),
        ("HUAWEICLOUD_SDK_PROJECT_ID", found.project_id.as_str()),
        ("HUAWEICLOUD_SDK_DOMAIN_ID", found.domain_id.as_str()),
        (&format!("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_{region}"), found.endpoint.as_str()),
    ] {
        say::out(format!("export {name}='{value}'"));
    }
    Ok(Exit::Clean)
}
