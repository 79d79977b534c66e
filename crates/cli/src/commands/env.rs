//! `fungraph env`: what points clients at this server: variables for `eval "$(fungraph env)"`, a `clouds.yaml`, a Terraform block.

mod clouds;

use crate::args::{EnvArgs, EnvFormat};
use crate::client;
use crate::credentials::Credentials;
use crate::exit::{Exit, Stop};
use crate::say;

pub(crate) fn run(args: &EnvArgs) -> anyhow::Result<Exit> {
    if args.user.is_some() && !matches!(args.format, EnvFormat::Clouds | EnvFormat::All) {
        return Err(Stop::usage("--user is for a clouds.yaml: add --format clouds"));
    }
    let found = client::credentials(&args.locate)?;
    let clouds = || clouds::file(&found, args.user.as_deref());
    let text = match args.format {
        EnvFormat::Shell => shell(&found),
        EnvFormat::Clouds => clouds()?,
        EnvFormat::Terraform => terraform(&found),
        EnvFormat::All => {
            format!("# Variables\n{}\n# clouds.yaml\n{}\n# Terraform\n{}", shell(&found), clouds()?, terraform(&found))
        }
    };
    say::raw(text.as_bytes());
    Ok(Exit::Clean)
}

fn shell(found: &Credentials) -> String {
    let region = found.region.to_uppercase().replace('-', "_");
    let lines = [
        ("FUNGRAPH_ENDPOINT", found.endpoint.as_str()),
        ("FUNGRAPH_REGION", found.region.as_str()),
        ("HUAWEICLOUD_SDK_AK", found.access_key.as_str()),
        ("HUAWEICLOUD_SDK_SK", found.secret_key.reveal()),
        ("HUAWEICLOUD_SDK_PROJECT_ID", found.project_id.as_str()),
        ("HUAWEICLOUD_SDK_DOMAIN_ID", found.domain_id.as_str()),
        (&format!("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_{region}"), found.endpoint.as_str()),
        ("HUAWEICLOUD_SDK_IAM_ENDPOINT", found.endpoint.as_str()),
        ("HUAWEICLOUD_SDK_STS_ENDPOINT", found.endpoint.as_str()),
    ];
    lines.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect()
}

/// The provider signs with the key, asks the identity service for the project, and is told where both services are.
fn terraform(found: &Credentials) -> String {
    let Credentials { endpoint, region, access_key, project_id, secret_key, .. } = found;
    let secret_key = secret_key.reveal();
    format!(
        r#"terraform {{
  required_providers {{
    huaweicloud = {{
      source = "huaweicloud/huaweicloud"
    }}
  }}
}}

provider "huaweicloud" {{
  region     = "{region}"
  access_key = "{access_key}"
  secret_key = "{secret_key}"
  project_id = "{project_id}"
  auth_url   = "{endpoint}/v3"
  insecure   = true
  endpoints = {{
    iam = "{endpoint}/"
    fgs = "{endpoint}/"
  }}
}}
"#
    )
}
