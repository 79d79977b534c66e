//! The words in which shapes are described: a field, its type, its bounds, and what this server makes of it.

use std::ops::RangeInclusive;

use fungraph_model::Runtime;

/// A JSON object of the API, under the contract's name.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    fields: &'static [Field],
    /// Those it shares with other objects.
    more: &'static [Field],
}

/// An object of these fields.
pub(crate) const fn shape(name: &'static str, fields: &'static [Field]) -> Shape {
    Shape { name, fields, more: &[] }
}

impl Shape {
    /// The same with these fields too.
    pub(crate) const fn and(mut self, more: &'static [Field]) -> Self {
        self.more = more;
        self
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().chain(self.more)
    }

    /// The field of this name.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }
}

/// A field of an object; a parameter of a query or a header is one too.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    pub(crate) bounds: Bounds,
    pub(crate) use_: Use,
}

/// What a field holds. What the contract writes as the text of a number is a text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    /// UTC, `YYYY-MM-DDTHH:MM:SSZ`.
    Time,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    Number,
    Flag,
    #[allow(dead_code, reason = "flows have such fields, and are not built")]
    Any,
    Object(&'static Shape),
    Texts,
    Objects(&'static Shape),
    /// An object of texts under names that clients choose.
    TextMap,
    /// An object of 32-bit numbers under such names.
    IntegerMap,
    /// An object of objects under such names.
    ObjectMap(&'static Shape),
}

/// What values a field takes. A field without bounds takes all of its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) least: Option<i64>,
    pub(crate) most: Option<i64>,
    pub(crate) shortest: Option<usize>,
    pub(crate) longest: Option<usize>,
    pub(crate) words: Words,
    pub(crate) numbers: &'static [u32],
    pub(crate) pattern: Option<&'static str>,
}

/// The texts of a closed list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Words {
    Any,
    These(&'static [&'static str]),
    /// The model's list.
    Runtimes,
}

impl Words {
    /// Empty where any text will do.
    pub(crate) fn list(self) -> Vec<&'static str> {
        match self {
            Self::Any => Vec::new(),
            Self::These(words) => words.to_vec(),
            Self::Runtimes => Runtime::all().map(Runtime::name).collect(),
        }
    }
}

/// What this server makes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// What the contract says.
    Real,
    /// Kept and given back, without effect.
    Stored,
    /// Taken and not looked at.
    Ignored,
    /// Refused with 501 where it asks for something.
    Refused,
    /// Never in an answer.
    Absent,
    /// No field of the contract: why it is here.
    Ours(&'static str),
}

impl Use {
    /// For the document; nothing is said of what is as the contract has it.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Self::Real => None,
            Self::Stored => Some("kept and given back, without effect"),
            Self::Ignored => Some("in a request: taken, and not looked at"),
            Self::Refused => Some("not built: 501 where it asks for something"),
            Self::Absent => Some("never given by this server"),
            Self::Ours(why) => Some(why),
        }
    }
}

const FREE: Bounds =
    Bounds { least: None, most: None, shortest: None, longest: None, words: Words::Any, numbers: &[], pattern: None };

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: false, bounds: FREE, use_: Use::Real }
}

pub(crate) const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}

pub(crate) const fn time(name: &'static str) -> Field {
    field(name, Kind::Time)
}

pub(crate) const fn integer(name: &'static str) -> Field {
    field(name, Kind::Integer)
}

pub(crate) const fn long(name: &'static str) -> Field {
    field(name, Kind::Long)
}

pub(crate) const fn number(name: &'static str) -> Field {
    field(name, Kind::Number)
}

pub(crate) const fn flag(name: &'static str) -> Field {
    field(name, Kind::Flag)
}

#[allow(dead_code, reason = "flows have such fields, and are not built")]
pub(crate) const fn any(name: &'static str) -> Field {
    field(name, Kind::Any)
}

pub(crate) const fn object(name: &'static str, shape: &'static Shape) -> Field {
    field(name, Kind::Object(shape))
}

pub(crate) const fn texts(name: &'static str) -> Field {
    field(name, Kind::Texts)
}

pub(crate) const fn objects(name: &'static str, shape: &'static Shape) -> Field {
    field(name, Kind::Objects(shape))
}

pub(crate) const fn text_map(name: &'static str) -> Field {
    field(name, Kind::TextMap)
}

pub(crate) const fn integer_map(name: &'static str) -> Field {
    field(name, Kind::IntegerMap)
}

pub(crate) const fn object_map(name: &'static str, shape: &'static Shape) -> Field {
    field(name, Kind::ObjectMap(shape))
}

impl Field {
    /// A request must have it; an answer always has it.
    pub(crate) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// From the first to the second number.
    pub(crate) const fn range(mut self, least: i64, most: i64) -> Self {
        (self.bounds.least, self.bounds.most) = (Some(least), Some(most));
        self
    }

    /// One of the ranges that the engine checks.
    pub(crate) const fn within(self, range: &RangeInclusive<u32>) -> Self {
        self.range(*range.start() as i64, *range.end() as i64)
    }

    /// At least so much.
    pub(crate) const fn from(mut self, least: i64) -> Self {
        self.bounds.least = Some(least);
        self
    }

    /// From the first to the second number of characters.
    pub(crate) const fn length(mut self, shortest: usize, longest: usize) -> Self {
        (self.bounds.shortest, self.bounds.longest) = (Some(shortest), Some(longest));
        self
    }

    /// At most so many characters.
    pub(crate) const fn up_to(mut self, longest: usize) -> Self {
        self.bounds.longest = Some(longest);
        self
    }

    /// One of these words.
    pub(crate) const fn one_of(mut self, words: &'static [&'static str]) -> Self {
        self.bounds.words = Words::These(words);
        self
    }

    /// The name of a runtime.
    pub(crate) const fn of_runtimes(mut self) -> Self {
        self.bounds.words = Words::Runtimes;
        self
    }

    /// One of these numbers.
    pub(crate) const fn one_of_numbers(mut self, numbers: &'static [u32]) -> Self {
        self.bounds.numbers = numbers;
        self
    }

    /// The form of a text.
    pub(crate) const fn like(mut self, pattern: &'static str) -> Self {
        self.bounds.pattern = Some(pattern);
        self
    }

    pub(crate) const fn stored(self) -> Self {
        self.used(Use::Stored)
    }

    pub(crate) const fn ignored(self) -> Self {
        self.used(Use::Ignored)
    }

    pub(crate) const fn refused(self) -> Self {
        self.used(Use::Refused)
    }

    pub(crate) const fn absent(self) -> Self {
        self.used(Use::Absent)
    }

    /// A field that the contract does not have.
    pub(crate) const fn ours(self, why: &'static str) -> Self {
        self.used(Use::Ours(why))
    }

    const fn used(mut self, use_: Use) -> Self {
        self.use_ = use_;
        self
    }
}
