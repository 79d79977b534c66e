//! nf_tables in the few words that our rules need: [`Rule`] says what is done with a packet, and [`Table`] makes one transaction of it
//! all.

mod rule;

pub(crate) use self::rule::{Rule, Transport};

use super::netlink::{APPEND, CREATE, Message, NetlinkError, Socket};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM: u16 = 10 << 8;
const NEW_TABLE: u16 = SUBSYSTEM;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const DELETE_RULE: u16 = SUBSYSTEM | 8;
const NEW_SET: u16 = SUBSYSTEM | 9;

const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
/// The table belongs to the socket that makes it: nobody else changes it, and it goes with the socket. Since Linux 5.12.
const OWNED: u32 = 2;

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;

const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const SET_DESCRIPTION: u16 = 9;
const SET_NUMBER: u16 = 10;
const SET_SIZE: u16 = 1;

/// Where packets pass a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Anything that arrives, before it is routed; addresses may be translated.
    TranslateArriving,
    /// What is for this host.
    Input,
    /// The same, last, where the sender's address may be translated.
    TranslateInput,
    /// What passes through.
    Forward,
    /// What this host itself sends, before anybody looks for its connection.
    Sent,
    /// Anything that leaves; addresses may be translated.
    TranslateLeaving,
}

impl Hook {
    /// Type, number and priority, the usual ones.
    fn words(self) -> (&'static str, u32, i32) {
        match self {
            Hook::TranslateArriving => ("nat", 0, -100),
            Hook::Input => ("filter", 1, 0),
            Hook::TranslateInput => ("nat", 1, 100),
            Hook::Forward => ("filter", 2, 0),
            Hook::Sent => ("filter", 3, -300),
            Hook::TranslateLeaving => ("nat", 4, 100),
        }
    }
}

#[derive(Clone, Copy)]
enum Family {
    Unspecified = 0,
    Ipv4 = 2,
}

/// Whose a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The network namespace's.
    Namespace,
    /// The socket's, where the kernel can do that.
    Socket,
}

/// A table of IPv4 rules.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Sets of addresses, empty at first, that rules put senders into.
    pub(crate) sets: Vec<&'static str>,
    /// Name, hook, and rules of each chain. What no rule decides is accepted.
    pub(crate) chains: Vec<(&'static str, Hook, Vec<Rule>)>,
}

impl Table {
    /// Makes the table with all that is in it, at once.
    pub(crate) fn make(&self, socket: &Socket, owner: Owner) -> Result<(), NetlinkError> {
        let made = commit(socket, &self.messages(owner == Owner::Socket));
        match made {
            Err(error) if owner == Owner::Socket && (error.is(libc::EINVAL) || error.is(libc::EOPNOTSUPP)) => {
                commit(socket, &self.messages(false))
            }
            made => made,
        }
    }

