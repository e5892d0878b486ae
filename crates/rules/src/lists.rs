//! Lists of addresses and ports as headers and variables have them: in brackets or not, in each other, negated.

use crate::fault::{Fault, wrong};
use crate::settings::Settings;

/// Lists in lists, variables included; also what stops variables that name each other in a circle.
pub const MAX_NESTING: usize = 64;

/// What a list is of.
pub(crate) trait Leaves {
    /// Its name in messages.
    const WHAT: &'static str;
    /// How many of them there may be.
    const MAX: usize;

    /// What a variable stands for.
    fn variable<'a>(&self, settings: &'a Settings, name: &str) -> Option<&'a str>;

    /// Takes what is neither a list nor a variable.
    fn leaf(&mut self, text: &str, negated: bool) -> Result<(), Fault>;
}

/// Walks through a list and hands on its leaves.
pub(crate) fn walk<L: Leaves>(text: &str, settings: &Settings, leaves: &mut L) -> Result<(), Fault> {
    Walk { settings, leaves, met: 0, taken: [0; 2] }.node(text, false, 0)
}

struct Walk<'a, L> {
    settings: &'a Settings,
    leaves: &'a mut L,
    /// Lists, variables and leaves met so far: variables that name others many times do not multiply for ever.
    met: usize,
    /// Leaves taken so far, those that are negated apart.
    taken: [usize; 2],
}

impl<L: Leaves> Walk<'_, L> {
    fn node(&mut self, text: &str, negated: bool, depth: usize) -> Result<(), Fault> {
        if depth > MAX_NESTING {
            return Err(wrong(format!("more than {MAX_NESTING} lists or variables in each other")));
        }
        self.met += 1;
        if self.met > 4 * L::MAX {
            return Err(too_many::<L>());
        }
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('!') {
            return self.node(rest, !negated, depth + 1);
        }
        if let Some(name) = text.strip_prefix('$') {
            let value = self.leaves.variable(self.settings, name);
            let value = value.ok_or_else(|| wrong(format!("the variable {text} is not defined")))?;
            return self.node(value, negated, depth + 1);
        }
        // A variable's value may be a list without brackets.
        let list = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Some(list) = list.or_else(|| text.contains(',').then_some(text)) {
            for item in items(list)? {
                self.node(item, negated, depth + 1)?;
            }
            return Ok(());
        }
        let taken = &mut self.taken[usize::from(negated)];
        if *taken >= L::MAX {
            return Err(too_many::<L>());
        }
        *taken += 1;
        self.leaves.leaf(text, negated)
    }
}

fn too_many<L: Leaves>() -> Fault {
    wrong(format!("more than {} {}", L::MAX, L::WHAT))
}

/// The items of a list, with brackets counted.
pub(crate) fn items(text: &str) -> Result<Vec<&str>, Fault> {
    let mut items = Vec::new();
    let (mut depth, mut begin) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.checked_sub(1).ok_or_else(|| wrong("a bracket too much"))?,
            b',' if depth == 0 => {
                items.push(text.get(begin..at).unwrap_or_default().trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(wrong("a bracket is not closed"));
    }
    items.push(text.get(begin..).unwrap_or_default().trim());
    Ok(items)
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;
    use crate::{address, ports};

    #[test]
    fn variables_that_name_others_twice_do_not_multiply_for_ever() {
        let mut settings = Settings::default();
        for at in 0..40 {
            settings.set_variable(&format!("V{at}"), &format!("[$V{},$V{}]", at + 1, at + 1));
        }
        settings.set_variable("V40", "80");
        settings.set_variable("ROUND", "$ROUND");
        for text in ["$V0", "$ROUND"] {
            assert!(address::parse(text, &settings).is_err(), "{text}");
            assert!(ports::parse(text, &settings).is_err(), "{text}");
        }
        assert!(ports::parse("$V38", &settings).is_ok());
    }
}
