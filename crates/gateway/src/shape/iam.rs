//! Answers of the identity service, in the shapes that OpenStack gave them.

use fungraph_engine::{Engine, SecurityToken, Token};
use fungraph_model::{DomainId, Project, Proof, Right, Rights, Role, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};

/// `GET /v3`.
pub(crate) fn version(base: &str) -> Value {
    json!({ "version": {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{base}/v3/") }],
        "media-types": [{ "base": "application/json", "type": "application/vnd.openstack.identity-v3+json" }],
    } })
}

/// Projects with the names they go by.
pub(crate) fn projects(projects: &[(Project, String)], base: &str) -> Value {
    let all: Vec<Value> = projects
        .iter()
        .map(|(project, name)| {
            json!({
                "id": project.id.0,
                "name": name,
                "domain_id": project.domain.0,
                "parent_id": project.domain.0,
                "is_domain": false,
                "enabled": true,
                "description": "",
                "links": { "self": format!("{base}/v3/projects/{}", project.id) },
            })
        })
        .collect();
    json!({ "projects": all, "links": links(&format!("{base}/v3/projects")) })
}

/// The caller's account.
pub(crate) fn domains(engine: &Engine, proof: &Proof, base: &str) -> Value {
    let id = &proof.holder.domain;
    json!({
        "domains": [{
            "id": id.0,
            "name": engine.domain_name(id),
            "enabled": true,
            "description": "",
            "links": { "self": format!("{base}/v3/domains/{id}") },
        }],
        "links": links(&format!("{base}/v3/auth/domains")),
    })
}

fn links(own: &str) -> Value {
    json!({ "self": own, "previous": null, "next": null })
}

/// `GET /v5/caller-identity`.
pub(crate) fn identity(proof: &Proof) -> Value {
    let holder = &proof.holder;
    json!({
        "account_id": holder.domain.0,
        "principal_id": holder.user.0,
        "principal_urn": format!("iam::{}:user:{}", holder.domain, holder.name),
    })
}

/// What a token proves; its text goes into a header.
pub(crate) fn token(engine: &Engine, token: &Token, base: &str, with_catalog: bool) -> Value {
    let holder = &token.proof.holder;
    let mut shown = json!({
        "methods": token.methods,
        "issued_at": time(token.issued),
        "expires_at": time(token.expires),
        "user": {
            "id": holder.user.0,
            "name": holder.name,
            "domain": domain(engine, &holder.domain),
            "password_expires_at": "",
        },
    });
    let mut rights = Rights::NONE;
    match &token.proof.scope {
        Scope::Project(id) => {
            let named = engine.projects_of(&holder.domain).into_iter().find(|(project, _)| project.id == *id);
            let name = named.map_or_else(String::new, |(_, name)| name);
            rights = holder.rights_in(&id.0).unwrap_or_default();
            shown["project"] = json!({ "id": id.0, "name": name, "domain": domain(engine, &holder.domain) });
        }
        Scope::Domain | Scope::Whole => {
            shown["domain"] = domain(engine, &holder.domain);
            if holder.is_administrator {
                rights = Role::Admin.rights();
            }
        }
    }
    shown["roles"] = roles(rights).iter().map(|role| json!({ "id": role.name(), "name": role.name() })).collect();
    if with_catalog {
        shown["catalog"] = catalog(engine.region(), &token.proof.scope, base);
    }
    json!({ "token": shown })
}

/// Where the services are: all of them here.
fn catalog(region: &str, scope: &Scope, base: &str) -> Value {
    let service = |kind: &str, name: &str, url: String| {
        let endpoint = json!({ "id": kind, "interface": "public", "region": region, "region_id": region, "url": url });
        json!({ "id": kind, "type": kind, "name": name, "endpoints": [endpoint] })
    };
    let mut services = vec![service("identity", "iam", format!("{base}/v3"))];
    if let Scope::Project(id) = scope {
        services.push(service("functiongraph", "functiongraph", format!("{base}/v2/{id}")));
    }
    Value::Array(services)
}

/// Names for a set of rights: a role that holds those of another stands for both.
fn roles(rights: Rights) -> Vec<Role> {
    if rights.hold(Right::Administer) {
        vec![Role::Admin]
    } else if rights.hold(Right::Change) {
        vec![Role::Developer]
    } else {
        let small = [(Role::Reader, Right::Read), (Role::Invoker, Right::Invoke)];
        small.into_iter().filter(|(_, right)| rights.hold(*right)).map(|(role, _)| role).collect()
    }
}

fn domain(engine: &Engine, id: &DomainId) -> Value {
    json!({ "id": id.0, "name": engine.domain_name(id) })
}

/// A temporary key.
pub(crate) fn security_token(key: &SecurityToken) -> Value {
    json!({ "credential": {
        "access": key.access,
        "secret": key.secret.reveal(),
        "securitytoken": key.text.reveal(),
        "expires_at": time(key.expires),
    } })
}

fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string()
}

#[cfg(test)]
mod tests {
    use fungraph_model::ProjectId;

    use super::*;

    #[test]
    fn the_catalog_names_functions_for_a_project_only() {
        let of_project = catalog("local", &Scope::Project(ProjectId("p".into())), "http://h:1");
        assert_eq!(of_project[0]["endpoints"][0]["url"], "http://h:1/v3");
        assert_eq!(
            (&of_project[1]["type"], &of_project[1]["endpoints"][0]["url"]),
            (&json!("functiongraph"), &json!("http://h:1/v2/p"))
        );
        assert_eq!(catalog("local", &Scope::Domain, "http://h:1").as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn rights_go_by_the_largest_roles() {
        for role in Role::ALL {
            assert_eq!(roles(role.rights()), [role]);
        }
        assert_eq!(roles(Role::Reader.rights().with(Role::Invoker.rights())), [Role::Reader, Role::Invoker]);
        assert!(roles(Rights::NONE).is_empty());
    }

    #[test]
    fn times_have_six_digits_behind_the_second() {
        assert_eq!(time("2026-01-02T03:04:05.5Z".parse().expect("a time")), "2026-01-02T03:04:05.000000Z");
    }
}