    /// Removes a table of that name, if there is one.
    pub(crate) fn remove(name: &str, socket: &Socket) -> Result<(), NetlinkError> {
        let mut message = request("remove a table of filters", DELETE_TABLE, 0);
        message.payload.text(TABLE_NAME, name);
        match commit(socket, &[message]) {
            Err(error) if !error.is(libc::ENOENT) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts other rules in place of those of one chain, at once.
    pub(crate) fn replace(&mut self, socket: &Socket, chain: &str, rules: Vec<Rule>) -> Result<(), NetlinkError> {
        let mut flush = request("remove the rules of a chain", DELETE_RULE, 0);
        flush.payload.text(RULE_TABLE, &self.name).text(RULE_CHAIN, chain);
        let added = rules.iter().map(|rule| self.rule(chain, rule));
        commit(socket, &std::iter::once(flush).chain(added).collect::<Vec<_>>())?;
        if let Some((_, _, kept)) = self.chains.iter_mut().find(|(name, ..)| *name == chain) {
            *kept = rules;
        }
        Ok(())
    }

    fn messages(&self, owned: bool) -> Vec<Message> {
        let mut table = request("make a table of filters", NEW_TABLE, CREATE);
        table.payload.text(TABLE_NAME, &self.name);
        table.payload.big_endian(TABLE_FLAGS, if owned { OWNED } else { 0 });
        let mut messages = vec![table];
        messages.extend(self.sets.iter().zip(1..).map(|(name, number)| self.set(name, number)));
        for (name, hook, rules) in &self.chains {
            messages.push(self.chain(name, *hook));
            messages.extend(rules.iter().map(|rule| self.rule(name, rule)));
        }
        messages
    }

    fn set(&self, name: &str, number: u32) -> Message {
        /// Filled by rules, with something that is kept for each element.
        const DYNAMIC: u32 = 0x20;
        /// How `nft` names the type of what is in it.
        const ADDRESS: u32 = 7;
        /// The largest range that sandboxes have their addresses from.
        const MOST: u32 = 1 << 16;
        let mut message = request("make a set of filters", NEW_SET, CREATE);
        message.payload.text(SET_TABLE, &self.name).text(SET_NAME, name).big_endian(SET_FLAGS, DYNAMIC);
        message.payload.big_endian(SET_KEY_TYPE, ADDRESS).big_endian(SET_KEY_LENGTH, 4).big_endian(SET_NUMBER, number);
        message.payload.nest(SET_DESCRIPTION, |inner| {
            inner.big_endian(SET_SIZE, MOST);
        });
        message
    }

    fn chain(&self, name: &str, hook: Hook) -> Message {
        const ACCEPT: u32 = 1;
        let (kind, number, priority) = hook.words();
        let mut message = request("make a chain of filters", NEW_CHAIN, CREATE);
        message.payload.text(CHAIN_TABLE, &self.name).text(CHAIN_NAME, name).nest(CHAIN_HOOK, |inner| {
            inner.big_endian(HOOK_NUMBER, number).big_endian(HOOK_PRIORITY, priority.cast_unsigned());
        });
        message.payload.big_endian(CHAIN_POLICY, ACCEPT).text(CHAIN_TYPE, kind);
        message
    }

    fn rule(&self, chain: &str, rule: &Rule) -> Message {
        let mut message = request("add a filter rule", NEW_RULE, CREATE | APPEND);
        message.payload.text(RULE_TABLE, &self.name).text(RULE_CHAIN, chain);
        message.payload.nest(RULE_EXPRESSIONS, |inner| {
            inner.append(rule.expressions());
        });
        message
    }
}

fn request(step: &'static str, kind: u16, flags: u16) -> Message {
    message(step, kind, flags, Family::Ipv4, 0)
}

/// `nfgenmsg`: family, version, and a number that says which part of netfilter a transaction is for.
fn message(step: &'static str, kind: u16, flags: u16, family: Family, part: u16) -> Message {
    let mut message = Message::new(step, kind, flags);
    let [high, low] = part.to_be_bytes();
    message.payload.raw(&[family as u8, 0, high, low]);
    message
}

fn commit(socket: &Socket, messages: &[Message]) -> Result<(), NetlinkError> {
    let mark = |kind| message("change filters", kind, 0, Family::Unspecified, SUBSYSTEM >> 8);
    socket.transaction(&mark(BATCH_BEGIN), messages, &mark(BATCH_END))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_one_list_of_requests() {
        let rules = vec![Rule::default().accept(), Rule::default().discard()];
        let table = Table { name: "t".into(), sets: vec!["s"], chains: vec![("forward", Hook::Forward, rules)] };
        let steps: Vec<&str> = table.messages(true).iter().map(|message| message.step).collect();
        let expected = [
            "make a table of filters",
            "make a set of filters",
            "make a chain of filters",
            "add a filter rule",
            "add a filter rule",
        ];
        assert_eq!(steps, expected);
    }
}
