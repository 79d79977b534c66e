//! Types and values made up by proptest, written by a small encoder of the tests' own, and read by the real reader.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A type and a value of it.
#[derive(Clone, Debug)]
enum Thing {
    Uint(u64),
    Int(i64),
    Text(Vec<u8>),
    Complex(u64, u64),
    List(Box<Thing>, usize),
    Map(Box<Thing>, Box<Thing>, usize),
    Struct(Vec<Thing>),
}

fn things() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Thing::Uint),
        any::<i64>().prop_map(Thing::Int),
        vec(any::<u8>(), 0..300).prop_map(Thing::Text),
        any::<(u64, u64)>().prop_map(|(real, imaginary)| Thing::Complex(real, imaginary)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0..4_usize).prop_map(|(element, count)| Thing::List(Box::new(element), count)),
            (inner.clone(), inner.clone(), 0..4_usize).prop_map(|(key, value, count)| Thing::Map(
                Box::new(key),
                Box::new(value),
                count
            )),
            vec(inner, 0..4).prop_map(Thing::Struct),
        ]
    })
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let bits = number.cast_unsigned();
    put_uint(out, if number < 0 { !bits << 1 | 1 } else { bits << 1 });
}

fn message(out: &mut Vec<u8>, body: &[u8]) {
    put_bytes(out, body);
}

/// Describes types, inner ones first, under ids that go on from `next`.
struct Describer {
    next: i64,
    out: Vec<u8>,
}

impl Describer {
    fn id(&mut self, thing: &Thing) -> i64 {
        let (field, parts): (u8, Vec<i64>) = match thing {
            Thing::Uint(_) => return 3,
            Thing::Int(_) => return 2,
            Thing::Text(_) => return 6,
            Thing::Complex(..) => return 7,
            Thing::List(element, _) => (2, vec![self.id(element)]),
            Thing::Map(key, value, _) => (4, vec![self.id(key), self.id(value)]),
            Thing::Struct(fields) => (3, fields.iter().map(|field| self.id(field)).collect()),
        };
        let id = self.next;
        self.next += 1;
        let mut body = Vec::new();
        put_int(&mut body, -id);
        body.push(field);
        // The common part: a name, and the id once more.
        body.extend([1, 1]);
        put_bytes(&mut body, b"T");
        body.push(1);
        put_int(&mut body, id);
        body.push(0);
        if matches!(thing, Thing::Struct(_)) {
            put_fields(&mut body, &parts);
        } else {
            for part in parts {
                body.push(1);
                put_int(&mut body, part);
            }
        }
        body.extend([0, 0]);
        message(&mut self.out, &body);
        id
    }
}

fn put_fields(body: &mut Vec<u8>, ids: &[i64]) {
    if ids.is_empty() {
        return;
    }
    body.push(1);
    put_uint(body, ids.len() as u64);
    for (number, id) in ids.iter().enumerate() {
        body.push(1);
        put_bytes(body, format!("F{number}").as_bytes());
        body.push(1);
        put_int(body, *id);
        body.push(0);
    }
}

fn put_value(out: &mut Vec<u8>, thing: &Thing) {
    match thing {
        Thing::Uint(number) => put_uint(out, *number),
        Thing::Int(number) => put_int(out, *number),
        Thing::Text(bytes) => put_bytes(out, bytes),
        Thing::Complex(real, imaginary) => {
            put_uint(out, *real);
            put_uint(out, *imaginary);
        }
        Thing::List(element, count) => {
            put_uint(out, *count as u64);
            (0..*count).for_each(|_| put_value(out, element));
        }
        Thing::Map(key, value, count) => {
            put_uint(out, *count as u64);
            (0..*count).for_each(|_| {
                put_value(out, key);
                put_value(out, value);
            });
        }
        Thing::Struct(fields) => {
            // Every other field only: what is zero is left out on the wire.
            let mut last = -1;
            for (number, field) in (0_i64..).zip(fields).filter(|(number, _)| number % 2 == 0) {
                put_uint(out, (number - last).cast_unsigned());
                put_value(out, field);
                last = number;
            }
            out.push(0);
        }
    }
}

