//! Circles in a graph of imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// File to the files that it imports, each with the line of the first import.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, usize>>;

/// The shortest circle through each file that imports itself by way of others, each circle once.
pub(crate) fn circles(imports: &Imports) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in imports.keys() {
        let Some(circle) = shortest(imports, file) else { continue };
        if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            found.push(shown(imports, &circle));
        }
    }
    found
}

/// The files of the shortest circle from `start` back to it, `start` first.
fn shortest<'a>(imports: &'a Imports, start: &'a str) -> Option<Vec<&'a str>> {
    let mut importer_of: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for imported in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if imported == start {
                let mut circle = vec![file];
                while let Some(importer) = importer_of.get(circle[circle.len() - 1]) {
                    circle.push(*importer);
                }
                circle.reverse();
                return Some(circle);
            }
            if !importer_of.contains_key(imported.as_str()) {
                importer_of.insert(imported.as_str(), file);
                waiting.push_back(imported.as_str());
            }
        }
    }
    None
}

fn shown(imports: &Imports, circle: &[&str]) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(file, next)| format!("{file}:{}", imports[*file][*next]));
    format!("a circle: {} -> {}", steps.collect::<Vec<_>>().join(" -> "), circle[0])
}
