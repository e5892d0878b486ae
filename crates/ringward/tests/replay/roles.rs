//! Hosts that others need are not cut off for what they pass on, nor for being one host among many.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::{
    Capture, Desk, at, client_hello, dns_exchange, enforcing, events, of_type, ringward, shared_data, stderr,
};

const LISTED: &str = "evil.example";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

/// Replays with one worker and with three, which must not show.
fn replay(capture: &Capture, policy: &str) -> Vec<Value> {
    let desk = Desk::new("evil.example\n203.0.113.66\n");
    std::fs::write(desk.path("policy.toml"), policy).unwrap();
    let one = desk.replay(capture, &["-c", "policy.toml"]);
    let lines = std::fs::read(desk.path("out/eve.json")).unwrap();
    std::fs::remove_dir_all(desk.path("out")).unwrap();
    desk.replay(capture, &["-c", "policy.toml", "--workers", "3"]);
    let same = lines == std::fs::read(desk.path("out/eve.json")).unwrap();
    assert!(same, "the number of workers shows");
    one
}

fn steps(events: &[Value]) -> Vec<Value> {
    of_type(events, "isolation").into_iter().map(|e| e["isolation"].clone()).collect()
}

fn actions(steps: &[Value]) -> Vec<(&str, &str)> {
    steps.iter().map(|s| (s["host"].as_str().unwrap_or("-"), s["action"].as_str().unwrap())).collect()
}

/// A TCP connection in which both sides speak in turn; the client's lines begin with '>'.
fn talk(capture: &mut Capture, client: SocketAddr, server: SocketAddr, turns: &[(bool, &[u8])]) {
    let (mut c, mut s) = (u32::from(client.port()) * 7, u32::from(client.port()) * 13);
    capture.tcp(client, server, c, 0, "S", b"");
    capture.tcp(server, client, s, c + 1, "SA", b"");
    (c, s) = (c + 1, s + 1);
    capture.tcp(client, server, c, s, "A", b"");
    for &(by_client, bytes) in turns {
        if by_client {
            capture.tcp(client, server, c, s, "PA", bytes);
            c += bytes.len() as u32;
        } else {
            capture.tcp(server, client, s, c, "PA", bytes);
            s += bytes.len() as u32;
        }
    }
    capture.tcp(client, server, c, s, "FA", b"");
    capture.tcp(server, client, s, c + 1, "FA", b"");
    capture.tcp(client, server, c + 1, s + 1, "A", b"");
}

/// Client number `n`.
fn client(n: u32, port: u16) -> SocketAddr {
    at(&format!("10.0.9.{n}:{port}"))
}

/// The host looks a listed name up, for itself: nobody has asked it.
fn looks_up(capture: &mut Capture, host: &str) {
    capture.pause(60);
    capture.dns(at(&format!("{host}:33333")), at("198.51.100.53:53"), LISTED);
}

/// That the host is spared, for this role.
fn assert_spared(events: &[Value], host: &str, role: &str) -> Value {
    let steps = steps(events);
    let step = steps.iter().find(|step| step["host"] == host).unwrap_or_else(|| panic!("{host}: {steps:?}"));
    assert_eq!(step["action"], "withhold", "{step}");
    let why = step["not_enforced_because"].as_str().unwrap();
    assert!(why.starts_with("infrastructure: ") && why.contains("policy.infrastructure.not"), "{why}");
    let roles = step["would_cut_off"]["roles"].as_array().unwrap();
    assert!(roles.iter().any(|seen| seen["role"] == role && seen["clients"].as_u64() >= Some(3)), "{step}");
    assert!(step["until"].is_string(), "{step}");
    step.clone()
}