/// The whole messages of a stream.
fn messages(stream: &[u8]) -> Vec<&[u8]> {
    let mut rest = stream;
    let mut found = Vec::new();
    while let Ok(Some((prefix, length))) = message_length(rest) {
        let Some(message) = rest.get(prefix..prefix + length) else { break };
        found.push(message);
        rest = &rest[prefix + length..];
    }
    found
}

/// Reads a stream as a struct with a number `Mark` somewhere; gives that number.
fn mark(stream: &[u8]) -> Result<Option<u64>, BadGob> {
    let mut types = Types::default();
    let mut found = None;
    for message in messages(stream) {
        let Message::Value(id, mut reader) = types.message(message)? else { continue };
        types.walk(id, &mut reader, |name, kind, reader| match (name, kind) {
            ("F2", Kind::Uint) => {
                found = Some(reader.uint()?);
                Ok(Field::Read)
            }
            _ => Ok(Field::Pass),
        })?;
    }
    Ok(found)
}

fn stream(before: &Thing, number: u64, after: &Thing, first_id: i64) -> Vec<u8> {
    let whole = Thing::Struct(vec![before.clone(), Thing::Uint(0), Thing::Uint(number), Thing::Uint(0), after.clone()]);
    let mut describer = Describer { next: first_id, out: Vec::new() };
    let id = describer.id(&whole);
    let mut body = Vec::new();
    put_int(&mut body, id);
    put_value(&mut body, &whole);
    message(&mut describer.out, &body);
    describer.out
}

