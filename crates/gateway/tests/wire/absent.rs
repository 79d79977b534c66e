//! What is missing is remembered as missing, and found by the first request after it is there.

use fungraph_gateway::Config;

use crate::{HELLO, server::Server};

impl Server {
    /// Status and code of a call. One that finds its function fails later: there are no sandboxes.
    async fn called(&self, name: &str) -> String {
        self.ask("POST", &format!("/{name}/invocations"), "{}").await.refusal()
    }

    fn urn(&self, qualifier: &str) -> String {
        format!("urn:fss:local:{}:function:default:hello:{qualifier}", self.credentials.project_id)
    }
}

const MISSING: &str = "404 FSS.0404";

#[tokio::test]
async fn what_was_missing_is_found_once_it_is_there() {
    let server = Server::start(Config::default()).await;
    let (version, alias) = (server.urn("v1"), server.urn("!live"));
    for round in 0..3 {
        // The second time it is known to be missing.
        for name in ["hello", "hello", &version, &version, &alias, &alias] {
            assert_eq!(server.called(name).await, MISSING, "{name}, round {round}");
        }
        assert_eq!(server.ask("POST", "", HELLO).await.status, 200);
        assert_ne!(server.called("hello").await, MISSING, "round {round}");
        for name in [&version, &version, &alias, &alias] {
            assert_eq!(server.called(name).await, MISSING, "{name}, round {round}");
        }
        assert_eq!(server.ask("POST", "/hello/versions", r#"{"version":"v1"}"#).await.status, 200);
        assert_ne!(server.called(&version).await, MISSING, "round {round}");
        assert_eq!(server.called(&alias).await, MISSING, "round {round}");
        let body = r#"{"name":"live","version":"v1"}"#;
        assert_eq!(server.ask("POST", "/hello/aliases", body).await.status, 200);
        assert_ne!(server.called(&alias).await, MISSING, "round {round}");
        assert_eq!(server.ask("DELETE", &format!("/{version}"), "").await.status, 204);
        for name in [&version, &alias] {
            assert_eq!(server.called(name).await, MISSING, "{name} is gone, round {round}");
        }
        assert_ne!(server.called("hello").await, MISSING, "round {round}");
        assert_eq!(server.ask("DELETE", "/hello", "").await.status, 204);
    }
    server.stop().await;
}
