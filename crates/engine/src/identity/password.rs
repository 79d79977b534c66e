//! Passwords: argon2id, computed beside the server's own threads and few at once, since each takes 19 MB and a good part of a
//! processor on purpose.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use fungraph_model::{ErrorCode, Fault, Secret};

use super::line::{Line, Place, Source};
use super::throttle::Throttle;
use crate::Error;

/// Characters of a password that is set.
const LEAST: usize = 8;
/// Bytes of a password; argon2 would take any number, and so be made to work for it.
const MOST: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Passwords {
    line: Line,
    throttle: Mutex<Throttle>,
}

impl Passwords {
    /// Hashes a password that somebody is to have.
    pub(super) async fn hash(&self, password: Secret) -> Result<Secret, Error> {
        check(&password)?;
        let hashed = self.compute(self.place(None)?, move || {
            let hash = Argon2::default().hash_password(password.reveal().as_bytes());
            hash.map(|hash| Secret::new(hash.to_string()))
        });
        hashed.await?.map_err(|source| Error::internal("hash a password", source))
    }

    /// Whether `password` is the one behind `hash`. `user` is who is tried, there or not; somebody who is not there takes as long.
    pub(super) async fn verify(
        &self,
        from: Source,
        user: &str,
        hash: Option<Secret>,
        password: Secret,
    ) -> Result<bool, Error> {
        if password.reveal().len() > MOST {
            return Ok(false);
        }
        // First: who finds no place has not tried.
        let place = self.place(from)?;
        let taken = self.throttle.lock().unwrap_or_else(PoisonError::into_inner).take(user, Instant::now());
        taken.map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            Fault::new(
                ErrorCode::TooManyRequests,
                format!("Too many wrong passwords for this user: the next try counts in {seconds} s"),
            )
        })?;
        let is_right = self.compute(place, move || {
            let known = hash.as_ref().map_or_else(|| nobodys().reveal(), Secret::reveal);
            let is_right = PasswordHash::new(known)
                .is_ok_and(|known| Argon2::default().verify_password(password.reveal().as_bytes(), &known).is_ok());
            is_right && hash.is_some()
        });
        let is_right = is_right.await?;
        if is_right {
            self.throttle.lock().unwrap_or_else(PoisonError::into_inner).forgive(user);
        }
        Ok(is_right)
    }

    fn place(&self, from: Source) -> Result<Place, Fault> {
        self.line.enter(from).ok_or_else(|| {
            let message = "Too many passwords are being checked: send the request again in a moment";
            Fault::new(ErrorCode::TooManyRequests, message)
        })
    }

    /// Does `work` when it is its turn. The turn is given back when the work has ended, and not when nobody waits for it any
    /// more: a client that leaves at once would otherwise make room for the next, and any number would be computed at once.
    async fn compute<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.line.turn(place).await;
        let turn = turn.map_err(|source| Error::internal("wait for a turn", source))?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = turn;
            work()
        });
        done.await.map_err(|source| Error::internal("check a password", source))
    }
}

fn check(password: &Secret) -> Result<(), Fault> {
    let (chars, bytes) = (password.reveal().chars().count(), password.reveal().len());
    if chars < LEAST || bytes > MOST {
        let message = format!("A password has {LEAST} characters or more, and at most {MOST} bytes");
        return Err(Fault::new(ErrorCode::BadParameter, message));
    }
    Ok(())
}

/// The hash of nobody's password, for users who are not there or have none.
fn nobodys() -> &'static Secret {
    static HASH: LazyLock<Secret> = LazyLock::new(|| {
        let hash = Argon2::default().hash_password(b"the password of nobody");
        Secret::new(hash.map(|hash| hash.to_string()).unwrap_or_default())
    });
    &HASH
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::default();
        let hash = passwords.hash(secret("correct horse")).await.expect("hashes");
        assert!(hash.reveal().starts_with("$argon2id$"), "{}", hash.reveal());
        for (hash, password, expected) in [
            (Some(&hash), "correct horse", true),
            (Some(&hash), "Correct horse", false),
            (Some(&hash), "", false),
            (Some(&hash), &"x".repeat(300), false),
            (None, "the password of nobody", false),
        ] {
            let found = passwords.verify(None, "ada", hash.cloned(), secret(password)).await.expect("computes");
            assert_eq!(found, expected, "{password}");
        }
        for short in ["", "1234567", &"x".repeat(257)] {
            assert!(passwords.hash(secret(short)).await.is_err(), "{short}");
        }
    }

    #[tokio::test]
    async fn wrong_passwords_are_counted_and_right_ones_forgive() {
        let passwords = Passwords::default();
        let hash = passwords.hash(secret("correct horse")).await.expect("hashes");
        let mut tries = Vec::new();
        for password in ["wrong", "correct horse"].into_iter().chain(["wrong"; 11]) {
            tries.push(passwords.verify(None, "ada", Some(hash.clone()), secret(password)).await);
        }
        let last = tries.pop().expect("a try");
        assert_eq!(last.expect_err("one too many").fault().code, ErrorCode::TooManyRequests);
        assert_eq!(tries.iter().filter(|found| matches!(found, Ok(false))).count(), 11);
        let right = passwords.verify(None, "ada", Some(hash), secret("correct horse")).await;
        assert!(right.is_err(), "the right one waits too, else the wait would tell");
    }

    #[tokio::test]
    async fn a_client_that_leaves_makes_no_room_before_its_work_has_ended() {
        let passwords = Passwords::default();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let place = passwords.place(None).expect("a place");
        let mut left = Box::pin(passwords.compute(place, move || ended.recv()));
        // Polled once, it has begun its work.
        assert!(std::future::poll_fn(|context| Poll::Ready(left.as_mut().poll(context))).await.is_pending());
        drop(left);
        let mut next = Box::pin(passwords.line.turn(passwords.place(None).expect("a place")));
        assert!(std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await.is_pending());
        end.send(()).expect("the work waits");
        drop(next.await.expect("the turn comes back"));
    }

    #[tokio::test]
    async fn a_try_that_found_no_place_is_not_counted() {
        let passwords = Passwords::default();
        let line: Vec<Place> = std::iter::from_fn(|| passwords.line.enter(None)).collect();
        for _ in 0..20 {
            assert!(passwords.verify(None, "ada", None, secret("wrong")).await.is_err());
        }
        drop(line);
        assert!(matches!(passwords.verify(None, "ada", None, secret("wrong")).await, Ok(false)));
    }
}
