//! Pages from rows: what is escaped, what is said, what adds up.

use crate::rig::{get, run, serve};
use crate::written::{AS_OF_MS, Written, person, row};
use expect_test::{Expect, expect};

/// The row of the first person, without its drawings.
async fn first_row(written: Written) -> String {
    let (_, html) = get(&serve(written, AS_OF_MS).await).await;
    let (_, rest) = html.split_once("<tbody role=\"rowgroup\" id=\"rows\"").unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let (row, _) = rest.split_once("</tr>").unwrap();
    let mut text = String::new();
    let mut left = row;
    while let Some((before, after)) = left.split_once("<svg") {
        text.push_str(before);
        text.push_str("<svg…>");
        left = after.split_once("</svg>").unwrap().1;
    }
    text + left
}

fn check_row(written: Written, expected: &Expect) {
    expected.assert_eq(run(first_row(written)).trim());
}

#[test]
fn a_row_shows_rank_movement_name_days_share_cost_and_tokens() {
    check_row(
        Written::of(vec![row(1, "Ann Lee", 79_708_804)]),
        &expect![[r#"
        <tr role="row" id="p-01010101010101010101010101010101">
              <td role="cell" class="c-rank num"><span class="rank first">1</span></td>
              <td role="cell" class="c-move num"><span class="move up"><svg…><span aria-hidden="true">2</span><span class="vh">up 2 places</span></span></td>
              <th scope="row" role="rowheader" class="c-name"><span class="face h1" aria-hidden="true">AL</span><a href="/people/01010101010101010101010101010101"><bdi>Ann Lee</bdi></a></th>
              <td role="cell" class="c-days"><svg…></td>
              <td role="cell" class="c-share"><span class="share"><svg…><span class="num">92<span class="unit">%</span></span></span></td>
              <td role="cell" class="c-cost r"><data class="num" value="51.742581100" title="$51.742581100 at list prices">$51.74</data></td>
              <td role="cell" class="c-tokens r"><data class="num" value="79708804" title="79,708,804 tokens">79.7<span class="unit">M</span></data></td>"#]],
    );
}

#[test]
fn a_hostile_name_is_only_a_name() {
    let name = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> & \u{202e}evil";
    let (status, html) = run(async {
        let written = Written::of(vec![row(1, name, 10)]);
        get(&format!("{}/?q=%3Cscript%3E", serve(written, AS_OF_MS).await)).await
    });
    assert_eq!(status, 200);
    assert!(!html.contains("<script>") && !html.contains("<img"), "a name or a search became markup");
    assert!(html.contains("&#60;script&#62;alert(&#39;x&#39;)"), "the name is not shown as it is");
    assert!(html.contains("<bdi>"), "a name that turns the writing direction turns the page");
}

#[test]
fn somebody_without_a_name_has_the_first_digits_of_the_id() {
    let html = run(first_row(Written::of(vec![row(0xab, "", 10)])));
    assert!(html.contains("Person abababab"), "{html}");
    assert!(html.contains(&format!("/people/{}", person(0xab))), "{html}");
}

#[test]
fn a_cost_that_is_not_known_is_not_zero() {
    let mut unknown = row(1, "Ann", 1_000);
    (unknown.unpriced, unknown.cost_nano_usd) = (1_000, 0);
    let html = run(first_row(Written::of(vec![unknown.clone()])));
    assert!(html.contains("no price") && !html.contains("$0"), "{html}");
    (unknown.unpriced, unknown.cost_nano_usd) = (400, 2_000_000_000);
    let html = run(first_row(Written::of(vec![unknown])));
    assert!(html.contains("at least") && html.contains("400 tokens had no price"), "{html}");
}

#[test]
fn movement_has_words_beside_its_arrow() {
    let moved = |movement| {
        let html =
            run(first_row(Written::of(vec![tally_web::rows::BoardRow { movement, ..row(1, "Ann", 5) }])));
        ["up 2 places", "down 1 place<", "unchanged", ">new<"].map(|words| html.contains(words))
    };
    assert_eq!(moved(Some(2)), [true, false, false, false]);
    assert_eq!(moved(Some(-1)), [false, true, false, false]);
    assert_eq!(moved(Some(0)), [false, false, true, false]);
    assert_eq!(moved(None), [false, false, false, true]);
}

#[test]
fn no_page_carries_a_style_or_a_script_of_its_own() {
    let html = run(async { get(&serve(Written::of(vec![row(1, "Ann", 5)]), AS_OF_MS).await).await.1 });
    let inline = ["style=", "<style", "onclick=", "javascript:", "http://", "https://"];
    assert_eq!(inline.map(|found| html.contains(found)), [false; 6]);
}
