use super::*;
use proptest::prelude::*;

const OPTIONS: Options = Options { walrus: true, truth_at_condition: true };

fn captured(text: &str) -> Captured {
    match capture(text, OPTIONS) {
        Outcome::Captured(captured) => captured,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn text_without_asserts_stays() {
    let text = "x = 1\r\ny = 2";
    assert_eq!(captured(text).text, "x = 1\ny = 2");
    assert!(captured(text).locations.is_identity());
    assert!(captured("\"assert\"\n").names.is_empty());
}

#[test]
fn a_call_and_a_comparison() {
    assert_eq!(
        captured("assert f(x) == y, 'no'\n").text,
        "Q0_2=f(x,);Q0_4=Q0_2 == y;assert not(not Q0_4),Q0_m.Q0_t(\"f(x) == y\")(('no'));Q0_2=Q0_4=None\n"
    );
}
