//! `fungraph why REQUEST_ID`: where the time of a call went, read from the data folder. No server is needed.

mod advice;
mod picture;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use fungraph_model::{CallRecord, Ending, FunctionKey, RequestId};
use fungraph_store::logs::{self, Found, LogFilter};
use serde_json::{Map, Value, json};

use self::picture::Ink;
use super::logs::{meant, place};
use crate::args::WhyArgs;
use crate::environment::variable;
use crate::exit::{Exit, Stop};
use crate::say;
use crate::target;

/// How long after its answer a call's record may still be on its way to the disk.
const WRITTEN_WITHIN: Duration = Duration::from_millis(400);

pub(crate) fn run(args: &WhyArgs) -> anyhow::Result<Exit> {
    let request = RequestId::parse(&args.request).ok_or_else(|| {
        Stop::usage(format!(
            "{:?} is no request id; it looks like 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 and is the X-Cff-Request-Id of an answer",
            args.request
        ))
    })?;
    let meanings = args.function.as_deref().map(target::meanings).transpose();
    let meanings = meanings.map_err(|fault| Stop::usage(fault.message))?.unwrap_or_default();
    let (folder, project) = place(&args.locate, meanings.first())?;
    let key = meant(&folder, meanings, &project).map(|(key, _)| key);
    let mut found = look(&folder, key.as_ref(), request)?;
    if found.is_none() {
        std::thread::sleep(WRITTEN_WITHIN);
        found = look(&folder, key.as_ref(), request)?;
    }
    let found = found.ok_or_else(|| Stop::failed(missing(&folder, key.as_ref(), request)))?;
    let Some(call) = &found.record.call else {
        return Err(Stop::failed(unmeasured(&found, request)));
    };
    if args.json {
        say::out(format!("{:#}", json(&found, call)));
    } else {
        say::raw(text(&found, call, ink()).as_bytes());
    }
    Ok(Exit::Clean)
}

fn look(folder: &Path, key: Option<&FunctionKey>, request: RequestId) -> Result<Option<Found>, logs::LogError> {
    let Some(key) = key else { return logs::find(folder, request) };
    let mut records = logs::read(folder, key, LogFilter { request: Some(request), ..LogFilter::default() })?;
    Ok(records.next().transpose()?.map(|record| Found { function: key.clone(), record }))
}

fn unmeasured(found: &Found, request: RequestId) -> String {
    let FunctionKey { package, name, .. } = &found.function;
    let what = if found.record.is_call() {
        "is a call from before calls were measured"
    } else {
        "is no call but an initializer of a reserved instance, or what an instance printed at its end"
    };
    format!("{request} {what}; `fungraph logs {package}:{name} --request {request}` shows it")
}

fn missing(folder: &Path, key: Option<&FunctionKey>, request: RequestId) -> String {
    let of = key.map_or_else(String::new, |key| format!(" of {}:{}", key.package, key.name));
    let other = if key.is_some() { "it was of another function (leave --function out), " } else { "" };
    format!(
        "{} holds no record of the call {request}{of}: {other}it ended this very moment, its client left while it was in \
         line, it was refused before its function was known (401, 403, 404) or as one of more than ten in a second, its \
         function is deleted, or its log has made room for later ones (settings logs.per_function_mb and logs.total_mb)",
        folder.display()
    )
}

fn ink() -> Ink {
    match std::io::stdout().is_terminal() {
        true if variable("NO_COLOR").is_some() => Ink::Blocks,
        true => Ink::Colour,
        false => Ink::Plain,
    }
}

fn text(found: &Found, call: &CallRecord, ink: Ink) -> String {
    let Found { function: FunctionKey { package, name, .. }, record } = found;
    let request = record.request.map_or_else(String::new, |request| request.to_string());
    format!(
        "Call {request} of {package}:{name} ({}), {:.3}\n\n{}\n{}\n{}\n",
        record.version,
        record.started,
        picture::phases(&call.phases, ink),
        advice::ending(call),
        advice::dominated(call)
    )
}

