//! What a TCP stack would not have sent, by name.

/// Something in a connection that is wrong. Each kind is told once per flow.
///
/// The names are Suricata's stream events where the meaning is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StreamAnomaly {
    /// A byte came twice with different values.
    OverlapDifferentData,
    /// Bytes that no window allows; they are left out of the stream.
    PacketOutOfWindow,
    /// An acknowledgement of bytes that no window allowed.
    InvalidAck,
    /// A reset that the receiver will not believe (RFC 5961, section 3.2).
    ResetOutOfWindow,
    /// Data went on behind a reset: the receiver did not believe it.
    SuspectedResetInjection,
    /// A FIN in front of bytes that came already, outside the window, or in another place than the first.
    FinOutOfWindow,
    /// Bytes behind the FIN; they are left out of the stream.
    DataBeyondFin,
    /// SYN and FIN in one segment.
    FinSyn,
    /// The client sent another SYN with another number after it had been answered.
    SynResendDifferentSeq,
    /// A SYN towards the client during the handshake.
    SynToClient,
    /// A SYN/ACK from the side that sent the SYN.
    SynAckInWrongDirection,
    /// A SYN/ACK that acknowledges another SYN.
    SynAckWrongAck,
    /// A second SYN/ACK with another number.
    SynAckResendDifferentSeq,
    /// The server did not take the data that came with the SYN (RFC 7413).
    SynAckFastOpenIgnored,
    /// The handshake's last ACK acknowledges something else than the SYN/ACK.
    HandshakeWrongAck,
    /// A SYN within an established connection.
    EstablishedSynResend,
    /// The same with another number.
    EstablishedSynResendDifferentSeq,
    /// A SYN towards the client within an established connection.
    EstablishedSynToClient,
    /// A SYN/ACK within an established connection, with another number.
    EstablishedSynAckResendDifferentSeq,
    /// Bytes are missing from the stream.
    SequenceGap,
}

impl StreamAnomaly {
    /// Every kind.
    pub const ALL: [StreamAnomaly; 20] = [
        StreamAnomaly::OverlapDifferentData,
        StreamAnomaly::PacketOutOfWindow,
        StreamAnomaly::InvalidAck,
        StreamAnomaly::ResetOutOfWindow,
        StreamAnomaly::SuspectedResetInjection,
        StreamAnomaly::FinOutOfWindow,
        StreamAnomaly::DataBeyondFin,
        StreamAnomaly::FinSyn,
        StreamAnomaly::SynResendDifferentSeq,
        StreamAnomaly::SynToClient,
        StreamAnomaly::SynAckInWrongDirection,
        StreamAnomaly::SynAckWrongAck,
        StreamAnomaly::SynAckResendDifferentSeq,
        StreamAnomaly::SynAckFastOpenIgnored,
        StreamAnomaly::HandshakeWrongAck,
        StreamAnomaly::EstablishedSynResend,
        StreamAnomaly::EstablishedSynResendDifferentSeq,
        StreamAnomaly::EstablishedSynToClient,
        StreamAnomaly::EstablishedSynAckResendDifferentSeq,
        StreamAnomaly::SequenceGap,
    ];

    /// The name in EVE `anomaly.event`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            StreamAnomaly::OverlapDifferentData => "stream.reassembly_overlap_different_data",
            StreamAnomaly::PacketOutOfWindow => "stream.est_packet_out_of_window",
            StreamAnomaly::InvalidAck => "stream.pkt_invalid_ack",
            // Not among Suricata's: it leaves such resets alone without a word.
            StreamAnomaly::ResetOutOfWindow => "stream.rst_out_of_window",
            StreamAnomaly::SuspectedResetInjection => "stream.suspected_rst_inject",
            StreamAnomaly::FinOutOfWindow => "stream.fin_out_of_window",
            // Not among Suricata's.
            StreamAnomaly::DataBeyondFin => "stream.data_beyond_fin",
            StreamAnomaly::FinSyn => "stream.fin_syn",
            StreamAnomaly::SynResendDifferentSeq => "stream.3whs_syn_resend_diff_seq_on_syn_recv",
            StreamAnomaly::SynToClient => "stream.3whs_syn_toclient_on_syn_recv",
            StreamAnomaly::SynAckInWrongDirection => "stream.3whs_synack_in_wrong_direction",
            StreamAnomaly::SynAckWrongAck => "stream.3whs_synack_with_wrong_ack",
            StreamAnomaly::SynAckResendDifferentSeq => "stream.3whs_synack_resend_with_diff_seq",
            StreamAnomaly::SynAckFastOpenIgnored => "stream.3whs_synack_tfo_data_ignored",
            StreamAnomaly::HandshakeWrongAck => "stream.3whs_right_seq_wrong_ack_evasion",
            StreamAnomaly::EstablishedSynResend => "stream.est_syn_resend",
            StreamAnomaly::EstablishedSynResendDifferentSeq => "stream.est_syn_resend_diff_seq",
            StreamAnomaly::EstablishedSynToClient => "stream.est_syn_toclient",
            StreamAnomaly::EstablishedSynAckResendDifferentSeq => "stream.est_synack_resend_with_diff_seq",
            StreamAnomaly::SequenceGap => "stream.reassembly_seq_gap",
        }
    }
}

/// Which kinds a flow has told already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told(u32);

impl Told {
    /// True the first time.
    pub(super) fn first(&mut self, anomaly: StreamAnomaly) -> bool {
        let bit = 1 << (anomaly as u32);
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }

    pub(super) fn has(self, anomaly: StreamAnomaly) -> bool {
        self.0 & (1 << (anomaly as u32)) != 0
    }
}
