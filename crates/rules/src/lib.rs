//! Suricata's rule language as data.
//!
//! In: rule files, variables, classification, reference and threshold files. Out: [`Rule`]s in which every keyword is
//! understood and every value checked, and a report that names each rule which was not loaded. No matching here: what a
//! rule means on the wire is the detect room's business.
#![forbid(unsafe_code)]

mod app;
mod buffer;
mod field;
mod rule;
mod test;

pub use app::App;
pub use buffer::{Buffer, BufferInfo, Sides, Stage};
pub use field::{Field, FieldInfo};
pub use rule::{
    Action, Address, AddressSet, BitOp, Capture, DetectionFilter, FlowTest, Header, HeaderProto, IntOp,
    PortSet, Reference, RejectTo, Rule, Side, StateOp, Tag, TagMetric, TagScope, Threshold, ThresholdKind,
    Track,
};
pub use test::{
    Amount, Base64, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, Content, Dataset, DatasetOp, Endian,
    FastPattern, FieldTest, FlagTest, IpRep, IsDataAt, Layer, MathOp, NumberBase, NumberTest, PacketTest,
    Part, Pcre, Test, Transform, Which,
};
