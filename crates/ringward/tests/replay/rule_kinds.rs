//! Kinds of rules: how often each speaks, and that each can.

use serde_json::json;

use crate::rules::{alerts, sids};
use crate::support::{Capture, Desk, at, events, of_type};

/// The ids of the rules that spoke, as often as they did.
fn counted(desk: &Desk, capture: &Capture, rules: &str, more: &[&str]) -> Vec<u64> {
    std::fs::write(desk.path("our.rules"), rules).unwrap();
    sids(
        &of_type(&desk.replay(capture, &[&["--rules", "our.rules"], more].concat()), "alert")
            .into_iter()
            .cloned()
            .collect::<Vec<_>>(),
    )
}

#[test]
fn rules_on_addresses_speak_once_a_flow_unless_they_leave_some_out() {
    let mut capture = Capture::default();
    for _ in 0..3 {
        capture.udp(at("10.0.1.1:4000"), at("192.0.2.1:9999"), b"question");
        capture.udp(at("192.0.2.1:9999"), at("10.0.1.1:4000"), b"answer");
    }
    let rules = r#"
alert ip 10.0.0.0/8 any -> any any (sid:1;)
alert ip any any -> any any (sid:2;)
alert ip [10.0.0.0/8,!10.0.2.0/24] any -> !10.0.0.0/8 any (sid:3;)
alert udp any any -> !$HOME_NET any (sid:4;)
alert ip [10.0.0.0/8,![10.0.1.0/24,!10.0.1.1]] any -> any any (sid:5;)
alert ip [10.0.0.0/8,![10.0.1.0/24,!10.0.1.2]] any -> any any (sid:6;)
alert udp any [4000,![3000:5000,!4001]] -> any any (sid:7;)
alert udp any [3999:4001,![3000:5000,!4000]] -> any any (sid:8;)
alert ip 10.0.0.0/8 any -> any any (flowbits:isset,never; sid:9;)
"#;
    let of = counted(&Desk::new(""), &capture, rules, &[]);
    assert_eq!(of, [1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 8, 8, 8]);
    let passed = format!("pass ip any any -> !10.0.0.0/8 any (sid:10;)\n{rules}");
    assert_eq!(
        counted(&Desk::new(""), &capture, &passed, &[]),
        [0; 0],
        "what is like it passes the flow, too"
    );
}

#[test]
fn a_network_may_leave_out_a_part_of_itself() {
    let mut capture = Capture::default();
    capture.udp(at("10.1.0.1:4000"), at("10.2.0.1:9999"), b"in the part that is left out");
    capture.udp(at("192.0.2.1:4000"), at("10.2.0.1:9999"), b"from outside");
    capture.udp(at("10.2.0.1:4000"), at("192.0.2.1:9999"), b"to outside");
    let rules = "alert udp $EXTERNAL_NET any -> $HOME_NET any (content:\"from\"; sid:1;)\n\
                 alert udp $EXTERNAL_NET any -> $HOME_NET any (content:\"part\"; sid:2;)\n\
                 alert udp $HOME_NET any -> [$EXTERNAL_NET,!10.1.0.0/16] any (content:\"to\"; sid:3;)\n\
                 alert udp [$HOME_NET,$EXTERNAL_NET] any -> any any (content:\"outside\"; sid:4;)\n";
    let desk = Desk::new("");
    let settings =
        "[rules.variables]\nHOME_NET = \"[10.0.0.0/8,!10.1.0.0/16]\"\nEXTERNAL_NET = \"!$HOME_NET\"\n";
    std::fs::write(desk.path("ringward.toml"), settings).unwrap();
    assert_eq!(counted(&desk, &capture, rules, &["-c", "ringward.toml"]), [1, 2, 3, 4, 4]);
}

