//! A package of the largest size: what its creation takes of memory and time, beside the disk that it has to wait for.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::ours::Ours;
use super::rounds::three;
use super::table::{Budget, Row, Table};
use super::{Options, host};
use crate::bare::Language;
use crate::http1::Connection;

/// Bytes of the file in the package, which is a little larger and may have 50 MB.
const CONTENT: usize = (50 << 20) - (64 << 10);
const MB: f64 = (1 << 20) as f64;

/// The rows of large packages.
pub(crate) async fn large_packages(options: &Options, table: &mut Table) -> Result<()> {
    let ours = Ours::start(&options.fungraph, "").await?;
    let (mut took, mut disk, mut grown, mut sent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds() {
        let content = noise(round as u64 + 1);
        let package = package(&content)?;
        let body = json!({
            "func_name": format!("large-{round}"), "package": "default", "runtime": options.runtime(Language::Python),
            "handler": "index.handler", "timeout": 30, "memory_size": 128, "code_type": "zip",
            "func_code": { "file": BASE64_STANDARD.encode(&package) },
        });
        let target = ours.creation(&body);
        disk.push(write_both(&ours.data(), &package, &content)?);
        host::forget_peak(ours.pid())?;
        let before = host::resident_mb(ours.pid());
        let mut connection = Connection::open(&target.address).await?;
        let begin = Instant::now();
        let answer = connection.call(&target.request).await?;
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
        ensure!(answer.status == 200, "answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        grown.push(host::peak_mb(ours.pid()) - before);
        sent.push(target.request.len() as f64 / MB);
    }
    ours.leave().await?;
    let budget = Some(Budget::AtMost(1.5));
    table.push(Row::beside(
        "50 MB package: create",
        three(&took, &disk),
        "ms",
        "the same files written and synced",
        budget,
    ));
    let budget = Some(Budget::AtMost(1.2));
    table.push(Row::beside("50 MB package: growth of the server", three(&grown, &sent), "MB", "the request", budget));
    Ok(())
}

/// Bytes that nothing makes smaller (xorshift64).
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..CONTENT / 8).flat_map(&mut next).collect()
}

fn package(content: &[u8]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("index.py", options)?;
    zip.write_all(b"def handler(event, context):\n    return {}\n")?;
    zip.start_file("noise", options)?;
    zip.write_all(content)?;
    Ok(zip.finish()?.into_inner())
}

/// Milliseconds until both files that a creation leaves are on disk: the package as it came, and what is in it.
fn write_both(folder: &Path, package: &[u8], content: &[u8]) -> Result<f64> {
    let begin = Instant::now();
    for (name, bytes) in [("package", package), ("content", content)] {
        let mut file = File::create(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    for name in ["package", "content"] {
        std::fs::remove_file(folder.join(name))?;
    }
    Ok(took)
}
