//! What a function learns of its version, and of the alias that its caller used.

use serde_json::{Value, json};

use super::Stage;
use crate::harness::Server;
use crate::raw::{base64, python};
use crate::signed::Client;

const PYTHON: &str = "import os\ncalls = []\ndef handler(event, context):\n    calls.append(1)\n    return [context.getVersion(), \
                      context.getAlias(), os.environ['RUNTIME_FUNC_VERSION'], len(calls)]\n";
const PYTHON_TASKS: &str = "import os\ncalls = []\nasync def handler(event, context):\n    calls.append(1)\n    return [context.getVersion(), \
                            context.getAlias(), os.environ['RUNTIME_FUNC_VERSION'], len(calls)]\n";
const NODE: &str = "let calls = 0;\nexports.handler = async (event, context) => [context.getVersion(), context.getAlias(), \
                    process.env.RUNTIME_FUNC_VERSION, ++calls];\n";
const PHP: &str = "<?php\n$calls = 0;\nfunction handler($event, $context) {\n    global $calls;\n    return [$context->getVersion(), \
                   $context->getAlias(), getenv('RUNTIME_FUNC_VERSION'), ++$calls];\n}\n";

/// One instance, so that calls by an alias and by the version share it; `at_once` picks the bootstrap's way to serve.
fn tells(runtime: &str, code: &str, at_once: u32) {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let mut body = python("f", "");
    body["runtime"] = json!(runtime);
    body["func_code"] = json!({ "file": base64(code.as_bytes()) });
    body["strategy_config"] = json!({ "concurrency": 1, "concurrent_num": at_once });
    client.done("POST", "", &body);
    let stage = Stage { server, client };
    stage.publish("v1");
    stage.alias(&json!({ "name": "prod", "version": "v1" }));
    for (call, (qualifier, version, alias)) in
        [("v1", "v1", ""), ("!prod", "v1", "prod"), ("v1", "v1", ""), ("!prod", "v1", "prod")].into_iter().enumerate()
    {
        let answer = stage.call(qualifier);
        let seen: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(seen, json!([version, alias, version, call + 1]), "{runtime}, {qualifier}: {}", answer.text());
    }
    let answer = stage.call("latest");
    let seen: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!(seen, json!(["latest", "", "latest", 1]), "{runtime}: another instance");
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn python_functions_are_told_version_and_alias() {
    tells("Python3.9", PYTHON, 1);
    tells("Python3.9", PYTHON, 4);
    tells("Python3.9", PYTHON_TASKS, 4);
}

#[test]
fn node_functions_are_told_version_and_alias() {
    tells("Node.js20.15", NODE, 1);
}

const WEB: &str = "#!/bin/sh\nexec python3 -c \"\nimport http.server\nclass Handler(http.server.BaseHTTPRequestHandler):\n    \
                   def do_GET(self):\n        tag = self.headers.get('x-cff-origin-version-tag', 'none')\n        \
                   body = (self.headers['x-cff-func-version'] + ' ' + tag).encode()\n        self.send_response(200)\n        \
                   self.send_header('Content-Length', str(len(body)))\n        self.end_headers()\n        \
                   self.wfile.write(body)\nhttp.server.HTTPServer(('127.0.0.1', 8000), Handler).serve_forever()\n\"\n";

#[test]
fn http_functions_are_told_version_and_alias() {
    let server = Server::start(&[]);
    let client = Client::of(&server);
    let mut body = python("f", "");
    (body["runtime"], body["handler"], body["code_type"]) = (json!("http"), json!("bootstrap"), json!("zip"));
    body["func_code"] = json!({ "file": base64(&crate::dependencies::zip(&[("bootstrap", WEB)])) });
    body["strategy_config"] = json!({ "concurrency": 1, "concurrent_num": 1 });
    client.done("POST", "", &body);
    let stage = Stage { server, client };
    stage.publish("v1");
    stage.alias(&json!({ "name": "prod", "version": "v1" }));
    let event = r#"{"httpMethod": "GET", "path": "/", "headers": {"X-Cff-Origin-Version-Tag": "forged"}}"#;
    for (qualifier, expected) in [("v1", "v1 none"), ("!prod", "v1 !prod"), ("latest", "latest none")] {
        let path = stage.client.functions(&format!("/{}/invocations", stage.of(qualifier)));
        let answer = stage.client.call("POST", &path, event);
        let result: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        assert_eq!(result["body"], json!(base64(expected.as_bytes())), "{qualifier}: {}", answer.text());
    }
    assert_eq!(stage.server.stop(), Some(0));
}

#[test]
fn php_functions_are_told_version_and_alias() {
    tells("PHP8.3", PHP, 1);
}