#[test]
fn bits_of_hosts_are_seen_at_once_and_xbits_from_the_next_packet_on() {
    let mut capture = Capture::default();
    for number in 0..6 {
        capture.udp(at("10.0.0.5:4000"), at("203.0.113.9:9999"), format!("BEACON0{number}").as_bytes());
    }
    for (sets, asks, told) in [
        ("xbits:set,a,track ip_src", "xbits:isset,a,track ip_src", 3),
        ("xbits:set,a,track ip_dst", "xbits:isset,a,track ip_dst", 3),
        ("xbits:set,a,track ip_pair", "xbits:isset,a,track ip_pair", 3),
        ("xbits:set,a,track ip_src", "xbits:isnotset,a,track ip_src", 3),
        ("hostbits:set,a,src", "hostbits:isset,a,src", 4),
        ("flowbits:set,a", "flowbits:isset,a", 4),
    ] {
        let sets = format!("alert udp any any -> any any (content:\"BEACON02\"; {sets}; sid:1;)\n");
        let asks = format!("alert udp any any -> any any (content:\"BEACON\"; {asks}; sid:2;)\n");
        for rules in [format!("{sets}{asks}"), format!("{asks}{sets}")] {
            let found = counted(&Desk::new(""), &capture, &rules, &[]);
            assert_eq!(found.iter().filter(|&&sid| sid == 2).count(), told, "{rules}");
        }
    }
}

#[test]
fn a_rate_is_let_go_after_its_time() {
    let mut capture = Capture::default();
    for number in 0..24 {
        capture.udp(at("10.0.0.5:4000"), at("203.0.113.9:9999"), format!("BEACON{number:02}").as_bytes());
        capture.pause(1);
    }
    let rules = "alert udp any any -> any any (content:\"BEACON\"; sid:7;)\n";
    for track in ["by_src", "by_dst", "by_both", "by_rule"] {
        let desk = Desk::new("");
        let filter = format!(
            "rate_filter gen_id 1, sig_id 7, track {track}, count 2, seconds 3, new_action pass, timeout 4 # for a while\n"
        );
        std::fs::write(desk.path("threshold.config"), filter).unwrap();
        std::fs::write(desk.path("ringward.toml"), "[rules]\nthreshold = \"threshold.config\"\n").unwrap();
        std::fs::write(desk.path("our.rules"), rules).unwrap();
        let events = desk.replay(&capture, &["--rules", "our.rules", "-c", "ringward.toml"]);
        let told: Vec<u64> =
            of_type(&events, "alert").iter().map(|alert| alert["pcap_cnt"].as_u64().unwrap()).collect();
        assert_eq!(told, [1, 2, 8, 9, 10, 16, 17, 18, 24], "{track}");
    }
}

#[test]
fn every_kind_of_frame_is_seen() {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream];
        frame.extend(payload);
        frame
    };
    // A size of the table of 4096, then POST, /, http.
    let client = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]),
        frame(8, 0, 0, &[0, 0, 3, 0xe8]),
        frame(1, 0, 1, &[0x3f, 0xe1, 0x1f, 0x83]),
        frame(9, 4, 1, &[0x84, 0x86]),
        frame(2, 0, 1, &[0, 0, 0, 0, 7]),
        frame(0, 1, 1, b"asked"),
        frame(6, 0, 0, &[0; 8]),
        frame(8, 0, 1, &[0, 0, 0, 9]),
    ];
    let server = [
        frame(5, 4, 1, &[0, 0, 0, 2, 0x82, 0x84, 0x86]),
        frame(1, 4, 1, &[0x88]),
        frame(0, 1, 1, b"hello"),
        frame(1, 4, 2, &[0x88]),
        frame(3, 0, 2, &[0, 0, 0, 8]),
        frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]),
    ];
    let mut capture = Capture::default();
    capture.connection(at("10.0.0.1:4000"), at("192.0.2.1:80"), &client.concat(), &server.concat(), 1000);
    let kinds = [
        ("http2.frametype:DATA", 2),
        ("http2.frametype:HEADERS", 4),
        ("http2.frametype:PRIORITY", 1),
        ("http2.frametype:RST_STREAM", 1),
        ("http2.frametype:SETTINGS", 1),
        ("http2.frametype:PUSH_PROMISE", 1),
        ("http2.frametype:PING", 1),
        ("http2.frametype:GOAWAY", 1),
        ("http2.frametype:WINDOW_UPDATE", 2),
        ("http2.frametype:CONTINUATION", 1),
        ("http2.window:1000", 1),
        ("http2.window:<10", 1),
        ("http2.size_update:4096", 1),
        ("http2.window:11", 0),
        ("http2.size_update:1", 0),
    ];
    let rules: Vec<String> = (1..)
        .zip(kinds)
        .map(|(sid, (asked, _))| format!("alert http2 any any -> any any ({asked}; sid:{sid};)\n"))
        .collect();
    let found = counted(&Desk::new(""), &capture, &rules.concat(), &[]);
    for (sid, (asked, times)) in (1..).zip(kinds) {
        assert_eq!(found.iter().filter(|&&of| of == sid).count(), times, "{asked}");
    }
}