proptest! {
    #[test]
    fn numbers_come_back(number: u64, signed: i64) {
        let mut out = Vec::new();
        put_uint(&mut out, number);
        put_int(&mut out, signed);
        let mut reader = Reader::new(&out);
        prop_assert_eq!((reader.uint(), reader.int(), reader.left()), (Ok(number), Ok(signed), 0));
    }

    #[test]
    fn a_field_is_found_whatever_stands_around_it(before in things(), number: u64, after in things(), first in 65_i64..9000) {
        prop_assert_eq!(mark(&stream(&before, number, &after, first)), Ok(Some(number)));
    }

    #[test]
    fn a_stream_that_breaks_off_or_is_altered_ends_in_an_error_or_a_value(
        before in things(), number: u64, after in things(), cut: prop::sample::Index, at: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = stream(&before, number, &after, 65);
        let _ = mark(&bytes[..cut.index(bytes.len())]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = mark(&bytes);
    }

    #[test]
    fn any_bytes_are_borne(bytes in vec(any::<u8>(), 0..200)) {
        let _ = mark(&bytes);
        // Where the first byte is a length that fits, more of the rest is looked at.
        let _ = mark(&[&[u8::try_from(bytes.len().min(127)).unwrap_or(0)][..], &bytes].concat());
    }
}

#[test]
fn numbers_as_the_documentation_of_gob_writes_them() {
    for (number, bytes) in [(0, &[0][..]), (7, &[7]), (127, &[127]), (128, &[0xff, 128]), (256, &[0xfe, 1, 0])] {
        let mut out = Vec::new();
        put_uint(&mut out, number);
        assert_eq!(out, bytes, "{number}");
    }
    let mut reader = Reader::new(&[0xfe, 1, 1, 5, 0xff, 0x81]);
    assert_eq!((reader.int(), reader.int(), reader.int()), (Ok(-129), Ok(-3), Ok(-65)));
    assert_eq!(Reader::new(&[0xf7, 0, 0, 0, 0, 0, 0, 0, 0, 0]).uint(), Err(BadGob::LongNumber));
    assert_eq!(Reader::new(&[0xfe, 1]).uint(), Err(BadGob::Short));
}

#[test]
fn what_was_only_announced_costs_nothing() {
    // A text, a list and a message of 2^62 elements.
    let huge = [0xf8, 0x40, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Reader::new(&huge).bytes(), Err(BadGob::Short));
    assert_eq!(Reader::new(&huge).count(), Err(BadGob::Short));
    assert_eq!(message_length(&huge), Err(BadGob::LongMessage(1 << 62)));
    assert_eq!(message_length(&[0xfd, 1, 0]), Ok(None), "its length is not all there");
    assert_eq!(message_length(&[0xfc, 1, 0, 0, 0, 9]), Ok(Some((5, MESSAGE_BYTES))));
}

/// A description by hand: the id and what comes after it.
fn described(types: &mut Types, id: i64, rest: &[u8]) -> Result<(), BadGob> {
    let mut body = Vec::new();
    put_int(&mut body, -id);
    body.extend_from_slice(rest);
    types.message(&body).map(drop)
}

#[test]
fn types_that_contain_themselves_end() {
    let mut types = Types::default();
    // A slice of itself, whose value says at each level: one element.
    described(&mut types, 65, &[2, 2, 0xff, 130, 0, 0]).expect("a slice");
    // A struct with that as its field.
    described(&mut types, 66, &[3, 2, 1, 1, 1, b'A', 1, 0xff, 130, 0, 0, 0]).expect("a struct");
    let value = [&[1][..], &[1; 100]].concat();
    let walked = types.walk(66, &mut Reader::new(&value), |_, _, _| Ok(Field::Pass));
    assert_eq!(walked, Err(BadGob::TooDeep(50)));
}

/// What is of no interest must not keep a thread of the server busy, nor fill its memory.
#[test]
fn what_nobody_asked_for_has_bounds() {
    let mut types = Types::default();
    described(&mut types, 65, &[2, 2, 6, 0, 0]).expect("a slice of numbers without sign");
    described(&mut types, 66, &[3, 2, 1, 1, 1, b'A', 1, 0xff, 130, 0, 0, 0]).expect("a struct with one");
    let walk = |count: u16| {
        let [high, low] = count.to_be_bytes();
        let value = [&[1, 0xfe, high, low][..], &vec![7; count.into()], &[0]].concat();
        types.walk(66, &mut Reader::new(&value), |_, _, _| Ok(Field::Pass))
    };
    assert_eq!((walk(9_000), walk(10_000)), (Ok(()), Err(BadGob::TooMuch(10_000))));
    // Fields with long names, in descriptions that are few.
    let mut fields = vec![3, 2, 1, 1, 0xfe, 0x1f, 0x40];
    fields.extend([b'A'; 8000]);
    fields.extend([1, 4, 0, 0, 0]);
    let fourth: Vec<_> = (67..72).map(|id| described(&mut types, id, &fields)).collect();
    assert_eq!(fourth, [Ok(()), Ok(()), Ok(()), Ok(()), Err(BadGob::TooManyTypes)]);
}

#[test]
fn bad_descriptions_are_refused() {
    let mut types = Types::default();
    let slice_of_ints = [2, 2, 4, 0, 0];
    assert_eq!(described(&mut types, 65, &slice_of_ints), Ok(()));
    assert_eq!(described(&mut types, 65, &slice_of_ints), Err(BadGob::DescribedAgain(65)));
    assert_eq!(described(&mut types, 6, &slice_of_ints), Err(BadGob::DescribedAgain(6)), "a text is a text");
    assert!(matches!(described(&mut types, 66, &[0]), Err(BadGob::Unexpected(_))));
    assert!(matches!(described(&mut types, 66, &[9, 0]), Err(BadGob::Unexpected(_))));
    assert!(described(&mut types, 66, &[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]).is_err(), "a far field");
    let least = [0xf8, 255, 255, 255, 255, 255, 255, 255, 255];
    assert!(types.message(&least).is_err(), "an id that has no positive number");
    for id in 66..65 + 1000 {
        assert_eq!(described(&mut types, id, &slice_of_ints), Ok(()));
    }
    assert_eq!(described(&mut types, 5000, &slice_of_ints), Err(BadGob::TooManyTypes));
}
