//! Changes of the register: what each does to the copy in memory and to the one in the store.

use std::sync::Arc;

use fungraph_model::{ErrorCode, Fault, Grant, KeyRecord, Project, ProjectId, Register, Secret, User, UserId};
use fungraph_store::{Error as StoreError, Store};

use super::directory::Directory;
use crate::{Engine, Error, to_end::to_end};

/// One change.
#[derive(Clone, Debug)]
pub(super) enum Change {
    AddProject(Project),
    DeleteProject(ProjectId),
    AddUser(User),
    SetPassword { user: UserId, password: Secret, generation: u64 },
    DeleteUser(UserId),
    AddGrant(Grant),
    DeleteGrant(Grant),
    AddKey(KeyRecord),
    UpdateKey(KeyRecord),
    DeleteKey(String),
}

impl Change {
    fn apply(self, register: &mut Register) {
        let Register { projects, users, grants, keys, .. } = register;
        match self {
            Self::AddProject(project) => projects.push(project),
            Self::DeleteProject(id) => {
                projects.retain(|project| project.id != id);
                grants.retain(|grant| grant.project.as_ref() != Some(&id));
            }
            Self::AddUser(user) => users.push(user),
            Self::SetPassword { user, password, generation } => {
                for found in users.iter_mut().filter(|found| found.id == user) {
                    (found.password, found.generation) = (Some(password.clone()), generation);
                }
            }
            Self::DeleteUser(id) => {
                users.retain(|user| user.id != id);
                grants.retain(|grant| grant.user != id);
                keys.retain(|key| key.user != id);
            }
            Self::AddGrant(grant) => grants.push(grant),
            Self::DeleteGrant(grant) => grants.retain(|found| *found != grant),
            Self::AddKey(key) => keys.push(key),
            Self::UpdateKey(key) => {
                for found in keys.iter_mut().filter(|found| found.access == key.access) {
                    *found = key.clone();
                }
            }
            Self::DeleteKey(access) => keys.retain(|key| key.access != access),
        }
    }

    async fn store(&self, store: &Store) -> Result<(), StoreError> {
        match self {
            Self::AddProject(project) => store.add_project(project).await,
            Self::DeleteProject(id) => store.delete_project(id).await,
            Self::AddUser(user) => store.add_user(user).await,
            Self::SetPassword { user, password, generation } => store.set_password(user, password, *generation).await,
            Self::DeleteUser(id) => store.delete_user(id).await,
            Self::AddGrant(grant) => store.add_grant(grant).await,
            Self::DeleteGrant(grant) => store.delete_grant(grant).await,
            Self::AddKey(key) => store.add_key(key).await,
            Self::UpdateKey(key) => store.update_key(key).await,
            Self::DeleteKey(access) => store.delete_key(access).await,
        }
    }
}

impl Engine {
    /// Makes the change that `decide` finds right for the state it is shown. Store and memory change together, also if nobody waits
    /// for it any more.
    pub(super) async fn change_register(
        self: &Arc<Self>,
        decide: impl FnOnce(&Directory) -> Result<Change, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let engine = Arc::clone(self);
        let whole = async move {
            let identity = &engine.identity;
            let _alone = identity.changes.lock().await;
            let (change, next) = {
                let directory = identity.directory();
                let change = decide(&directory)?;
                let mut register = directory.register().clone();
                change.clone().apply(&mut register);
                (change, Directory::new(register, directory.region().to_owned()))
            };
            if next.operator_key().is_none() {
                return Err(last_administrator().into());
            }
            // Nobody creates a function in a project that is about to go.
            let _alone = match &change {
                Change::DeleteProject(project) => Some(engine.turns.of_project(project).await),
                _ => None,
            };
            change.store(&engine.store).await.map_err(refusal)?;
            identity.replace(next);
            // Secrets print as such.
            tracing::info!(?change, "accounts changed");
            Ok(())
        };
        to_end(whole, self.orphans.clone()).await
    }
}

fn last_administrator() -> Fault {
    Fault::new(
        ErrorCode::Precondition,
        "This would leave nobody with an enabled key who decides about users, keys and projects: make another user with the role \
         admin in the whole account, and a key, first",
    )
}

fn refusal(error: StoreError) -> Error {
    match error {
        StoreError::Taken { what } => Fault::new(ErrorCode::Exists, format!("That {what} exists already")).into(),
        StoreError::Gone { what } => Fault::new(ErrorCode::NotFound, format!("That {what} does not exist")).into(),
        StoreError::ProjectInUse { .. } => Fault::new(
            ErrorCode::Precondition,
            "The project still has functions or dependencies: delete them first, nothing was deleted",
        )
        .into(),
        source => Error::internal("change users, keys or projects", source),
    }
}
