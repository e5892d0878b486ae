//! `redis`: a command with its reply.

use ::proto::Redis;

use crate::json::{Object, Value};

pub(super) fn body(redis: &Redis) -> Value {
    let mut out = Object::new();
    out.insert("command".into(), redis.command.clone().into());
    out.insert("arguments".into(), redis.arguments.as_slice().into());
    out.insert("argument_count".into(), redis.argument_count.into());
    if let Some(reply) = &redis.reply {
        out.insert("reply".into(), reply.clone().into());
        out.insert("error".into(), redis.error.into());
    }
    out.into()
}
