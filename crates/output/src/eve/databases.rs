//! `mysql`, `pgsql`, `tds`, `mongodb`, `amqp`: what was asked of databases and brokers.

use ::proto::{Amqp, MongoDb, Mysql, MysqlStatus, Pgsql, PgsqlRequest, Tds};
use wire::Direction;

use crate::json::{Object, Value, json};

fn put(out: &mut Object, name: &'static str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(name.into(), value.into());
    }
}

pub(super) fn mysql(mysql: &Mysql) -> Value {
    let mut out = Object::new();
    out.insert("command".into(), mysql.command.into());
    put(&mut out, "argument", Some(mysql.argument.clone()).filter(|a| !a.is_empty()));
    put(&mut out, "version", mysql.version.clone());
    put(&mut out, "user", mysql.user.clone());
    put(&mut out, "database", mysql.database.clone());
    put(&mut out, "auth_plugin", mysql.plugin.clone());
    put(&mut out, "tls", mysql.tls.then_some(true));
    match &mysql.status {
        MysqlStatus::Unknown => {}
        MysqlStatus::Ok { affected } => {
            out.insert("success".into(), true.into());
            out.insert("affected_rows".into(), (*affected).into());
        }
        MysqlStatus::Rows { columns } => {
            out.insert("success".into(), true.into());
            out.insert("columns".into(), (*columns).into());
        }
        MysqlStatus::Error { code, message } => {
            out.insert("success".into(), false.into());
            out.insert("error_code".into(), (*code).into());
            out.insert("error_message".into(), message.clone().into());
        }
    }
    out.into()
}

pub(super) fn pgsql(pgsql: &Pgsql, tx_id: u64) -> Value {
    let mut out = Object::new();
    out.insert("tx_id".into(), tx_id.into());
    out.insert("request".into(), pgsql_request(&pgsql.request));
    let response = pgsql_response(pgsql);
    if !response.is_empty() {
        out.insert("response".into(), response.into());
    }
    out.into()
}

fn pgsql_request(request: &PgsqlRequest) -> Value {
    match request {
        PgsqlRequest::Encryption(message) => json!({"message": message}),
        PgsqlRequest::Cancel { process, key } => {
            json!({"message": "cancel_request", "process_id": process, "secret_key": key})
        }
        PgsqlRequest::Startup { version, parameters } => {
            const KNOWN: [&str; 7] = [
                "application_name",
                "client_encoding",
                "database",
                "datestyle",
                "extra_float_digits",
                "options",
                "replication",
            ];
            let user = parameters.iter().find(|(name, _)| name == "user").map(|(_, user)| user.clone());
            let optional: Vec<Value> = parameters
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .filter(|(name, _)| KNOWN.contains(&name.as_str()))
                .map(|(name, value)| json!({name: value}))
                .collect();
            let mut startup = Object::new();
            put(&mut startup, "user", user);
            put(&mut startup, "optional_parameters", Some(optional).filter(|o| !o.is_empty()));
            json!({"protocol_version": format!("{}.{}", version.0, version.1), "startup_parameters": startup})
        }
        // Masked: the schema has a field that says so.
        PgsqlRequest::Password(_) => json!({"password_redacted": true}),
        PgsqlRequest::Sasl(mechanism) if mechanism.is_empty() => json!({"message": "sasl_response"}),
        PgsqlRequest::Sasl(mechanism) => json!({"sasl_authentication_mechanism": mechanism}),
        PgsqlRequest::Query(query) => json!({"simple_query": query}),
        // The extended protocol has no place of its own.
        PgsqlRequest::Parse(query) => json!({"message": "parse", "simple_query": query}),
        PgsqlRequest::Call => json!({"message": "function_call"}),
        PgsqlRequest::CopyData => json!({"message": "copy_data"}),
        PgsqlRequest::Terminate => json!({"message": "terminate"}),
    }
}