#[test]
fn a_resolver_of_twenty_clients_passes_a_question_on() {
    let (resolver, upstream) = ("10.0.0.53", at("198.51.100.53:53"));
    let mut capture = Capture::default();
    for n in 1..=20 {
        capture.dns(client(n, 20_000), at("10.0.0.53:53"), "www.example.org");
    }
    capture.pause(30);
    let (query, answer) = dns_exchange(LISTED);
    capture.udp(client(7, 20_001), at("10.0.0.53:53"), &query);
    capture.udp(at("10.0.0.53:40000"), upstream, &query);
    capture.udp(upstream, at("10.0.0.53:40000"), &answer);
    capture.udp(at("10.0.0.53:53"), client(7, 20_001), &answer);
    looks_up(&mut capture, resolver);
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.9.7", "isolate"), (resolver, "withhold")]);
    let alerts = of_type(&events, "alert");
    let passed: Vec<&&Value> = alerts.iter().filter(|a| a["src_ip"] == resolver).collect();
    assert_eq!(passed[0]["alert"]["metadata"]["victim"], json!(["10.0.9.7"]));
    assert_eq!(passed[0]["alert"]["metadata"]["forwarded_by"], json!([resolver]));
    let own = passed.last().unwrap();
    assert_eq!(own["alert"]["metadata"]["victim"], json!([resolver]), "nobody asked it this time");
    let step = assert_spared(&events, resolver, "dns");
    let cut_off = &step["would_cut_off"];
    assert_eq!((&cut_off["clients"], &cut_off["serves"]), (&json!(20), &json!(["53/udp"])), "{step}");
    assert_eq!(cut_off["first_peers"][0], "10.0.9.1");
    assert_eq!(cut_off["roles"][0]["since"], "2023-11-14T22:13:20.001000+0000");

    // Who means it says so.
    for policy in [
        "[policy.infrastructure]\nspare = []\n",
        "[policy.infrastructure]\nspare = [\"proxy\"]\n",
        "[policy.infrastructure]\nmin_clients = 30\n",
        "[policy.infrastructure]\nnot = [\"10.0.0.53\"]\n",
        "[[policy.rule]]\nname = \"a\"\nthen = \"isolate\"\ninfrastructure = true\n",
        "[[policy.rule]]\nname = \"a\"\nthen = \"isolate\"\nwhen = { role = [\"dns\"] }\n",
    ] {
        let events = replay(&capture, &enforcing(policy));
        let steps = steps(&events);
        assert!(actions(&steps).contains(&(resolver, "isolate")), "{policy}: {steps:?}");
    }
}

#[test]
fn a_resolver_of_one_client_passes_a_question_on() {
    let mut capture = Capture::default();
    let (query, answer) = dns_exchange("www.evil.example");
    let (parent, _) = dns_exchange(LISTED);
    let upstream = at("198.51.100.53:53");
    // The domain controller asks the resolver, which first asks for a part of the name.
    capture.udp(client(5, 20_000), at("10.0.0.2:53"), &query);
    capture.udp(at("10.0.0.2:40000"), at("10.0.0.53:53"), &query);
    capture.udp(at("10.0.0.53:40001"), upstream, &parent);
    capture.udp(at("10.0.0.53:40002"), upstream, &query);
    capture.udp(upstream, at("10.0.0.53:40002"), &answer);
    capture.udp(at("10.0.0.53:53"), at("10.0.0.2:40000"), &answer);
    capture.udp(at("10.0.0.2:53"), client(5, 20_000), &answer);
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.9.5", "isolate")]);
    let forwarded = of_type(&events, "alert");
    let by = |host: &str| {
        forwarded.iter().filter(|a| a["alert"]["metadata"]["forwarded_by"] == json!([host])).count()
    };
    assert_eq!((by("10.0.0.2"), by("10.0.0.53")), (1, 2));
    assert!(forwarded.iter().all(|a| a["alert"]["metadata"]["victim"] == json!(["10.0.9.5"])));
    // Without a client's question it is its own, and two clients make no server.
    looks_up(&mut capture, "10.0.0.53");
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.9.5", "isolate"), ("10.0.0.53", "isolate")]);
}

