//! Every input of the corpus, as an ordinary test.

use std::path::Path;

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, target) in ringward_fuzz::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let inputs = std::fs::read_dir(&folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
        let mut count = 0;
        for input in inputs {
            let path = input.expect("a folder that can be read").path();
            eprintln!("{}", path.display());
            target(&std::fs::read(&path).expect("a file that can be read"));
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}
