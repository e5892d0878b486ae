//! Reputation of addresses: Suricata's categories file and its lists, for `iprep`.
//!
//! A categories file has lines `NUMBER,NAME,DESCRIPTION`, a list `ADDRESS[/BITS],NUMBER,SCORE`; lines that begin with
//! `#` are comments. Of several entries that take an address, the one of the smallest network counts.

use core::fmt;
use core::net::IpAddr;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;

/// The highest number of a category.
pub const MAX_CATEGORY: u8 = 59;
/// The highest score.
pub const MAX_SCORE: u8 = 127;
/// Entries of all lists; what comes after them is refused.
pub const MAX_ENTRIES: usize = 1 << 24;
/// Bytes of one file.
pub const MAX_FILE: u64 = 1 << 30;
/// Lines refused that are kept word for word; all are counted.
pub const MAX_FAULTS: usize = 1000;

/// Why a line of a categories file or list cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Too few fields.
    Fields,
    /// The category is no number from 1 to [`MAX_CATEGORY`].
    Category,
    /// The categories file does not have that category.
    UnknownCategory,
    /// The category has that number or name already.
    TwiceCategory,
    /// No address, or more bits than the address has.
    Address,
    /// No number up to [`MAX_SCORE`].
    Score,
    /// More than [`MAX_ENTRIES`].
    TooMany,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LineFault::Fields => "fields are missing",
            LineFault::Category => "the category is no number from 1 to 59",
            LineFault::UnknownCategory => "the categories file does not have that category",
            LineFault::TwiceCategory => "the category stands there twice",
            LineFault::Address => "no IP address or network",
            LineFault::Score => "the score is no number from 0 to 127",
            LineFault::TooMany => "more entries than are kept",
        })
    }
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReputationFault {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: LineFault,
}

impl fmt::Display for ReputationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// A network of a category: its first address as a number, its bits, its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network {
    first: u128,
    bits: u8,
    v4: bool,
    category: u8,
}

/// What is known of addresses.
#[derive(Clone, Debug, Default)]
pub struct Reputation {
    categories: Vec<(u8, Box<str>)>,
    scores: HashMap<Network, u8, RandomState>,
    /// Lengths of networks that there are, a bit each, of IPv4 and IPv6.
    lengths: [Lengths; 2],
    faults: Vec<ReputationFault>,
    refused: u64,
}

/// Bits 0 to 127, and 128.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths(u128, bool);

impl Lengths {
    fn add(&mut self, bits: u8) {
        match 1_u128.checked_shl(bits.into()) {
            Some(bit) => self.0 |= bit,
            None => self.1 = true,
        }
    }

    /// From the longest to the shortest.
    fn descending(self) -> impl Iterator<Item = u8> {
        let mut rest = self.0;
        self.1.then_some(128).into_iter().chain(core::iter::from_fn(move || {
            let longest = rest.checked_ilog2()?;
            rest &= !(1 << longest);
            Some(longest as u8)
        }))
    }
}

/// The first address of the network of so many bits, with the address's family.
fn network(ip: IpAddr, bits: u8, category: u8) -> Option<Network> {
    let (number, width, v4) = match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32, true),
        IpAddr::V6(ip) => (ip.to_bits(), 128, false),
    };
    let host_bits = u32::from(u8::checked_sub(width, bits)?);
    let hosts = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |first| first - 1);
    Some(Network { first: number & !hosts, bits, v4, category })
}

impl Reputation {
    /// Reads a categories file and lists.
    ///
    /// # Errors
    /// The file that cannot be read or is longer than [`MAX_FILE`]; lines that cannot be used are no error.
    pub fn read(categories: &Path, lists: &[PathBuf]) -> Result<Self, (PathBuf, io::Error)> {
        let mut reputation = Reputation::default();
        let text = |path: &Path| read_text(path).map_err(|error| (path.to_owned(), error));
        reputation.add_categories(&categories.display().to_string(), &text(categories)?);
        for list in lists {
            reputation.add_list(&list.display().to_string(), &text(list)?);
        }
        Ok(reputation)
    }

    /// Adds the lines of a categories file.
    pub fn add_categories(&mut self, file: &str, text: &str) {
        self.add_lines(file, text, |reputation, line| {
            let mut fields = line.split(',').map(str::trim);
            let (Some(number), Some(name)) = (fields.next(), fields.next()) else {
                return Err(LineFault::Fields);
            };
            let number = category_number(number)?;
            if reputation.categories.iter().any(|(n, known)| *n == number || **known == *name) {
                return Err(LineFault::TwiceCategory);
            }
            reputation.categories.push((number, name.into()));
            Ok(())
        });
    }

    /// Adds the lines of a list. Of two scores for one network in one category the later counts.
    pub fn add_list(&mut self, file: &str, text: &str) {
        self.add_lines(file, text, |reputation, line| {
            let mut fields = line.split(',').map(str::trim);
            let (Some(address), Some(category), Some(score)) = (fields.next(), fields.next(), fields.next())
            else {
                return Err(LineFault::Fields);
            };
            let (address, bits) = match address.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| LineFault::Address)?)),
                None => (address, None),
            };
            let address: IpAddr = address.parse().map_err(|_| LineFault::Address)?;
            let bits = bits.unwrap_or(if address.is_ipv4() { 32 } else { 128 });
            let category = category_number(category)?;
            if !reputation.categories.iter().any(|(number, _)| *number == category) {
                return Err(LineFault::UnknownCategory);
            }
            let score: u8 = score.parse().ok().filter(|score| *score <= MAX_SCORE).ok_or(LineFault::Score)?;
            let network = network(address, bits, category).ok_or(LineFault::Address)?;
            if reputation.scores.len() >= MAX_ENTRIES && !reputation.scores.contains_key(&network) {
                return Err(LineFault::TooMany);
            }
            reputation.lengths[usize::from(!network.v4)].add(bits);
            reputation.scores.insert(network, score);
            Ok(())
        });
    }

    fn add_lines(&mut self, file: &str, text: &str, add: fn(&mut Self, &str) -> Result<(), LineFault>) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(why) = add(self, line) {
                self.refused += 1;
                if self.faults.len() < MAX_FAULTS {
                    self.faults.push(ReputationFault { file: file.to_owned(), line: at + 1, why });
                }
            }
        }
    }

    /// An address's score in the category of that short name; `None` if it is not in it.
    #[must_use]
    pub fn score(&self, category: &str, ip: IpAddr) -> Option<u8> {
        let &(category, _) = self.categories.iter().find(|(_, name)| **name == *category)?;
        let lengths = self.lengths[usize::from(ip.is_ipv6())];
        lengths.descending().find_map(|bits| self.scores.get(&network(ip, bits, category)?).copied())
    }

    /// Whether there is a category of that short name: a rule that asks for another one cannot be used.
    #[must_use]
    pub fn has_category(&self, name: &str) -> bool {
        self.categories.iter().any(|(_, known)| **known == *name)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether nothing is known of any address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The first [`MAX_FAULTS`] lines that could not be used, and how many there were in all.
    #[must_use]
    pub fn faults(&self) -> (&[ReputationFault], u64) {
        (&self.faults, self.refused)
    }
}

fn category_number(text: &str) -> Result<u8, LineFault> {
    text.parse().ok().filter(|number| (1..=MAX_CATEGORY).contains(number)).ok_or(LineFault::Category)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(MAX_FILE + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 GiB"));
    }
    Ok(text)
}

#[cfg(test)]
#[path = "reputation_tests.rs"]
mod tests;
