//! Interfaces that change under a running sensor.

use crate::lab::{Lab, must, until, v4};
use crate::steering::chatter;
use crate::support::{counters, of_type};

pub const TESTS: &[(&str, fn())] = &[
    ("comeback::an_interface_that_is_made_anew_is_captured_again", made_anew),
    ("comeback::an_interface_that_goes_down_and_up_is_captured_again", down_and_up),
    ("comeback::other_queues_are_served", other_queues),
    ("comeback::frames_of_9000_bytes_are_captured_whole", jumbo_frames),
];

fn processed(lab: &Lab) -> u64 {
    lab.stats()["capture.processed"].as_u64().unwrap()
}

/// Everything that was counted adds up at the end, over all openings of the port.
fn adds_up(lab: &mut Lab) {
    lab.stop();
    let events = lab.events();
    let counters = counters(&events);
    let of = |name: &str| counters[name].as_u64().unwrap();
    assert_eq!(of("capture.received"), of("capture.processed") + of("capture.dropped"), "{counters}");
    assert_eq!(of("capture.wrong_worker"), 0);
}

fn made_anew() {
    let mut lab = Lab::new(1);
    lab.configure("[workers]\ncount = 2\n");
    lab.start();
    chatter(&lab, 1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} link del span"));
    until("it is missed", || lab.log().contains("the port is closed"));
    // Read only now: hosts say things of their own accord until the link is gone.
    let before = processed(&lab);
    // The sensor goes on: other ports, other questions.
    assert!(lab.ringward(&["isolate", "add", "10.77.0.1", "--ttl", "1s"]).status.success());
    assert_eq!(processed(&lab), before);
    must(&format!("ip -n {sw} link add span-in type veth peer name span"));
    must(&format!("ip -n {sw} link set span-in master lan up"));
    must(&format!("ip -n {sw} link set span up"));
    until("it is open again", || lab.log().contains("span: open again"));
    until("the host is free again", || lab.reaches("a", v4("b")));
    chatter(&lab, 1);
    until("frames arrive", || processed(&lab) > before);
    adds_up(&mut lab);
}

fn down_and_up() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    chatter(&lab, 1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} link set span down"));
    until("it is told", || lab.log().contains("interface span is down"));
    must(&format!("ip -n {sw} link set span up"));
    until("it is told", || lab.log().contains("interface span is up again"));
    let before = processed(&lab);
    chatter(&lab, 1);
    until("frames arrive", || processed(&lab) > before);
    adds_up(&mut lab);
}

fn other_queues() {
    let mut lab = Lab::new(2);
    let sw = lab.ns("sw");
    must(&format!("ip netns exec {sw} ethtool -L span-in rx 1 tx 1"));
    must(&format!("ip netns exec {sw} ethtool -L span rx 1 tx 1"));
    lab.configure("[workers]\ncount = 2\n");
    lab.start();
    assert!(lab.log().contains("capture span: 1 queues x 2 workers"), "{}", lab.log());
    chatter(&lab, 1);
    must(&format!("ip netns exec {sw} ethtool -L span rx 2 tx 2"));
    must(&format!("ip netns exec {sw} ethtool -L span-in rx 2 tx 2"));
    until("it is seen", || lab.log().contains("interface span has 2 queues instead of 1"));
    until("it is open again", || lab.log().contains("span: open again"));
    assert!(lab.log().contains("capture span: 2 queues x 2 workers"), "{}", lab.log());
    let before = processed(&lab);
    chatter(&lab, 2);
    until("frames arrive", || processed(&lab) > before);
    let stats = lab.stats();
    assert!(stats["port.span.queue1.steered"].as_u64().unwrap() > 0, "{stats}");
    adds_up(&mut lab);
}

fn jumbo_frames() {
    let mut lab = Lab::new(1);
    let sw = lab.ns("sw");
    for port in ["pa", "pb", "pc", "span-in", "span", "lan"] {
        must(&format!("ip -n {sw} link set {port} mtu 9000"));
    }
    for host in ["a", "b", "c"] {
        must(&format!("ip -n {} link set eth0 mtu 9000", lab.ns(host)));
    }
    lab.configure("");
    lab.start();
    assert!(lab.log().contains("frames may span several chunks"), "{}", lab.log());
    let sizes = [100_usize, 4000, 8000, 8900];
    let to = v4("b");
    lab.on("a", move || {
        for size in sizes {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            for _ in 0..20 {
                socket.send_to(&vec![7; size], (to, 9998)).unwrap();
            }
        }
    });
    until("all are there", || processed(&lab) >= 80);
    assert_eq!(lab.stats()["capture.truncated"], 0);
    // Guards drop frames of this size, and count all of their bytes.
    assert!(lab.ringward(&["isolate", "add", "10.77.0.3"]).status.success());
    lab.on("c", move || {
        std::net::UdpSocket::bind("0.0.0.0:0").unwrap().send_to(&[7; 8000], (to, 9998)).unwrap();
    });
    until("the whole frame is dropped", || {
        lab.listed().iter().any(|l| l["dropped_bytes"].as_u64() >= Some(8000))
    });
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    adds_up(&mut lab);
    let events = lab.events();
    let flows = of_type(&events, "flow");
    for size in sizes {
        let whole = 20 * (14 + 20 + 8 + size as u64);
        let of_size =
            |f: &&&serde_json::Value| f["dest_port"] == 9998 && f["flow"]["bytes_toserver"] == whole;
        assert_eq!(flows.iter().filter(of_size).count(), 1, "{size}: {flows:?}");
    }
    let counters = counters(&events);
    assert_eq!((&counters["decoder.cut_short"], &counters["decoder.invalid"]), (&0.into(), &0.into()));
}
