//! Descriptions of types as they come, and values walked by them.

use std::collections::HashMap;

use super::{BadGob, Field, Reader, fields};

/// Descriptions taken from one program, and fields of one struct: far beyond what two methods of `net/rpc` need.
const MOST_TYPES: usize = 1000;
const MOST_FIELDS: usize = 1000;
/// Bytes of all descriptions of one program: what is kept of them takes a few times as much.
const MOST_DESCRIBED: usize = 32 << 10;
/// Values that are passed over in one message.
const MOST_PASSED: u32 = 10_000;
/// Values within values.
const DEEPEST: u8 = 50;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::programs::go) enum Kind {
    /// One number on the wire: a bool, a number without sign, or a float.
    Uint,
    /// A number with sign.
    Int,
    /// A length and bytes: a text, a slice of bytes, or what a type of the sender's wrote itself.
    Bytes,
    /// Two numbers.
    Complex,
    /// Any value, with the name of its type.
    Interface,
    /// A count and elements.
    List(i64),
    /// A count, and a key and a value each.
    Map(i64, i64),
    /// Fields, by number.
    Struct(Vec<(String, i64)>),
}

/// What a message turned out to be.
#[derive(Debug)]
pub(in crate::programs::go) enum Message<'a> {
    /// A description, taken.
    Description,
    /// A value of this type; the reader stands at its beginning.
    Value(i64, Reader<'a>),
}

/// The types that a stream has described so far.
#[derive(Debug, Default)]
pub(in crate::programs::go) struct Types {
    described: HashMap<i64, Kind>,
    /// Bytes of the descriptions.
    bytes: usize,
}

/// Ids that need no description.
static UINT: Kind = Kind::Uint;
static INT: Kind = Kind::Int;
static BYTES: Kind = Kind::Bytes;
static COMPLEX: Kind = Kind::Complex;
static INTERFACE: Kind = Kind::Interface;

impl Types {
    /// Looks at a message, and keeps the description where it is one.
    pub(in crate::programs::go) fn message<'a>(&mut self, bytes: &'a [u8]) -> Result<Message<'a>, BadGob> {
        let mut reader = Reader::new(bytes);
        let id = reader.int()?;
        if id >= 0 {
            return Ok(Message::Value(id, reader));
        }
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > MOST_DESCRIBED {
            return Err(BadGob::TooManyTypes);
        }
        self.describe(id, &mut reader)?;
        Ok(Message::Description)
    }

    /// Keeps the description that follows; `id` is the negated number of the type.
    fn describe(&mut self, id: i64, reader: &mut Reader<'_>) -> Result<(), BadGob> {
        let id = id.checked_neg().ok_or(BadGob::UnknownType(id))?;
        if self.kind(id).is_ok() {
            return Err(BadGob::DescribedAgain(id));
        }
        if self.described.len() == MOST_TYPES {
            return Err(BadGob::TooManyTypes);
        }
        let kind = description(reader)?;
        self.described.insert(id, kind);
        Ok(())
    }

    /// What a type is made of.
    pub(in crate::programs::go) fn kind(&self, id: i64) -> Result<&Kind, BadGob> {
        match id {
            1 | 3 | 4 => Ok(&UINT),
            2 => Ok(&INT),
            5 | 6 => Ok(&BYTES),
            7 => Ok(&COMPLEX),
            8 => Ok(&INTERFACE),
            _ => self.described.get(&id).ok_or(BadGob::UnknownType(id)),
        }
    }

    /// Walks over a struct: `take` gets name and kind of each field that is there, and reads its value or lets it pass.
    pub(in crate::programs::go) fn walk<'a>(
        &self,
        id: i64,
        reader: &mut Reader<'a>,
        mut take: impl FnMut(&str, &Kind, &mut Reader<'a>) -> Result<Field, BadGob>,
    ) -> Result<(), BadGob> {
        let Kind::Struct(names) = self.kind(id)? else {
            return Err(BadGob::Unexpected("a value that is no struct"));
        };
        let mut passed = Passed::default();
        fields(reader, |number, reader| {
            let (name, id) = names.get(number).ok_or(BadGob::UnknownField)?;
            match take(name, self.kind(*id)?, reader)? {
                Field::Read => Ok(()),
                Field::Pass => self.pass(*id, reader, &mut passed),
            }
        })
    }

    /// Passes over a value.
    fn pass(&self, id: i64, reader: &mut Reader<'_>, passed: &mut Passed) -> Result<(), BadGob> {
        passed.begin()?;
        let done = self.pass_content(id, reader, passed);
        passed.depth -= 1;
        done
    }

    fn pass_content(&self, id: i64, reader: &mut Reader<'_>, passed: &mut Passed) -> Result<(), BadGob> {
        match self.kind(id)? {
            Kind::Uint | Kind::Int => reader.uint().map(drop),
            Kind::Bytes => reader.bytes().map(drop),
            Kind::Complex => reader.uint().and_then(|_| reader.uint()).map(drop),
            Kind::Interface => pass_interface(reader),
            Kind::List(element) => {
                let count = reader.count()?;
                (0..count).try_for_each(|_| self.pass(*element, reader, passed))
            }
            Kind::Map(key, value) => {
                let count = reader.count()?;
                (0..count).try_for_each(|_| {
                    self.pass(*key, reader, passed)?;
                    self.pass(*value, reader, passed)
                })
            }
            Kind::Struct(names) => fields(reader, |number, reader| {
                let (_, id) = names.get(number).ok_or(BadGob::UnknownField)?;
                self.pass(*id, reader, passed)
            }),
        }
    }
}

