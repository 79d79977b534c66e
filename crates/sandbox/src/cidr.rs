//! Ranges of IPv4 addresses, as settings and rules name them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A range such as `10.1.0.0/16`. Two ranges are nested or have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    first: Ipv4Addr,
    length: u8,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCidr {
    /// It has another form.
    #[error("{text:?} is no range of IPv4 addresses; write an address and a length, such as \"10.1.0.0/16\"")]
    Form {
        /// As given.
        text: String,
    },
    /// The address has bits beyond the length, so one of the two is not what was meant.
    #[error("{text:?} does not start its range; did you mean \"{meant}\"?")]
    Start {
        /// As given.
        text: String,
        /// The range that the address lies in.
        meant: Cidr,
    },
}

impl Cidr {
    /// The range of this length that `address` lies in; a length over 32 is 32.
    pub const fn around(address: Ipv4Addr, length: u8) -> Cidr {
        let length = if length > 32 { 32 } else { length };
        Cidr { first: Ipv4Addr::from_bits(address.to_bits() & mask(length)), length }
    }

    /// One address.
    pub const fn single(address: Ipv4Addr) -> Cidr {
        Cidr { first: address, length: 32 }
    }

    /// Its first address.
    pub fn first(&self) -> Ipv4Addr {
        self.first
    }

    /// How many leading bits its addresses share, 0 to 32.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The same as a mask, such as 255.255.0.0.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.length))
    }

    /// How many addresses it has.
    pub fn size(&self) -> u64 {
        1 << (32 - self.length)
    }

    /// Its address of that number, counted from 0 and round at the end.
    pub fn nth(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() | (number & !mask(self.length)))
    }

    /// Whether all of `other` lies in it.
    pub fn contains(&self, other: &Cidr) -> bool {
        self.length <= other.length && Cidr::around(other.first, self.length) == *self
    }

    /// Whether they have addresses in common.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Its two halves; none of a single address.
    pub fn halves(&self) -> Option<(Cidr, Cidr)> {
        let length = self.length.checked_add(1).filter(|length| *length <= 32)?;
        let half = u32::try_from(self.size() / 2).ok()?;
        Some((Cidr { first: self.first, length }, Cidr { first: self.nth(half), length }))
    }
}

const fn mask(length: u8) -> u32 {
    match u32::MAX.checked_shl(32 - length as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    /// A single address may stand without a length.
    fn from_str(text: &str) -> Result<Cidr, InvalidCidr> {
        let form = || InvalidCidr::Form { text: text.to_owned() };
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        let address = address.parse().map_err(|_| form())?;
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = length.parse().ok().filter(|length| digits && *length <= 32).ok_or_else(form)?;
        let range = Cidr::around(address, length);
        if range.first == address { Ok(range) } else { Err(InvalidCidr::Start { text: text.to_owned(), meant: range }) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = InvalidCidr;

    fn try_from(text: String) -> Result<Cidr, InvalidCidr> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(range: Cidr) -> String {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect(text)
    }

    #[test]
    fn ranges_are_written_as_they_are_read() {
        for text in ["10.1.0.0/16", "0.0.0.0/0", "192.0.2.7/32", "128.0.0.0/1"] {
            assert_eq!(cidr(text).to_string(), text);
        }
        assert_eq!(cidr("192.0.2.7"), Cidr::single(Ipv4Addr::new(192, 0, 2, 7)));
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_was_meant() {
        for text in ["", "10.1", "10.1.0.0/33", "10.1.0.0/", "10.1.0.0/+8", "10.1.0.0/16/2", "::1/128", "localhost"] {
            assert_eq!(text.parse::<Cidr>(), Err(InvalidCidr::Form { text: text.to_owned() }));
        }
        let error = "10.1.2.3/16".parse::<Cidr>().expect_err("it starts elsewhere").to_string();
        assert_eq!(error, "\"10.1.2.3/16\" does not start its range; did you mean \"10.1.0.0/16\"?");
    }

    #[test]
    fn nested_or_apart() {
        assert!(cidr("10.0.0.0/8").contains(&cidr("10.1.0.0/16")));
        assert!(!cidr("10.1.0.0/16").contains(&cidr("10.0.0.0/8")));
        assert!(cidr("10.1.0.0/16").overlaps(&cidr("10.0.0.0/8")));
        assert!(!cidr("10.1.0.0/16").overlaps(&cidr("10.2.0.0/16")));
        assert!(cidr("0.0.0.0/0").contains(&cidr("255.255.255.255/32")));
        assert_eq!(cidr("10.0.0.0/8").halves(), Some((cidr("10.0.0.0/9"), cidr("10.128.0.0/9"))));
        assert_eq!(cidr("0.0.0.0/0").halves(), Some((cidr("0.0.0.0/1"), cidr("128.0.0.0/1"))));
        assert_eq!(cidr("10.0.0.1/32").halves(), None);
        assert_eq!(cidr("10.1.0.0/16").nth(258), Ipv4Addr::new(10, 1, 1, 2));
    }
}