#[test]
fn files_of_http_have_an_extension() {
    let mut capture = Capture::default();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let ask = b"GET /dir.d/setup.EXE?x=1.zip HTTP/1.1\r\nHost: a.example\r\n\r\n";
    capture.connection(at("10.0.0.1:4000"), at("192.0.2.1:80"), ask, answer, 1000);
    let rules = "alert http any any -> any any (fileext:\"exe\"; sid:1;)\n\
                 alert http any any -> any any (fileext:\"zip\"; sid:2;)\n\
                 alert http any any -> any any (flow:to_server; fileext:\"exe\"; sid:3;)\n";
    assert_eq!(counted(&Desk::new(""), &capture, rules, &[]), [1]);
}

#[test]
fn a_rule_with_a_place_speaks_of_the_packet_and_of_the_stream() {
    let mut capture = Capture::default();
    capture.connection(at("10.0.0.1:4000"), at("192.0.2.1:4444"), b"HELLO BEACON", b"OK", 1000);
    let rules = "alert tcp any any -> any any (content:\"HELLO\"; depth:5; sid:1;)\n\
                 alert tcp any any -> any any (content:\"BEACON\"; sid:2;)\n\
                 alert tcp any any -> any any (flow:only_stream; content:\"HELLO\"; depth:5; sid:3;)\n\
                 alert tcp-pkt any any -> any any (content:\"HELLO\"; depth:5; sid:4;)\n\
                 alert tcp any any -> any any (content:\"LO\"; depth:5; dsize:12; sid:5;)\n";
    assert_eq!(counted(&Desk::new(""), &capture, rules, &[]), [1, 1, 2, 3, 4, 5]);
    // The packet that tells what its flow speaks is looked at with the stream only.
    let rules = "alert http any any -> any any (content:\"GET \"; depth:4; sid:6;)\n\
                 alert http any any -> any any (content:\"HTTP/1\"; depth:6; sid:7;)\n";
    assert_eq!(sids(&alerts(&Desk::new(""), rules, &[])), [6, 7, 7]);
}

#[test]
fn bits_of_flows_are_told_with_what_traffic_it_is() {
    let rules = "alert http any any -> any any (http.method; content:\"GET\"; flowbits:set,seen; sid:1;)\n\
                 alert http any any -> any any (http.uri; content:\"gate\"; flowbits:set,traffic/id/gate; sid:2;)\n\
                 alert http any any -> any any (http.stat_code; content:\"200\"; flowbits:set,traffic/label/web; flowbits:isset,seen; sid:3;)\n";
    let desk = Desk::new("");
    let alerts = alerts(&desk, rules, &[]);
    let last = alerts.iter().find(|alert| alert["alert"]["signature_id"] == 3).unwrap();
    let events = events(&desk.path("out/eve.json"));
    let flow = of_type(&events, "flow").into_iter().find(|flow| flow["src_port"] == 4000).unwrap();
    for event in [last, flow] {
        assert_eq!(event["metadata"], json!({"flowbits": ["seen"]}));
        assert_eq!(event["traffic"], json!({"id": ["gate"], "label": ["web"]}));
    }
}

#[test]
fn hooks_say_how_far_a_transaction_has_to_have_come() {
    let rules = "alert http1:request_started any any -> any any (sid:1;)\n\
                 alert http1:response_started any any -> any any (sid:2;)\n\
                 alert http1:request_line any any -> any any (http.uri; content:\"gate\"; sid:3;)\n\
                 alert http1:response_complete any any -> any any (http.stat_code; content:\"200\"; sid:4;)\n\
                 alert http1:response_complete any any -> any any (http.stat_code; content:\"404\"; sid:5;)\n\
                 alert dns:request_complete any any -> any any (dns.query; content:\"evil\"; sid:6;)\n\
                 alert dns:response_complete any any -> any any (sid:7;)\n\
                 alert tls:client_hello_done any any -> any any (tls.sni; content:\"bad\"; sid:8;)\n";
    assert_eq!(sids(&alerts(&Desk::new(""), rules, &[])), [1, 2, 3, 4, 6, 7, 8]);
}