fn json(found: &Found, call: &CallRecord) -> Value {
    let FunctionKey { project, package, name } = &found.function;
    let phases: Map<String, Value> =
        call.phases.iter().map(|(phase, us)| (phase.name().to_owned(), Value::from(us))).collect();
    let (outcome, number, refused) = match &call.end {
        Ending::Returned => ("returned", Some(0), None),
        Ending::Failed(number) => ("failed", Some(*number), None),
        Ending::Refused(why) => ("refused", None, Some(why)),
    };
    json!({
        "request_id": found.record.request.map(|request| request.to_string()),
        "project_id": project.0,
        "package": package,
        "function": name,
        "version": found.record.version,
        "started": format!("{:.6}", found.record.started),
        "phases_us": phases,
        "total_us": call.phases.total(),
        "longest": call.phases.longest().0.name(),
        "start": call.start.map(fungraph_model::StartKind::name),
        "outcome": outcome,
        "number": number,
        "refused": refused,
        "memory_used_bytes": call.memory_used,
        "memory_mb": call.memory_mb,
        "line": call.line.map(|line| json!({ "instances": line.instances, "most": line.most, "room": line.room })),
        "advice": advice::dominated(call),
    })
}

#[cfg(test)]
mod tests {
    use fungraph_model::{Phase, Phases, ProjectId, StartKind};
    use fungraph_store::LogRecord;

    use super::*;

    fn found() -> (Found, CallRecord) {
        let mut phases = Phases::default();
        for (phase, us) in Phase::ALL.into_iter().zip([21, 34, 3, 204, 31_220, 8_100, 0, 2_310, 46]) {
            phases.add(phase, us);
        }
        let call = CallRecord {
            phases,
            start: Some(StartKind::New),
            end: Ending::Returned,
            memory_used: 22_516_072,
            memory_mb: 128,
            line: None,
            is_server_error: false,
        };
        let record = LogRecord {
            started: "2026-01-02T03:04:05.678901Z".parse().expect("a time"),
            request: RequestId::parse("6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10"),
            version: "latest".to_owned(),
            call: Some(call.clone()),
            text: Vec::new(),
        };
        let function = FunctionKey { project: ProjectId("p".into()), package: "default".into(), name: "hello".into() };
        (Found { function, record }, call)
    }

    #[test]
    fn what_was_not_measured_is_called_what_it_is() {
        let (mut found, _) = found();
        let request = found.record.request.expect("it has one");
        found.record.call = None;
        found.record.text = b"the last words\n".to_vec();
        let said = unmeasured(&found, request);
        assert!(said.contains("is no call but an initializer of a reserved instance, or what an instance printed"));
        assert!(said.ends_with(&format!("`fungraph logs default:hello --request {request}` shows it")), "{said}");
        found.record.text = format!("2026-01-02T03:04:05Z Start invoke request '{request}', version: latest\n").into();
        assert!(unmeasured(&found, request).contains("is a call from before calls were measured"));
    }

    #[test]
    fn a_cold_call_is_shown() {
        let (found, call) = found();
        insta::assert_snapshot!(text(&found, &call, Ink::Plain), @r"
        Call 6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10 of default:hello (latest), 2026-01-02T03:04:05.678Z

          accept             0.021 ms
          authenticate       0.034 ms
          resolve            0.003 ms
          wait               0.204 ms
          start             31.220 ms  ##############################
          load               8.100 ms  ########
          initialize             -
          run                2.310 ms  ##
          answer             0.046 ms
          total             41.938 ms

        Cold: a new instance was started for it. It returned (0), having used 21.5 of 128 MB.
        74 % starting an instance: no instance was free, and no blank one was ready; pool.blanks_most keeps more of those, pool.idle_seconds keeps instances longer after their last call.
        ");
    }

    #[test]
    fn a_cold_call_as_json() {
        let (found, call) = found();
        insta::assert_snapshot!(format!("{:#}", json(&found, &call)), @r#"
        {
          "request_id": "6f2c0c1e-0b1d-4c55-9d63-2f0e7c1f1f10",
          "project_id": "p",
          "package": "default",
          "function": "hello",
          "version": "latest",
          "started": "2026-01-02T03:04:05.678901Z",
          "phases_us": {
            "accept": 21,
            "authenticate": 34,
            "resolve": 3,
            "wait": 204,
            "start": 31220,
            "load": 8100,
            "initialize": 0,
            "run": 2310,
            "answer": 46
          },
          "total_us": 41938,
          "longest": "start",
          "start": "new",
          "outcome": "returned",
          "number": 0,
          "refused": null,
          "memory_used_bytes": 22516072,
          "memory_mb": 128,
          "line": null,
          "advice": "74 % starting an instance: no instance was free, and no blank one was ready; pool.blanks_most keeps more of those, pool.idle_seconds keeps instances longer after their last call."
        }
        "#);
    }
}
