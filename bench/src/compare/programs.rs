//! Custom, http and Go functions beside the same programs without a platform.

use std::io::{Cursor, Write as _};

use anyhow::Result;
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::ours::Ours;
use super::process::Server;
use super::rounds::{Subject, bench_command, in_turns, three};
use super::table::{Budget, Row, Table};
use super::{EVENT, Options, host};
use crate::bare::app;
use crate::go;
use crate::load::Target;
use crate::program::{CUSTOM, HTTP, Program};

/// The program that every instance of one has first.
const BOOTSTRAP: &str = "bootstrap-native";

/// Warm calls of each kind, and what its bootstrap keeps.
pub(crate) async fn warm(options: &Options, ours: &Ours, table: &mut Table) -> Result<()> {
    for program in [Program::Custom, Program::Http, Program::Go] {
        let name = program.runtime();
        if program == Program::Go && !go::is_there() {
            table.push(Row::missing(format!("{name}: warm, c=1, p50"), "go is not installed"));
            continue;
        }
        let function = ours.create_program(program, &package(program)?).await?;
        let target = ours.target_with(&function, &event(program));
        let bare = Server::start(bench_command(&["program", program.word()])).await?;
        let same = Target { address: bare.address.clone(), request: target.request.clone() };
        let mut subjects = [Subject::new(&target, 1, ours.pid()), Subject::new(&same, 1, bare.pid())];
        in_turns(options, options.rounds(), &mut subjects).await?;
        let [one, bare_one] = &subjects;
        let figures = three(&one.p50, &bare_one.p50);
        table.push(Row::beside(
            format!("{name}: warm, c=1, p50"),
            figures,
            "ms",
            program.bare(),
            Some(Budget::AtMost(1.15)),
        ));
    }
    let below = host::descendants(ours.pid()).into_iter();
    let own: Vec<f64> =
        below.filter(|(_, name)| name.starts_with(BOOTSTRAP)).map(|(pid, _)| host::own_mb(pid)).collect();
    let mean = own.iter().sum::<f64>() / own.len() as f64;
    let what = format!("native bootstrap, own memory (of {})", own.len());
    table.push(Row::alone(what, mean, "MB", Some(Budget::AtMost(2.0))));
    Ok(())
}

fn package(program: Program) -> Result<Vec<u8>> {
    let file = match program {
        Program::Custom => CUSTOM,
        Program::Http => HTTP,
        Program::Go => return zip(&[("bootstrap", std::fs::read(go::build()?)?)]),
    };
    let node = "/opt/function/runtime/nodejs20.15/rtsp/nodejs/bin/node";
    let read = |file: &str| std::fs::read(app("programs").join(file));
    zip(&[
        ("bootstrap", format!("#!/bin/bash\nexec {node} {file}\n").into_bytes()),
        (file, read(file)?),
        ("answer.js", read("answer.js")?),
    ])
}

/// An archive of programs.
fn zip(files: &[(&str, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755))?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn event(program: Program) -> String {
    match program {
        Program::Custom | Program::Go => EVENT.to_owned(),
        Program::Http => json!({
            "httpMethod": "POST", "path": "/", "headers": { "content-type": "application/json" }, "body": EVENT,
            "isBase64Encoded": false,
        })
        .to_string(),
    }
}