#[test]
fn a_proxy_passes_requests_on() {
    let proxy = at("10.0.0.80:3128");
    let connect = format!("CONNECT {LISTED}:443 HTTP/1.1\r\nHost: {LISTED}:443\r\n\r\n");
    let mut capture = Capture::default();
    // The tunnel stays open while the proxy calls.
    let (c, s) = (1000, 5000);
    let from = client(5, 20_000);
    capture.tcp(from, proxy, c, 0, "S", b"");
    capture.tcp(proxy, from, s, c + 1, "SA", b"");
    capture.tcp(from, proxy, c + 1, s + 1, "A", b"");
    capture.tcp(from, proxy, c + 1, s + 1, "PA", connect.as_bytes());
    // It looks the name up, and calls the listed address and name.
    let (query, mut answer) = dns_exchange(LISTED);
    let end = answer.len() - 4;
    answer[end..].copy_from_slice(&[203, 0, 113, 66]);
    capture.udp(at("10.0.0.80:40000"), at("198.51.100.53:53"), &query);
    capture.udp(at("198.51.100.53:53"), at("10.0.0.80:40000"), &answer);
    capture.tls(at("10.0.0.80:40001"), at("203.0.113.66:443"), LISTED);
    capture.tcp(proxy, from, s + 1, c + 1 + connect.len() as u32, "PA", b"HTTP/1.1 200 OK\r\n\r\n");
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.9.5", "isolate")], "{:?}", steps(&events));
    let alerts = of_type(&events, "alert");
    let passed = alerts.iter().filter(|a| a["alert"]["metadata"]["forwarded_by"] == json!(["10.0.0.80"]));
    assert!(passed.count() >= 3, "name, address and TLS");

    for n in 1..=3 {
        let request = format!("GET http://www.example.org/{n} HTTP/1.1\r\nHost: www.example.org\r\n\r\n");
        talk(&mut capture, client(n, 21_000), proxy, &[(true, request.as_bytes()), (false, OK.as_bytes())]);
    }
    looks_up(&mut capture, "10.0.0.80");
    assert_spared(&replay(&capture, &enforcing("")), "10.0.0.80", "proxy");
}

#[test]
fn the_published_cases_isolate_the_client_only() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let case = data.join("cases/41-resolver-and-proxy-as-victims");
    for (capture, list, passed) in
        [("input.pcap", "list.txt", "10.0.0.53"), ("y31-proxy.pcap", "y31-proxy-list.txt", "10.0.0.80")]
    {
        let desk = Desk::new("");
        std::fs::write(desk.path("enforce.toml"), enforcing("")).unwrap();
        let (capture, list) = (case.join(capture), case.join(list));
        let args = ["replay", "-c", "enforce.toml", "--out", "out", "--iocs"].map(Into::into);
        let output = ringward(desk.dir.path(), args.into_iter().chain([list, capture]));
        assert!(output.status.success(), "{}", stderr(&output));
        let events = events(&desk.path("out/eve.json"));
        assert_eq!(actions(&steps(&events)), [("10.0.0.5", "isolate")]);
        let alerts = of_type(&events, "alert");
        assert!(alerts.iter().any(|a| a["alert"]["metadata"]["forwarded_by"] == json!([passed])), "{passed}");
    }
}

/// A DHCP message of this type for client number `n`.
fn dhcp(kind: u8, n: u8) -> Vec<u8> {
    let mut message = vec![if kind == 5 { 2 } else { 1 }, 1, 6, 0, 0, 0, 0, n, 0, 0, 0x80, 0];
    let yours = if kind == 5 { [10, 0, 9, n] } else { [0; 4] };
    message.extend([[0; 4], yours, [0; 4], [0; 4]].concat());
    message.extend([2, 0, 0, 0, 9, n]);
    message.extend([0; 202]);
    message.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
    message.extend(if kind == 5 {
        vec![51, 4, 0, 0, 14, 16, 3, 4, 10, 0, 0, 1]
    } else {
        vec![50, 4, 10, 0, 9, n]
    });
    message.push(255);
    message
}

