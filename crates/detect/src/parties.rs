//! Who is who in an alert: the ends of its flow, and the accounts that the flow has named.

use alert::{Alert, Parties};
use flow::FlowTuple;
use proto::{Ntlm, Transaction};

use crate::Home;

/// Says who acts in the alert of an indicator or a detector, if nobody has: the victim, whose traffic gave it away; without
/// one the other side.
pub fn complete(alert: &mut Alert, tuple: &FlowTuple, home: &Home) {
    let (client, server) = (tuple.client.ip, tuple.server.ip);
    let other = |ip| if ip == client { server } else { client };
    if alert.parties.actor.is_none() && alert.rule.is_none() {
        let actor = alert.victim.or(alert.peer).unwrap_or(client);
        let outside = [client, server].into_iter().find(|&ip| !home.has(ip) && home.has(other(ip)));
        let accounts = std::mem::take(&mut alert.parties.accounts);
        alert.parties = Parties { actor: Some(actor), target: Some(other(actor)), outside, accounts };
    }
}

/// Hands on the accounts that a transaction names, as on the wire; those of NTLM as `DOMAIN\user`, of Kerberos as
/// `user@REALM`.
pub fn accounts(transaction: &Transaction, mut name: impl FnMut(&str)) {
    let mut ntlm = |who: &Ntlm| match (who.domain.as_str(), who.user.as_str()) {
        (_, "") => {}
        ("", user) => name(user),
        (domain, user) => name(&format!("{domain}\\{user}")),
    };
    let user = match transaction {
        Transaction::Smb(smb) => {
            smb.ntlm.iter().for_each(ntlm);
            None
        }
        Transaction::Ntlm(who) => {
            ntlm(who);
            None
        }
        Transaction::Krb5(krb5) => {
            match (&krb5.cname, &krb5.realm) {
                (Some(user), Some(realm)) => name(&format!("{user}@{realm}")),
                (Some(user), None) => name(user),
                (None, _) => {}
            }
            None
        }
        Transaction::Login(login) => login.user.as_deref(),
        Transaction::Tds(tds) => tds.user.as_deref(),
        Transaction::Mysql(mysql) => mysql.user.as_deref(),
        Transaction::MongoDb(mongo) => mongo.user.as_deref(),
        Transaction::Socks(socks) => socks.user.as_deref(),
        _ => None,
    };
    if let Some(user) = user {
        name(user);
    }
}

#[cfg(test)]
mod tests {
    use alert::MAX_ACCOUNTS;
    use proto::{AppProto, Login, Outcome};

    use super::*;

    #[test]
    fn accounts_are_named_once_and_not_without_end() {
        let mut parties = Parties::default();
        for n in 0..100 {
            let user = Some(format!("user{}", n / 2));
            let login = Login {
                service: AppProto::Ftp,
                method: "user-pass",
                user,
                secret: None,
                outcome: Outcome::Unknown,
            };
            accounts(&login.into(), |name| parties.account(name));
        }
        assert_eq!(parties.accounts.len(), MAX_ACCOUNTS);
        assert_eq!(parties.accounts[..2], ["user0", "user1"]);
    }
}
