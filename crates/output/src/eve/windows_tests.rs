//! Bodies of the protocols of Windows networks in the forms that their readers know.

use ::proto::dcerpc::{Interface, Stub};
use ::proto::ldap::{LdapRequest, LdapResponse, LdapResult, Operation, Reply};
use ::proto::rdp::RdpStep;
use ::proto::smb::{Create, FileId, Share, ShareKind, Status};
use ::proto::{Dcerpc, Krb5, Ldap, Rdp, Smb, Transaction};
use serde_json::json;

fn body(of: impl Into<Transaction>) -> serde_json::Value {
    super::transaction(&of.into(), 0, &super::tests::FORMS).reread()
}

fn call() -> Dcerpc {
    Dcerpc {
        request: Some(0),
        response: Some(2),
        interfaces: vec![Interface { context: 0, uuid: [0x12; 16], version: (1, 0), ack: Some((0, 4)) }],
        req: Some(Stub { opnum: 15, fragments: 2, length: 130 }),
        res: Some(Stub { opnum: 0, fragments: 2, length: 84 }),
        call_id: 7,
        rpc_version: (5, 0),
        ..Dcerpc::default()
    }
}

#[test]
fn dcerpc_over_tcp_counts_what_stands_before_a_responses_body() {
    let uuid = "12121212-1212-1212-1212-121212121212";
    let expected = json!({
        "request": "REQUEST", "response": "RESPONSE", "call_id": 7, "rpc_version": "5.0",
        "req": {"opnum": 15, "frag_cnt": 2, "stub_data_size": 130},
        "res": {"frag_cnt": 2, "stub_data_size": 100},
        "interfaces": [{"uuid": uuid, "version": "1.0", "ack_result": 0}],
    });
    assert_eq!(body(call()), expected);
}

#[test]
fn smb_tells_a_call_in_a_pipe_and_a_file() {
    let smb = Smb {
        id: 3,
        version: 2,
        command: 11,
        dialect: "3.11".into(),
        status: Some(Status::Nt(0)),
        session_id: 5,
        tree_id: 6,
        dcerpc: Some(call()),
        ..Smb::default()
    };
    let told = body(smb);
    assert_eq!(told["command"], "SMB2_COMMAND_IOCTL");
    assert_eq!((&told["status"], &told["status_code"]), (&json!("STATUS_SUCCESS"), &json!("0x0")));
    assert_eq!(told["dcerpc"]["res"], json!({"frag_cnt": 2, "stub_data_size": 84}));
    assert_eq!(told["dcerpc"]["opnum"], 15);

    let share = Share { name: r"\\srv\IPC$".into(), kind: ShareKind::Pipe, service: None };
    let tree = Smb { version: 2, command: 3, share: Some(share), ..Smb::default() };
    let told = body(tree);
    assert_eq!((&told["named_pipe"], &told["share_type"]), (&json!(r"\\srv\IPC$"), &json!("PIPE")));
    assert_eq!(told["dialect"], "unknown");

    let file = Smb {
        version: 2,
        command: 5,
        filename: Some(String::new()),
        file_id: Some(FileId::Two([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])),
        create: Some(Create { disposition: 1, ..Create::default() }),
        ..Smb::default()
    };
    let told = body(file);
    assert_eq!(told["filename"], "<share_root>");
    assert_eq!(told["fuid"], "00000001-0002-0000-0003-000000000004");
    assert_eq!((&told["disposition"], &told["access"]), (&json!("FILE_OPEN"), &json!("normal")));
}

#[test]
fn krb5_says_what_is_missing_and_what_is_weak() {
    let reply = Krb5 { msg_type: 13, encryption: Some(23), ticket_encryption: Some(18), ..Krb5::default() };
    let expected = json!({
        "msg_type": "KRB_TGS_REP", "cname": "<empty>", "realm": "<empty>", "sname": "<empty>",
        "encryption": "rc4-hmac", "weak_encryption": true,
        "ticket_encryption": "aes256-cts-hmac-sha1-96", "ticket_weak_encryption": false,
    });
    assert_eq!(body(reply), expected);
}

#[test]
fn ldap_never_shows_a_password() {
    let operation =
        Operation::Bind { version: 3, name: "cn=a".into(), password: Some("secret".into()), sasl: None };
    let result = LdapResult { code: 49, ..LdapResult::default() };
    let ldap = Ldap {
        request: Some(LdapRequest { message_id: 1, operation }),
        responses: vec![LdapResponse { message_id: 1, reply: Reply::Bind(result, None) }],
        more_responses: 0,
    };
    let expected = json!({
        "request": {"message_id": 1, "operation": "bind_request", "bind_request": {"version": 3, "name": "cn=a"}},
        "responses": [{
            "operation": "bind_response",
            "bind_response": {"result_code": "invalid_credentials", "matched_dn": "", "message": ""},
        }],
    });
    assert_eq!(body(ldap), expected);
}

#[test]
fn rdp_tells_its_step() {
    let step = RdpStep::InitialRequest { cookie: Some("alice".into()), protocols: Some(3) };
    let expected = json!({"tx_id": 1, "event_type": "initial_request", "cookie": "alice"});
    assert_eq!(body(Rdp { number: 1, step }), expected);
}