#[test]
fn a_dhcp_server_and_the_router_that_it_names() {
    let mut capture = Capture::default();
    let (client, all) = (at("0.0.0.0:68"), at("255.255.255.255:67"));
    for n in 1..=7 {
        capture.udp(client, all, &dhcp(3, n));
        capture.udp(at("10.0.0.67:67"), at("255.255.255.255:68"), &dhcp(5, n));
    }
    // Acknowledgements that nobody asked for make no server.
    for n in 11..=17 {
        capture.udp(at("10.0.0.66:67"), at("255.255.255.255:68"), &dhcp(5, n));
    }
    for host in ["10.0.0.67", "10.0.0.1", "10.0.0.66"] {
        looks_up(&mut capture, host);
    }
    let events = replay(&capture, &enforcing(""));
    assert_spared(&events, "10.0.0.67", "dhcp");
    assert_spared(&events, "10.0.0.1", "gateway");
    assert!(actions(&steps(&events)).contains(&("10.0.0.66", "isolate")));
}

#[test]
fn a_domain_controller_and_a_trap_for_java() {
    // SASL bind with NTLM's first octets, and success (RFC 4511).
    let bind = b"\x30\x1d\x02\x01\x01\x60\x18\x02\x01\x03\x04\x00\xa3\x11\x04\x0aGSS-SPNEGO\x04\x03abc";
    let bound = b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
    // A search below "x" for an object, and an entry with javaCodeBase.
    let search =
        b"\x30\x26\x02\x01\x02\x63\x21\x04\x01x\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\
        \x87\x0bobjectClass\x30\x00";
    let entry =
        b"\x30\x22\x02\x01\x02\x64\x1d\x04\x01x\x30\x18\x30\x16\x04\x0cjavaCodeBase\x31\x06\x04\x04http";
    let done = b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    let mut capture = Capture::default();
    for n in 1..=3 {
        let turns: &[(bool, &[u8])] = &[(true, bind), (false, bound)];
        talk(&mut capture, client(n, 20_000), at("10.0.0.88:389"), turns);
        let turns: &[(bool, &[u8])] = &[(true, search), (false, &[&entry[..], &done[..]].concat())];
        talk(&mut capture, client(n, 20_001), at("10.0.0.66:389"), turns);
    }
    looks_up(&mut capture, "10.0.0.88");
    looks_up(&mut capture, "10.0.0.66");
    let events = replay(&capture, &enforcing(""));
    assert_spared(&events, "10.0.0.88", "domain_controller");
    assert!(actions(&steps(&events)).contains(&("10.0.0.66", "isolate")), "{:?}", steps(&events));
}

#[test]
fn a_mail_relay() {
    let mut capture = Capture::default();
    let mut mail = |client: SocketAddr, server: SocketAddr| {
        let turns: &[(bool, &[u8])] = &[
            (false, b"220 mx.example.org ESMTP\r\n"),
            (true, b"EHLO pc\r\n"),
            (false, b"250 mx.example.org\r\n"),
            (true, b"MAIL FROM:<a@example.org>\r\n"),
            (false, b"250 ok\r\n"),
            (true, b"RCPT TO:<b@example.org>\r\n"),
            (false, b"250 ok\r\n"),
            (true, b"DATA\r\n"),
            (false, b"354 go on\r\n"),
            (true, b"From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\n\r\nhello\r\n.\r\n"),
            (false, b"250 ok\r\n"),
            (true, b"QUIT\r\n"),
            (false, b"221 bye\r\n"),
        ];
        talk(&mut capture, client, server, turns);
    };
    for n in 1..=3 {
        mail(client(n, 20_000), at("10.0.0.25:25"));
        mail(client(n, 20_001), at("10.0.0.26:25"));
    }
    mail(at("10.0.0.25:40000"), at("198.51.100.25:25"));
    looks_up(&mut capture, "10.0.0.25");
    looks_up(&mut capture, "10.0.0.26");
    let events = replay(&capture, &enforcing(""));
    assert_spared(&events, "10.0.0.25", "mail");
    assert!(actions(&steps(&events)).contains(&("10.0.0.26", "isolate")), "it only takes mail");
}

