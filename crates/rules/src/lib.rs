//! Suricata's rule language as data.
//!
//! In: rule files, variables, classification, reference and threshold files. Out: [`Rule`]s in which every keyword is
//! understood and every value checked, and a report that names each rule which was not loaded. No matching here: what a
//! rule means on the wire is the detect room's business.
#![forbid(unsafe_code)]

mod address;
mod app;
mod buffer;
mod build;
mod defaults;
mod fault;
mod field;
mod filters;
mod header;
mod hook;
mod lines;
mod lists;
mod loader;
mod number;
mod options;
mod ports;
mod ranges;
mod rule;
mod settings;
mod test;
mod vars;
mod zone;

pub use address::MAX_ADDRESSES;

pub use app::App;
pub use buffer::{Buffer, BufferInfo, Sides, Stage};
pub use build::{MAX_CONTENT, MAX_PARTS, MAX_SET_ENTRIES, MAX_SET_FILE, keywords};
pub use field::{Field, FieldInfo};
pub use filters::{EventFilter, Filters, MAX_FILTERS, RateFilter, RuleIds, Suppress, SuppressBy};
pub use hook::Hook;
pub use lines::MAX_RULE;
pub use lists::MAX_NESTING;
pub use loader::{Loader, MAX_FILE, MAX_REFUSED, Refused, Report};
pub use options::MAX_OPTIONS;
pub use ports::MAX_PORTS;
pub use rule::{
    Action, Address, AddressSet, BitOp, Capture, DetectionFilter, FlowTest, Header, HeaderProto, IntOp,
    PortSet, Reference, RejectTo, Rule, Side, StateOp, Tag, TagMetric, TagScope, Threshold, ThresholdKind,
    Track,
};
pub use settings::{Class, LoadError, MAX_SETTINGS, Settings};
pub use test::{
    Amount, Base64, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, Content, Dataset, DatasetOp, Endian,
    FastPattern, FieldTest, FlagTest, IpRep, IsDataAt, Layer, MathOp, NumberBase, NumberTest, PacketTest,
    Part, Pcre, Test, Transform, Which,
};
pub use zone::Zone;
