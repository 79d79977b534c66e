//! Tests that drive the real binary: fresh folder, free port, whole output compared.
//!
//! Those that run functions need root, as the server does.

mod environment;
mod harness;
mod signed;

mod accounts;
mod async_calls;
mod awake;
mod belongings;
mod cleanliness;
mod config;
mod custom;
mod dependencies;
mod destinations;
mod doctor;
mod dotnet;
mod drain;
mod engines;
mod exports;
mod faults;
mod folder;
mod gateway;
mod help;
mod images;
mod java;
mod life;
mod mounts;
mod native;
mod objects;
mod openapi;
mod packages;
mod quotas;
mod raw;
mod regressions;
mod remote;
mod replay;
mod reserved;
mod runtime_images;
mod runtimes;
mod samples;
mod sdk;
mod serve;
mod sizes;
mod statistics;
mod templates;
mod triggers;
mod versions;
mod web_servers;
mod why;