/// The same frame with another time to live.
fn with_ttl(capture: &mut Capture, ttl: u8) {
    let (_, frame) = capture.frames.last_mut().unwrap();
    let was = u16::from_be_bytes([frame[22], frame[23]]);
    frame[22] = ttl;
    let now = u16::from_be_bytes([frame[22], frame[23]]);
    // RFC 1624.
    let sum = u32::from(!u16::from_be_bytes([frame[24], frame[25]])) + u32::from(!was) + u32::from(now);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn a_nat_whose_clients_are_seen_on_both_sides() {
    let mut capture = Capture::default();
    let server = at("198.51.100.1:443");
    for n in 1..=3_u16 {
        let seq = u32::from(n) * 1000;
        let (inside, outside) = (at(&format!("10.0.9.{n}:50000")), at(&format!("10.0.0.2:{}", 60_000 + n)));
        for (from, ttl) in [(inside, 64), (outside, 63)] {
            capture.tcp(from, server, seq, 0, "S", b"");
            with_ttl(&mut capture, ttl);
        }
        for to in [outside, inside] {
            capture.tcp(server, to, 77 + seq, seq + 1, "SA", b"");
        }
        for (from, ttl) in [(inside, 64), (outside, 63)] {
            capture.tcp(from, server, seq + 1, 78 + seq, "A", b"");
            with_ttl(&mut capture, ttl);
        }
    }
    looks_up(&mut capture, "10.0.0.2");
    looks_up(&mut capture, "10.0.9.1");
    let events = replay(&capture, &enforcing(""));
    assert_spared(&events, "10.0.0.2", "nat");
    assert!(actions(&steps(&events)).contains(&("10.0.9.1", "isolate")), "its client is spared by nothing");
}

/// A message of neighbor discovery from this station.
fn neighbor(kind: u8, source: &str, station: u8, body: &[u8]) -> Vec<u8> {
    let (source, to): (std::net::Ipv6Addr, std::net::Ipv6Addr) =
        (source.parse().unwrap(), "ff02::1".parse().unwrap());
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    message.extend(body);
    let pseudo =
        [&source.octets()[..], &to.octets(), &(message.len() as u32).to_be_bytes(), &[0, 0, 0, 58]].concat();
    let sum: u32 = [&pseudo, &message]
        .iter()
        .flat_map(|part| part.chunks(2))
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])))
        .sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, station, 0x86, 0xdd, 0x60, 0, 0, 0];
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([58, 255]);
    frame.extend([source.octets(), to.octets()].concat());
    frame.extend(message);
    frame
}

/// IPv6 has no private addresses to go by but those that nobody here uses.
const HOME6: &str = "[home]\nnetworks = [\"2001:db8::/48\"]\n";

#[test]
fn a_router_that_advertises_itself_and_carries() {
    let advertise = |capture: &mut Capture| {
        capture.frame(neighbor(134, "fe80::1", 2, &[0; 8]));
        let router: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
        capture.frame(neighbor(136, "fe80::1", 2, &router.octets()));
    };
    let look_up = |capture: &mut Capture| {
        capture.pause(10);
        capture.dns(at("[2001:db8::1]:40000"), at("[2001:db8:f::53]:53"), LISTED);
    };
    let mut alone = Capture::default();
    advertise(&mut alone);
    look_up(&mut alone);
    let events = replay(&alone, &enforcing(HOME6));
    assert_eq!(actions(&steps(&events)), [("2001:db8::1", "isolate")], "anybody can advertise");

    let mut capture = Capture::default();
    advertise(&mut capture);
    for n in 1..=4 {
        // Frames of these go from station 1 to station 2.
        capture.tls(
            at(&format!("[2001:db8::9]:{}", 50_000 + n)),
            at(&format!("[2001:db8:f::{n}]:443")),
            "a.example",
        );
    }
    look_up(&mut capture);
    assert_spared(&replay(&capture, &enforcing(HOME6)), "2001:db8::1", "gateway");
}

