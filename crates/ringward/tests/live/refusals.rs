//! What keeps a sensor from starting: one clear line, the right exit code, nothing left behind.

use std::process::{Command, Output};

use crate::lab::{Lab, must, until, v4};
use crate::support::{RINGWARD, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("refusals::a_missing_interface", a_missing_interface),
    ("refusals::a_port_without_native_xdp", a_port_without_native_xdp),
    ("refusals::zero_copy_where_there_is_none", zero_copy_where_there_is_none),
    ("refusals::packet_memory_larger_than_memory", packet_memory_larger_than_memory),
    ("refusals::another_xdp_program_is_left_alone", another_xdp_program_is_left_alone),
    ("refusals::a_second_sensor_on_the_same_socket", a_second_sensor),
    ("refusals::a_second_sensor_on_the_same_port", second_on_the_same_port),
    ("refusals::no_privilege", no_privilege),
    ("refusals::who_may_not_ask_is_told_so", who_may_not_ask),
    ("refusals::malformed_indicators_when_strict", malformed_indicators_when_strict),
];

/// The one line on standard error, besides what was said of the indicators; and this exit code.
fn refused(lab: &Lab, output: &Output, code: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(lab.pins.symlink_metadata().is_err(), "the pin folder is left: {text}");
    let lines: Vec<&str> =
        text.lines().filter(|l| !l.contains(" indicators: ") && !l.contains("iocs.csv:")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

fn a_missing_interface() {
    let lab = Lab::new(1);
    lab.configure("[[port]]\nname = \"nosuch0\"\nrole = \"guard\"\n");
    let line = refused(&lab, &lab.start_in_vain(), 1);
    assert_eq!(line, "ringward: interface nosuch0: no such interface");
    assert_eq!(lab.xdp_ports(), [""; 0]);
}

fn a_port_without_native_xdp() {
    let mut lab = Lab::new(1);
    // A bridge has no native XDP.
    let config = |more: &str| {
        format!(
            "[[port]]\nname = \"pa\"\nrole = \"guard\"\n[[port]]\nname = \"lan\"\nrole = \"capture\"\n{more}"
        )
    };
    lab.write_config(&config(""));
    let line = refused(&lab, &lab.start_in_vain(), 1);
    assert!(line.starts_with("ringward: interface lan: the driver (bridge) refused"), "{line}");
    assert!(line.contains("set xdp = \"generic\""), "{line}");
    assert_eq!(lab.xdp_ports(), [""; 0]);
    assert_eq!(lab.promiscuity("lan"), 0);
    // What the line says helps, on a port that can do it.
    lab.write_config(
        "[[port]]\nname = \"span\"\nrole = \"capture\"\nxdp = \"generic\"\n\
         [[port]]\nname = \"pa\"\nrole = \"guard\"\nxdp = \"generic\"\n",
    );
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!(!lab.reaches("a", v4("b")));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    lab.stop();
    assert_eq!(lab.xdp_ports(), [""; 0]);
    // Or leave the choice to the sensor, which says what it chose and why.
    lab.write_config(&config("").replace("\"capture\"", "\"capture\"\nxdp = \"auto\""));
    lab.start();
    assert!(lab.log().contains("lan: the driver (bridge) refused native XDP"), "{}", lab.log());
    assert!(lab.log().contains("generic XDP, copy"), "{}", lab.log());
    lab.stop();
}

fn zero_copy_where_there_is_none() {
    let lab = Lab::new(1);
    // veth has no zero-copy.
    lab.write_config("[[port]]\nname = \"span\"\nrole = \"capture\"\nbind = \"zero-copy\"\n");
    let line = refused(&lab, &lab.start_in_vain(), 1);
    assert!(line.starts_with("ringward: interface span, queue 0: AF_XDP socket: "), "{line}");
    assert!(line.contains("not supported"), "{line}");
    assert_eq!((lab.xdp_ports(), lab.promiscuity("span")), (vec![], 0));
}

/// Puts an XDP program that is not ours on a port of the switch; with `-force` in place of another.
pub fn attach_somebody_elses(lab: &Lab, port: &str, force: &str) {
    let source = "__attribute__((section(\"xdp\"), used)) int somebody_elses(void *ctx) { return 2; }\n\
                  char _license[] __attribute__((section(\"license\"), used)) = \"GPL\";\n";
    let (c, object) = (lab.desk.path("other.c"), lab.desk.path("other.o"));
    std::fs::write(&c, source).unwrap();
    must(&format!("clang -O2 -g -target bpf -c {} -o {}", c.display(), object.display()));
    must(&format!("ip {force} -n {} link set dev {port} xdp obj {} sec xdp", lab.ns("sw"), object.display()));
}

fn another_xdp_program_is_left_alone() {
    let lab = Lab::new(1);
    for port in ["span", "pb"] {
        attach_somebody_elses(&lab, port, "");
        lab.configure("");
        let line = refused(&lab, &lab.start_in_vain(), 1);
        let want = format!("ringward: interface {port}: another XDP program is attached");
        assert!(line.starts_with(&want), "{line}");
        assert!(line.contains("somebody_elses"), "{line}");
        assert_eq!(lab.xdp_ports(), [port]);
        must(&format!("ip -n {} link set dev {port} xdp off", lab.ns("sw")));
    }
}

fn a_second_sensor() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let output = lab.start_in_vain();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another sensor listens here"), "{}", stderr(&output));
    // The first one is none the worse for it.
    assert_eq!(lab.xdp_ports(), ["pa", "pb", "pc", "span"]);
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!(!lab.reaches("a", v4("b")));
}

fn no_privilege() {
    let lab = Lab::new(1);
    lab.configure("");
    // The configuration and the binary must be readable for nobody to get that far.
    let config = std::env::temp_dir().join(format!("{}.toml", lab.ns("nobody")));
    std::fs::copy(lab.desk.path("ringward.toml"), &config).unwrap();
    let binary = std::env::temp_dir().join(lab.ns("ringward"));
    std::fs::copy(RINGWARD, &binary).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let output =
        Command::new("setpriv").args(nobody).arg(&binary).args(["run", "-c"]).arg(&config).output().unwrap();
    std::fs::remove_file(config).unwrap();
    std::fs::remove_file(binary).unwrap();
    let line = refused(&lab, &output, 1);
    assert!(line.contains("need root"), "{line}");
    assert_eq!(stderr(&output).lines().count(), 1);
}

/// The truth about a sensor that runs, for somebody who may not ask it, and about none.
fn who_may_not_ask() {
    use std::os::unix::fs::PermissionsExt;
    let mut lab = Lab::new(1);
    lab.configure("[control]\nsocket_group = \"daemon\"\n");
    lab.start();
    let binary = std::env::temp_dir().join(lab.ns("ringward"));
    std::fs::copy(RINGWARD, &binary).unwrap();
    std::fs::set_permissions(lab.desk.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let socket = lab.desk.path("sensor.sock");
    for args in [&["isolate", "list"][..], &["isolate", "rm", "10.0.0.1"], &["stats"]] {
        let output = Command::new("setpriv")
            .args(nobody)
            .arg(&binary)
            .args(args)
            .arg("--socket")
            .arg(&socket)
            .current_dir("/")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let want = format!(
            "ringward: permission denied on {}: run as root or join group daemon\n",
            socket.display()
        );
        assert_eq!(stderr(&output), want, "{args:?}");
        assert!(output.stdout.is_empty());
    }
    std::fs::remove_file(binary).unwrap();
    lab.stop();
    let alone = |args: &[&str]| {
        let args = [args, &["-c", "ringward.toml"]].concat();
        crate::support::ringward(lab.desk.dir.path(), args)
    };
    let released = alone(&["isolate", "rm", "10.77.0.1"]);
    assert_eq!(released.status.code(), Some(1));
    assert!(
        stderr(&released).contains("10.77.0.1 is not isolated: no sensor is running"),
        "{}",
        stderr(&released)
    );
    let listed = alone(&["isolate", "list", "--json"]);
    assert_eq!((listed.status.code(), listed.stdout.as_slice()), (Some(0), &b"[]\n"[..]));
    assert!(stderr(&listed).contains("no sensor is running and nothing is pinned"), "{}", stderr(&listed));
}

fn malformed_indicators_when_strict() {
    let lab = Lab::new(1);
    std::fs::write(lab.desk.path("iocs.csv"), "fine.example\nnot a domain!\n").unwrap();
    lab.configure("[intel]\nstrict = true\n");
    let output = lab.start_in_vain();
    let line = refused(&lab, &output, 2);
    assert_eq!(line, "ringward: 1 indicator lines cannot be read (--strict)");
    assert!(stderr(&output).contains("iocs.csv:2: "), "{}", stderr(&output));
}

fn packet_memory_larger_than_memory() {
    let lab = Lab::new(1);
    lab.configure("[workers]\ncount = 256\nrx_ring = 65536\n");
    let line = refused(&lab, &lab.start_in_vain(), 1);
    // 256 receive rings and a fill ring of two: 258 x 65536 chunks of 2048 bytes, and some for the workers.
    assert!(line.starts_with("ringward: interface span: no 33"), "{line}");
    assert!(line.contains("MiB of packet memory: only ") && line.contains("lower workers.rx_ring"), "{line}");
    assert_eq!(lab.xdp_ports(), [""; 0]);
}

fn second_on_the_same_port() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let text = std::fs::read_to_string(lab.config()).unwrap();
    let second = lab.desk.path("second.toml");
    let socket = lab.desk.path("second.sock");
    let text = text.replace("sensor.sock", "second.sock").replace("/ledger\"", "/second-ledger\"");
    for only in ["span", "pa"] {
        // Any port that the first has, whatever its role.
        let mut tables: toml::Table = text.parse().unwrap();
        tables["port"].as_array_mut().unwrap().retain(|port| port["name"].as_str() == Some(only));
        std::fs::write(&second, tables.to_string()).unwrap();
        let output = Command::new("ip")
            .args(["netns", "exec", &lab.ns("sw"), RINGWARD, "run", "-c"])
            .arg(&second)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let line = format!("ringward: interface {only}: another Ringward sensor is running on it");
        assert!(said.contains(&line), "{said}");
        assert!(!socket.exists());
    }
    // The first has not noticed.
    assert_eq!(lab.xdp_ports(), ["pa", "pb", "pc", "span"]);
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!(!lab.reaches("a", v4("b")));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    lab.stop();
}
