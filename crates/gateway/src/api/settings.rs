//! Settings of functions that are kept without effect. `shape/passive.rs` reads them by these tables.

use super::field::{Shape, flag, objects, shape, text, texts};

/// `type` of a function.
pub(crate) const TYPES: [&str; 2] = ["v1", "v2"];

pub(crate) static FUNC_VPC: Shape = shape(
    "FuncVpc",
    &[
        text("domain_id"),
        text("namespace"),
        text("vpc_name"),
        text("vpc_id").required(),
        text("subnet_name"),
        text("subnet_id").required(),
        text("cidr"),
        text("gateway"),
        texts("security_groups"),
        flag("is_safety"),
    ],
);

pub(crate) static FUNC_LOG_CONFIG: Shape =
    shape("FuncLogConfig", &[text("group_name"), text("group_id"), text("stream_name"), text("stream_id")]);

pub(crate) static NETWORK_CONTROL_CONFIG: Shape =
    shape("NetworkControlConfig", &[flag("disable_public_network"), objects("trigger_access_vpcs", &VPC_CONFIG)]);

static VPC_CONFIG: Shape = shape("VpcConfig", &[text("vpc_name"), text("vpc_id")]);