#[test]
fn forged_answers_spare_no_implant() {
    let mut capture = Capture::default();
    let (query, answer) = dns_exchange("www.example.org");
    let implant = at("10.0.0.66:53");
    // Answers that nobody asked for, to twenty hosts; the same host, twenty times; hosts outside.
    for n in 1..=20 {
        capture.udp(implant, client(n, 20_000), &answer);
    }
    for n in 0..20 {
        capture.udp(client(99, 21_000 + n), implant, &query);
        capture.udp(implant, client(99, 21_000 + n), &answer);
        let outside = at(&format!("198.51.100.{}:5353", n + 1));
        capture.udp(outside, implant, &query);
        capture.udp(implant, outside, &answer);
    }
    looks_up(&mut capture, "10.0.0.66");
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.0.66", "isolate")]);
}

#[test]
fn an_implant_that_asks_itself_is_found_out() {
    let mut capture = Capture::default();
    let (query, _) = dns_exchange(LISTED);
    for n in 0..6 {
        // In the name of somebody else, who gets no answer.
        capture.udp(client(5, 30_000 + n), at("10.0.0.66:53"), &query);
        capture.udp(at(&format!("10.0.0.66:{}", 40_000 + n)), at("198.51.100.53:53"), &query);
        capture.pause(20);
    }
    let events = replay(&capture, "");
    let steps = steps(&events);
    assert!(actions(&steps).contains(&("10.0.0.66", "withhold")), "{steps:?}");
}

#[test]
fn without_a_word_nobody_is_isolated_and_it_is_told_what_would_be() {
    let mut capture = Capture::default();
    let host = at("10.0.0.5:40000");
    for n in 1..=40 {
        capture.http(
            at(&format!("10.0.0.5:{}", 50_000 + n)),
            at(&format!("10.0.7.{n}:80")),
            "www.example.org",
            "/",
        );
    }
    capture.tls(client(1, 20_000), at("10.0.0.5:8443"), "own.example.org");
    let (query, answer) = dns_exchange(LISTED);
    capture.udp(host, at("198.51.100.53:53"), &query);
    capture.udp(at("198.51.100.53:53"), host, &answer);
    let desk = Desk::new("evil.example\n");
    capture.write(&desk.path("case.pcap"));
    let output = ringward(desk.dir.path(), ["replay", "--iocs", "iocs.csv", "--out", "out", "case.pcap"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let steps = steps(&events(&desk.path("out/eve.json")));
    assert_eq!(actions(&steps), [("10.0.0.5", "withhold")]);
    let step = &steps[0];
    assert_eq!((&step["enforced"], &step["scope"]), (&json!(false), &json!("both")));
    assert_eq!(step["not_enforced_because"], "policy mode is \"observe\"");
    assert!(step["until"].is_string(), "{step}");
    let cut_off = &step["would_cut_off"];
    assert_eq!(
        (&cut_off["flows"], &cut_off["peers"], &cut_off["more_peers"]),
        (&json!(42), &json!(32), &json!(true))
    );
    assert_eq!(cut_off["first_peers"].as_array().unwrap().len(), 8);
    // The only client came when there was no room for more.
    assert_eq!((&cut_off["serves"], &cut_off["roles"]), (&json!([]), &json!([])));
}

#[test]
fn a_hello_is_not_a_look_up() {
    // What a host says inside of a tunnel through a proxy is its own, whoever passes it on.
    let mut capture = Capture::default();
    let hello = client_hello(LISTED);
    talk(&mut capture, client(5, 20_000), at("203.0.113.9:443"), &[(true, &hello)]);
    let events = replay(&capture, &enforcing(""));
    assert_eq!(actions(&steps(&events)), [("10.0.9.5", "isolate")]);
    assert!(of_type(&events, "alert")[0]["alert"]["metadata"]["forwarded_by"].is_null());
}