fn pgsql_response(pgsql: &Pgsql) -> Object {
    const KNOWN: [&str; 11] = [
        "application_name",
        "client_encoding",
        "date_style",
        "integer_datetimes",
        "interval_style",
        "is_superuser",
        "server_encoding",
        "server_version",
        "session_authorization",
        "standard_conforming_strings",
        "time_zone",
    ];
    let mut out = Object::new();
    put(&mut out, "ssl_accepted", pgsql.encryption);
    let message = pgsql.authentication.map(|kind| match kind {
        0 => "authentication_ok",
        2 => "authentication_kerb_v5",
        3 => "authentication_cleartext_password",
        5 => "authentication_md5_password",
        7 => "authentication_gss",
        9 => "authentication_sspi",
        10 => "authentication_sasl",
        11 => "authentication_sasl_continue",
        12 => "authentication_sasl_final",
        _ => "authentication_other",
    });
    put(&mut out, "message", message);
    let told: Vec<Value> = pgsql
        .parameters
        .iter()
        .map(|(name, value)| {
            let name = match name.as_str() {
                "DateStyle" => "date_style".to_owned(),
                "IntervalStyle" => "interval_style".to_owned(),
                "TimeZone" => "time_zone".to_owned(),
                other => other.to_owned(),
            };
            (name, value)
        })
        .filter(|(name, _)| KNOWN.contains(&name.as_str()))
        .map(|(name, value)| json!({name: value}))
        .collect();
    put(&mut out, "parameter_status", Some(told).filter(|t| !t.is_empty()));
    if let Some((process, key)) = pgsql.key {
        out.insert("process_id".into(), process.into());
        out.insert("secret_key".into(), key.into());
    }
    put(&mut out, "field_count", pgsql.fields);
    if pgsql.rows > 0 {
        out.insert("data_rows".into(), pgsql.rows.into());
        out.insert("data_size".into(), pgsql.row_bytes.into());
    }
    put(&mut out, "command_completed", pgsql.completed.clone());
    for (kind, text) in pgsql.error.iter().flat_map(|e| &e.fields) {
        let name = match kind {
            b'S' => "severity_localizable",
            b'V' => "severity_non_localizable",
            b'C' => "code",
            b'M' => "message",
            b'F' => "file",
            b'L' => "line",
            b'R' => "routine",
            _ => continue,
        };
        out.insert(name.into(), text.clone().into());
    }
    out
}

pub(super) fn tds(tds: &Tds) -> Value {
    let mut out = Object::new();
    out.insert("command".into(), tds.command.into());
    put(&mut out, "query", tds.query.clone());
    put(&mut out, "client_host", tds.client_host.clone());
    put(&mut out, "user", tds.user.clone());
    put(&mut out, "application", tds.application.clone());
    put(&mut out, "server", tds.server.clone());
    put(&mut out, "database", tds.database.clone());
    if tds.answered {
        out.insert("success".into(), tds.error.is_none().into());
    }
    if let Some((code, message)) = &tds.error {
        out.insert("error_code".into(), (*code).into());
        out.insert("error_message".into(), message.clone().into());
    }
    out.into()
}

pub(super) fn mongodb(mongodb: &MongoDb) -> Value {
    let mut out = Object::new();
    out.insert("opcode".into(), mongodb.opcode_name().into());
    out.insert("request_id".into(), mongodb.request_id.into());
    put(&mut out, "command", mongodb.command.clone());
    put(&mut out, "database", mongodb.database.clone());
    put(&mut out, "collection", mongodb.collection.clone());
    put(&mut out, "user", mongodb.user.clone());
    put(&mut out, "mechanism", mongodb.mechanism.clone());
    put(&mut out, "success", mongodb.ok);
    put(&mut out, "error_message", mongodb.error.clone());
    out.into()
}

pub(super) fn amqp(amqp: &Amqp) -> Value {
    let mut out = Object::new();
    out.insert(
        "sender".into(),
        if amqp.direction == Direction::ToServer { "client" } else { "server" }.into(),
    );
    out.insert("channel".into(), amqp.channel.into());
    out.insert("method".into(), amqp.method.into());
    let place = if amqp.method == "connection.open" { "virtual_host" } else { "exchange" };
    put(&mut out, place, amqp.exchange.clone());
    let name = if amqp.method.starts_with("basic.p") || amqp.method == "basic.deliver" {
        "routing_key"
    } else {
        "queue"
    };
    put(&mut out, name, amqp.name.clone());
    if let Some((code, text)) = &amqp.reason {
        out.insert("reply_code".into(), (*code).into());
        out.insert("reply_text".into(), text.clone().into());
    }
    out.into()
}