/// What has been passed over of a message.
#[derive(Debug, Default)]
struct Passed {
    values: u32,
    /// Values that the one under way is within, and itself.
    depth: u8,
}

impl Passed {
    fn begin(&mut self) -> Result<(), BadGob> {
        self.values += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(BadGob::TooDeep(DEEPEST));
        }
        if self.values > MOST_PASSED {
            return Err(BadGob::TooMuch(MOST_PASSED));
        }
        Ok(())
    }
}

/// The name of the value's type, its id, its length and itself; an empty name is no value.
fn pass_interface(reader: &mut Reader<'_>) -> Result<(), BadGob> {
    if reader.bytes()?.is_empty() {
        return Ok(());
    }
    if reader.int()? < 0 {
        // A description in the midst of a value. No library of the service has interfaces in its answers.
        return Err(BadGob::Unexpected("a type described inside a value, which this platform does not read"));
    }
    reader.bytes().map(drop)
}

/// A description is a struct of structs, of which one is there: array, slice, struct, map, or one of three kinds that write
/// themselves. Each begins with its own name and id, which say nothing new.
fn description(reader: &mut Reader<'_>) -> Result<Kind, BadGob> {
    let mut kind = None;
    fields(reader, |number, reader| {
        let described = match number {
            0 | 1 => Kind::List(numbers::<1>(reader)?[0]),
            2 => Kind::Struct(field_list(reader)?),
            3 => {
                let [key, value] = numbers::<2>(reader)?;
                Kind::Map(key, value)
            }
            4..=6 => {
                numbers::<0>(reader)?;
                Kind::Bytes
            }
            _ => return Err(BadGob::Unexpected("a description of a kind of type that gob does not have")),
        };
        kind = Some(described);
        Ok(())
    })?;
    kind.ok_or(BadGob::Unexpected("a description that describes nothing"))
}

/// The ids after the common part; a length may follow.
fn numbers<const N: usize>(reader: &mut Reader<'_>) -> Result<[i64; N], BadGob> {
    let mut found = [0; N];
    fields(reader, |number, reader| {
        if number == 0 {
            return common(reader);
        }
        let value = reader.int()?;
        if let Some(slot) = found.get_mut(number - 1) {
            *slot = value;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Name and id of the described type.
fn common(reader: &mut Reader<'_>) -> Result<(), BadGob> {
    fields(reader, |number, reader| match number {
        0 => reader.bytes().map(drop),
        1 => reader.int().map(drop),
        _ => Err(BadGob::UnknownField),
    })
}

fn field_list(reader: &mut Reader<'_>) -> Result<Vec<(String, i64)>, BadGob> {
    let mut list = Vec::new();
    fields(reader, |number, reader| match number {
        0 => common(reader),
        1 => {
            let count = reader.count()?;
            if count > MOST_FIELDS {
                return Err(BadGob::TooManyTypes);
            }
            for _ in 0..count {
                list.push(field(reader)?);
            }
            Ok(())
        }
        _ => Err(BadGob::UnknownField),
    })?;
    Ok(list)
}

fn field(reader: &mut Reader<'_>) -> Result<(String, i64), BadGob> {
    let (mut name, mut id) = (String::new(), 0);
    fields(reader, |number, reader| {
        match number {
            0 => name = reader.text(usize::MAX)?,
            1 => id = reader.int()?,
            _ => return Err(BadGob::UnknownField),
        }
        Ok(())
    })?;
    Ok((name, id))
}
