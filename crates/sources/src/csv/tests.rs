use super::*;
use domain::Rejection;

fn open(text: &[u8]) -> (tempfile::TempDir, Csv) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    let csv = Csv::open(&path, b',').unwrap();
    (dir, csv)
}

/// Every row as `line: cell|cell`, bad ones as `line! reason [raw]`.
fn rows(text: &[u8]) -> Vec<String> {
    let (_dir, mut csv) = open(text);
    rest(&mut csv)
}

fn rest(csv: &mut Csv) -> Vec<String> {
    let mut rows = Vec::new();
    loop {
        match csv.next().unwrap() {
            Outcome::End => return rows,
            Outcome::Row => {
                let cells: Vec<_> = (0..csv.header.len()).map(|i| csv.cell(i).plain().into_owned()).collect();
                rows.push(format!("{}: {}", csv.row_line, cells.join("|")));
            }
            Outcome::Bad(Rejection { reason, .. }) => {
                rows.push(format!("{}! {reason} [{}]", csv.row_line, String::from_utf8_lossy(&csv.raw()[..csv.raw().len().min(20)])));
            }
        }
    }
}

#[test]
fn rows_are_split_as_the_standard_says() {
    for (text, expected) in [
        ("a,b\n1,2\n3,4\n", vec!["2: 1|2", "3: 3|4"]),
        ("a,b\r\n1,2\r\n\r\n3,4", vec!["2: 1|2", "4: 3|4"]),
        ("a\n\"x,y\"\n\"say \"\"hi\"\"\"\n", vec!["2: x,y", "3: say \"hi\""]),
        ("a,b\n\"two\r\nlines\",2\n3,4\n", vec!["2: two\r\nlines|2", "4: 3|4"]),
        ("a,b\n5\" pipe,2\n", vec!["2: 5\" pipe|2"]),
        ("a,b\n,\n\"\",\n", vec!["2: |", "3: |"]),
        ("a,b\n1\n1,2,3\n", vec!["2! has 1 cells, the header has 2 [1]", "3! has 3 cells, the header has 2 [1,2,3]"]),
        ("a,b\n\"x\"y,2\n", vec!["2: xy|2"]),
        ("a,b\n1,\"open\n2,3\n", vec!["2! has a quote that is never closed [1,\"open]", "3: 2|3"]),
        ("a,b\n", vec![]),
        ("a,b", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn the_header_is_read_without_its_mark() {
    assert_eq!(open("\u{feff}\"a\", b \n1,2\n".as_bytes()).1.header, ["a", "b"]);
    assert!(open(b"").1.header.is_empty());
}

#[test]
fn a_row_beyond_the_bound_costs_only_itself() {
    let long = "x".repeat(3 * LONGEST_ROW);
    let text = format!("a,b\n1,2\n{long},5\n3,4\n\"{}\n6,7\n", "y\n".repeat(LONGEST_ROW));
    let rows = rows(text.as_bytes());
    assert_eq!(rows[0], "2: 1|2");
    assert_eq!(rows[1], format!("3! is longer than {LONGEST_ROW} bytes [xxxxxxxxxxxxxxxxxxxx]"));
    assert_eq!(rows[2], "4: 3|4");
    assert_eq!(rows[3], format!("5! has a quote that is not closed within {LONGEST_ROW} bytes [\"y]"));
    assert_eq!(rows[4], "6! has 1 cells, the header has 2 [y]");
    assert!(rows.last().unwrap().ends_with(": 6|7"));
}

#[test]
fn reading_goes_on_at_a_noted_place() {
    let text = b"a,b\n1,2\n\"x\ny\",3\n\n4,5\n6,7\n";
    let (_dir, mut csv) = open(text);
    let all = rest(&mut csv);
    for skip in 0..=all.len() {
        csv.seek(0, 0).unwrap();
        for _ in 0..skip {
            assert_eq!(csv.next().unwrap(), Outcome::Row);
        }
        let (byte, line, total) = csv.place();
        assert_eq!(total, text.len() as u64);
        assert_eq!(rest(&mut csv), all[skip..]);
        csv.seek(byte, line).unwrap();
        assert_eq!(rest(&mut csv), all[skip..]);
    }
}
