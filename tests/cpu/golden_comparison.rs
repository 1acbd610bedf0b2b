//! The comparisons of golden tests, which must be able to fail, and the goldens, which must be consistent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use crate::support::compare::{Greedy, close};
use crate::support::goldens::{array, data, goldens};
use crate::support::suite::{Test, test_fn};
use crate::support::tolerances;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(wrong_logits_are_rejected_at_every_tolerance_in_use),
        test_fn(wrong_hidden_states_are_rejected),
        test_fn(the_margin_rule_compares_until_the_first_narrow_step),
        test_fn(the_goldens_agree_with_themselves),
    ]
}

/// All tiny models, by the files that are there.
fn tiny_models() -> Vec<String> {
    let names = std::fs::read_dir(data("tiny"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| Some(name.strip_suffix(".gguf")?.to_owned())).collect()
}

fn wrong_logits_are_rejected_at_every_tolerance_in_use() {
    for model in tiny_models() {
        let exact = array(&format!("tiny/{model}.logits"));
        for f16_kv in [false, true] {
            let max_abs = tolerances::logits(&model, f16_kv).max_abs;
            let check = |found: &[f32]| close(&model, exact.at(&[1]), found, max_abs);
            let row = exact.at(&[1]);
            assert!(check(row).is_ok(), "{model}: the exact row itself");
            let one_percent_off: Vec<f32> = row.iter().map(|x| x * 1.01).collect();
            assert!(check(&one_percent_off).is_err(), "{model}: 1 % off passes {max_abs}");
            assert!(check(exact.at(&[2])).is_err(), "{model}: another prompt's row passes");
            let mut swapped = row.to_vec();
            swapped.rotate_left(1);
            assert!(check(&swapped).is_err(), "{model}: values moved by one pass");
            for poison in [f32::NAN, f32::INFINITY] {
                let mut poisoned = row.to_vec();
                *poisoned.last_mut().unwrap() = poison;
                assert!(check(&poisoned).is_err(), "{model}: {poison} passes");
            }
            assert!(check(&row[1..]).is_err(), "{model}: a shorter row passes");
        }
    }
    assert!(close("nothing", &[], &[], 1.0).is_err(), "nothing to compare must not pass");
}

fn wrong_hidden_states_are_rejected() {
    let exact = array("tiny/tiny-gemma3-f16.hidden");
    let row = exact.at(&[4, 3]);
    let largest = row.iter().fold(0_f32, |max, x| max.max(x.abs()));
    let one_percent_off: Vec<f32> = row.iter().map(|x| x * 1.01).collect();
    assert!(close("row", row, &one_percent_off, largest * tolerances::HIDDEN_RELATIVE).is_err());
    assert!(close("row", row, exact.at(&[4, 4]), largest * tolerances::HIDDEN_RELATIVE).is_err());
}

fn the_margin_rule_compares_until_the_first_narrow_step() {
    let greedy = Greedy { ids: &[5, 6, 7, 8], margins: &[1.0, 0.5, 0.01, 1.0], end_ids: &[1] };
    assert_eq!(greedy.check("equal", &[5, 6, 7, 8], 1e-3), Ok(4));
    assert_eq!(greedy.check("differs where it may", &[5, 6, 9, 9], 0.01), Ok(2));
    assert!(greedy.check("differs where it may not", &[5, 9, 7, 8], 0.01).is_err());
    assert!(greedy.check("too short", &[5, 6, 7], 1e-3).is_err());
    let ends = Greedy { ids: &[5, 1, 7, 8], ..greedy };
    assert_eq!(ends.check("stops", &[5], 1e-3), Ok(2));
    assert!(ends.check("does not stop", &[5, 1, 7, 8], 1e-3).is_err());
    assert_eq!(ends.check("may stop anywhere", &[], 1.0), Ok(0));
}

fn the_goldens_agree_with_themselves() {
    let models = tiny_models();
    assert_eq!(models.len(), 15, "{models:?}");
    for model in models {
        let goldens = goldens(&format!("tiny/{model}"));
        let logits = array(&format!("tiny/{model}.logits"));
        assert_eq!(goldens.prompts.len(), 10, "{model}");
        let max_abs = tolerances::logits(&model, false).max_abs;
        let mut n_sure = 0;
        for prompt in &goldens.prompts {
            let row = logits.at(&[prompt.row]);
            for (id, logit) in &prompt.top20 {
                assert!((row[*id as usize] - logit).abs() < 1e-5, "{model}, {}: logit of {id}", prompt.name);
            }
            assert_eq!(prompt.greedy[0], prompt.top20[0].0, "{model}, {}", prompt.name);
            assert_eq!(prompt.greedy.len(), prompt.margins.len(), "{model}, {}", prompt.name);
            let greedy = Greedy { ids: &prompt.greedy, margins: &prompt.margins, end_ids: &[] };
            n_sure += greedy.n_sure(max_abs);
        }
        assert!(
            n_sure as f32 >= 0.84 * 320.0,
            "{model}: only {n_sure} of 320 steps are wide enough to compare"
        );
    }
}
