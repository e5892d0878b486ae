//! Lists of addresses and ports as headers and variables have them: in brackets or not, in each other, negated.

use crate::fault::{Fault, wrong};
use crate::settings::Settings;

/// Lists in lists, variables included; also what stops variables that name each other in a circle.
pub const MAX_NESTING: usize = 64;

/// What a list stands for: a set. Lists in it and variables are sets of their own, whatever they leave out.
pub(crate) trait Set: Default {
    /// Its name in messages.
    const WHAT: &'static str;
    /// How many leaves a list may have.
    const MAX: usize;

    /// What a variable stands for.
    fn variable<'a>(settings: &'a Settings, name: &str) -> Option<&'a str>;

    /// Reads what is neither a list nor a variable.
    fn leaf(text: &str) -> Result<Self, Fault>;

    /// All that there is.
    fn any() -> Self;

    /// Takes what is in another, too.
    fn add(&mut self, other: Self);

    /// What is left without another.
    fn without(self, other: Self) -> Self;
}

/// Reads a list.
pub(crate) fn read<S: Set>(text: &str, settings: &Settings) -> Result<S, Fault> {
    Reader { settings, met: 0, leaves: 0 }.node(text, 0)
}

struct Reader<'a> {
    settings: &'a Settings,
    /// Lists, variables and leaves met so far: variables that name others many times do not multiply for ever.
    met: usize,
    leaves: usize,
}

impl Reader<'_> {
    fn node<S: Set>(&mut self, text: &str, depth: usize) -> Result<S, Fault> {
        if depth > MAX_NESTING {
            return Err(wrong(format!("more than {MAX_NESTING} lists or variables in each other")));
        }
        self.met += 1;
        if self.met > 4 * S::MAX {
            return Err(too_many::<S>());
        }
        let text = text.trim();
        let items = items(text)?;
        if items.len() > 1 {
            // A variable's value may be a list without brackets.
            return self.list(&items, depth);
        }
        if let Some(rest) = text.strip_prefix('!') {
            return Ok(S::any().without(self.node(rest, depth + 1)?));
        }
        if let Some(name) = text.strip_prefix('$') {
            let value = S::variable(self.settings, name);
            let value = value.ok_or_else(|| wrong(format!("the variable {text} is not defined")))?;
            return self.node(value, depth + 1);
        }
        if let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return self.list(&self::items(list)?, depth);
        }
        self.leaves += 1;
        if self.leaves > S::MAX { Err(too_many::<S>()) } else { S::leaf(text) }
    }

    /// What is in one of the items, or in all that there is if none is taken, and in none of those left out.
    fn list<S: Set>(&mut self, items: &[&str], depth: usize) -> Result<S, Fault> {
        let (mut taken, mut left_out) = (S::default(), S::default());
        let mut takes_all = true;
        for item in items {
            if let Some(item) = item.strip_prefix('!') {
                left_out.add(self.node(item, depth + 1)?);
            } else {
                taken.add(self.node(item, depth + 1)?);
                takes_all = false;
            }
        }
        Ok(if takes_all { S::any() } else { taken }.without(left_out))
    }
}

/// Whether a list, or a variable in it, leaves anything out.
pub(crate) fn leaves_out<S: Set>(text: &str, settings: &Settings) -> bool {
    fn any<S: Set>(text: &str, settings: &Settings, depth: usize) -> bool {
        if depth > MAX_NESTING {
            return false;
        }
        let names = text.split('$').skip(1).map(|rest| {
            let end = rest.find([',', ']', ' ']).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default()
        });
        text.contains('!')
            || names
                .filter_map(|name| S::variable(settings, name))
                .any(|value| any::<S>(value, settings, depth + 1))
    }
    any::<S>(text, settings, 0)
}

fn too_many<S: Set>() -> Fault {
    wrong(format!("more than {} {}", S::MAX, S::WHAT))
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
