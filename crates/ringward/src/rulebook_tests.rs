use std::fs;

use super::*;

fn args(files: &[&Path], config: Option<PathBuf>) -> RulesCheckArgs {
    RulesCheckArgs { config, json: true, files: files.iter().map(|path| path.to_path_buf()).collect() }
}

#[test]
fn the_exit_code_tells_what_was_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good.rules"), dir.path().join("bad.rules"));
    fs::write(&good, "alert ip any any -> any any (sid:1;)\n").unwrap();
    fs::write(&bad, "alert ip any any -> any any (nonsense; sid:2;)\n").unwrap();
    assert!(check(&args(&[&good], None)).is_ok());
    assert_eq!(check(&args(&[&good, &bad], None)).unwrap_err().code, crate::FAILED);
    assert_eq!(check(&args(&[&dir.path().join("none")], None)).unwrap_err().code, crate::USAGE);
    assert_eq!(check(&args(&[], None)).unwrap_err().code, crate::USAGE);
}

#[test]
fn rules_are_loaded_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("a.rules", "alert tcp $OURS $DOORS -> any any (classtype:mine; reference:ours,7; sid:1;)\n");
    write("vars.yaml", "vars:\n  address-groups:\n    OURS: \"10.0.0.0/8\"\n  port-groups:\n    DOORS: 80\n");
    write("class", "config classification: mine,Mine,4\n");
    write("ref", "config reference: ours https://ours.example/\n");
    write("threshold", "suppress gen_id 1, sig_id 1\n");
    let text = "[rules]\nfiles = [\"a.rules\"]\nvariables_file = \"vars.yaml\"\nclassification = \"class\"\nreference = \"ref\"\n\
        threshold = \"threshold\"\n[rules.variables]\nDOORS = \"81\"\n";
    write("ringward.toml", text);
    let config = Config::load(&dir.path().join("ringward.toml")).unwrap();
    let book = load(&config.rules, &[]).unwrap();
    let rule = &book.rules[0];
    assert_eq!((rule.priority, &*rule.references[0].url), (4, "https://ours.example/7"));
    assert!(rule.header.src.contains("10.1.1.1".parse().unwrap()) && rule.header.src_ports.contains(81));
    assert_eq!(book.filters.suppress.len(), 1);
    write("threshold", "suppress\n");
    assert!(load(&config.rules, &[]).unwrap_err().message.contains("threshold:1: "));
}

#[test]
fn what_may_be_half_of_a_file_is_refused_where_something_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rules");
    let config = Rules { files: vec![path.clone()], ..Rules::default() };
    let whole = "alert ip any any -> any any (sid:1;)\nalert ip any any -> any any (nonsense; sid:2;)\n";
    fs::write(&path, whole).unwrap();
    for broken in [Broken::Told, Broken::Refused] {
        assert_eq!(for_use(&config, &[], broken).unwrap().set.len(), 1);
    }
    for rest in ["alert ip any any -> any any (si", "\u{1}\u{2}garbage", "<html>(none)</html>"] {
        fs::write(&path, format!("{whole}{rest}")).unwrap();
        assert_eq!(for_use(&config, &[], Broken::Told).unwrap().set.len(), 1);
        let why = for_use(&config, &[], Broken::Refused).unwrap_err().message;
        let named = format!("{}:3: ", path.display());
        assert!(why.starts_with(&named) && why.ends_with("\n1 lines are no rules"), "{why}");
    }
}

#[test]
fn json_names_file_line_sid_and_keyword() {
    let mut loader = Loader::new(Settings::default());
    loader.text("x.rules", b"\nalert ip any any -> any any (nonsense; sid:2;)\n");
    let (_, report) = loader.finish();
    let value = as_json(&report, &Filters::default(), 0.5, 7);
    assert_eq!(value["unsupported"][0]["line"], 2);
    assert_eq!(value["unsupported"][0]["sid"], 2);
    assert_eq!(value["unsupported"][0]["keyword"], "nonsense");
    assert_eq!((&value["loaded"], &value["bytes"]), (&json!(0), &json!(7)));
}
