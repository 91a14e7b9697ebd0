//! The readers against real data: all 541,909 order lines of the Online Retail example, from its Parquet file and from the same
//! rows as CSV and JSON lines.

use domain::{Decimal, Decoder, Stream, Value};
use project::Project;
use sources::{Format, ImportSpec, Reader, Row};
use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const ROWS: u64 = 541_909;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/online-retail")
}

fn order_lines() -> Stream {
    let project = Project::load(&example())
        .unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")));
    let spec = project.streams.iter().find(|s| s.stream.name == "order_lines").expect("the example has order lines");
    (*spec.stream).clone()
}

fn import() -> ImportSpec {
    ImportSpec::load(&example(), "online_retail").unwrap()
}

#[derive(Debug, PartialEq)]
struct Sums {
    rows: u64,
    bad: u64,
    without_customer: u64,
    without_description: u64,
    quantity: i64,
    turnover: Decimal,
    first: String,
    last: String,
}

/// What an import of the file comes to, and a check of each record on the way.
fn sums(reader: Reader, stream: &Stream) -> Sums {
    let decoder = Decoder::new(stream);
    let slot = |name| stream.slot(name).unwrap_or_else(|| panic!("order lines have {name}"));
    let (customer, description, quantity, price) = (slot("customer_id"), slot("description"), slot("quantity"), slot("unit_price"));
    let mut sums = Sums {
        rows: 0,
        bad: 0,
        without_customer: 0,
        without_description: 0,
        quantity: 0,
        turnover: Decimal::new(0, 3),
        first: String::new(),
        last: String::new(),
    };
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let mut ids = HashSet::new();
    let mut row = Vec::new();
    for (number, item) in reader.enumerate() {
        sums.rows += 1;
        let Row::Record(record) = item.unwrap() else {
            sums.bad += 1;
            continue;
        };
        assert_eq!(record.row, number as u64 + 1);
        decoder.decode(&record.json, &mut row).unwrap();
        assert!(ids.insert(row[slot("line_id")].to_string()), "every line has an id of its own");
        sums.without_customer += u64::from(row[customer].is_null());
        sums.without_description += u64::from(row[description].is_null());
        if let Value::Text(customer) = &row[customer] {
            assert!(customer.len() == 5 && customer.bytes().all(|b| b.is_ascii_digit()), "{customer}");
        }
        let (Value::Int(pieces), Value::Decimal(each)) = (&row[quantity], &row[price]) else { panic!("{row:?}") };
        sums.quantity += pieces;
        sums.turnover.unscaled += i128::from(*pieces) * each.unscaled;
        (first, last) = (first.min(record.event_time), last.max(record.event_time));
    }
    sums.first = domain::time::format(first);
    sums.last = domain::time::format(last);
    sums
}

fn expected() -> Sums {
    Sums {
        rows: ROWS,
        bad: 0,
        without_customer: 135_080,
        without_description: 1_454,
        quantity: 5_176_450,
        turnover: Decimal::new(9_747_747_934, 3),
        first: "2010-12-01T08:26:00.000000Z".to_owned(),
        last: "2011-12-09T12:50:00.000000Z".to_owned(),
    }
}

#[test]
fn all_order_lines_of_the_example_are_read_exactly() {
    let stream = order_lines();
    let reader = Reader::open(&import(), &stream).unwrap();
    assert!(reader.unused_columns().is_empty());
    assert_eq!(reader.progress().total_rows, Some(ROWS));
    assert_eq!(sums(reader, &stream), expected());
}

/// The example's records as a file of another format, with the names and forms of a spreadsheet's export.
fn converted(stream: &Stream, format: Format, out: &mut Vec<u8>) {
    const COLUMNS: [&str; 8] = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"];
    const FIELDS: [&str; 8] = ["invoice", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id", "country"];
    let slots = FIELDS.map(|f| stream.slot(f).unwrap());
    let decoder = Decoder::new(stream);
    let mut row = Vec::new();
    if format == Format::Csv {
        writeln!(out, "{}", COLUMNS.join(",")).unwrap();
    }
    for item in Reader::open(&import(), stream).unwrap() {
        let Row::Record(record) = item.unwrap() else { panic!("the example has no bad rows") };
        decoder.decode(&record.json, &mut row).unwrap();
        let values = slots.map(|slot| row[slot].clone());
        if format == Format::JsonLines {
            let object: Vec<String> =
                COLUMNS.iter().zip(values).map(|(name, v)| format!("\"{name}\":{}", serde_json::to_string(&v).unwrap())).collect();
            writeln!(out, "{{{}}}", object.join(",")).unwrap();
            continue;
        }
        let cells = values.map(|value| match value {
            Value::Null => String::new(),
            // As a spreadsheet shows it: 12/1/2010 8:26.
            Value::Timestamp(at) => {
                let (year, month, day) = domain::time::civil(at.div_euclid(domain::time::DAY));
                let minutes = at.rem_euclid(domain::time::DAY) / domain::time::MINUTE;
                format!("{month}/{day}/{year} {}:{:02}", minutes / 60, minutes % 60)
            }
            Value::Text(text) if text.contains([',', '"', '\n']) => format!("\"{}\"", text.replace('"', "\"\"")),
            other => other.to_string(),
        });
        writeln!(out, "{}", cells.join(",")).unwrap();
    }
}

#[test]
fn the_same_rows_as_csv_and_json_lines_come_to_the_same() {
    let stream = order_lines();
    let dir = tempfile::tempdir().unwrap();
    for (format, name) in [(Format::Csv, "lines.csv"), (Format::JsonLines, "lines.jsonl")] {
        let mut bytes = Vec::new();
        converted(&stream, format, &mut bytes);
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let spec = ImportSpec { file: path.display().to_string(), ..import() };
        assert_eq!(sums(Reader::open(&spec, &stream).unwrap(), &stream), expected(), "{name}");
    }
}

#[test]
fn an_import_goes_on_in_the_middle_of_the_file() {
    let stream = order_lines();
    let mut whole = Reader::open(&import(), &stream).unwrap();
    let middle = 300_000;
    for _ in 0..middle {
        whole.next().unwrap().unwrap();
    }
    let mut resumed = Reader::open(&import(), &stream).unwrap();
    resumed.seek(whole.place()).unwrap();
    assert_eq!(resumed.progress(), whole.progress());
    for _ in 0..20_000 {
        assert_eq!(resumed.next().unwrap().unwrap(), whole.next().unwrap().unwrap());
    }
    assert_eq!(resumed.progress().rows, middle + 20_000);
}
