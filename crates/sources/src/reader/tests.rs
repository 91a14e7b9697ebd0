use super::*;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    LargeStringArray, ListArray, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use domain::stream::TimeUnit;
use domain::{Field, Roles, StreamMode};
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

fn stream() -> Stream {
    let field = |name: &str, kind, required| Field {
        name: Text::new(name),
        kind,
        required,
        description: String::new(),
        min: None,
        max: None,
        max_length: None,
        convert: None,
    };
    let fields = vec![
        field("id", FieldType::Text, true),
        field("customer", FieldType::Text, false),
        field("price", FieldType::Decimal(2), true),
        field("count", FieldType::Integer, false),
        field("at", FieldType::Timestamp(TimeUnit::Text), true),
    ];
    Stream {
        name: "orders".into(),
        topic: "orders".into(),
        description: String::new(),
        mode: StreamMode::Append,
        key: 1,
        event_time: 4,
        lateness: 0,
        skew: 0,
        closed: true,
        partitions: 1,
        judged: Some(Roles { id: 0, account: Some(1), amount: Some(2), kind: None }),
        fields,
    }
}

/// A file and an import of it that renames `Customer ID` and `When`.
fn file(name: &str, bytes: &[u8]) -> (TempDir, ImportSpec) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    let mut spec = ImportSpec::of(path.display().to_string(), "orders");
    spec.columns.insert("customer".into(), "Customer ID".into());
    spec.columns.insert("at".into(), "When".into());
    (dir, spec)
}

/// Every row: a record as its JSON, a bad one as `row/line! code field: reason; ... [raw]`.
fn show(row: Row) -> String {
    match row {
        Row::Record(record) => String::from_utf8(record.json).unwrap(),
        Row::Bad(bad) => {
            let reasons: Vec<String> = bad.reasons.iter().map(|r| format!("{} {r}", r.code)).collect();
            let line = bad.line.map_or_else(|| "-".to_owned(), |l| l.to_string());
            format!("{}/{line}! {} [{}]", bad.row, reasons.join("; "), String::from_utf8_lossy(&bad.raw))
        }
    }
}

fn rows(reader: &mut Reader) -> Vec<String> {
    reader.map(|row| show(row.unwrap())).collect()
}

const CSV: &str = "\
Customer ID,price,count,When,colour
17850,2.50,6,12/1/2010 8:26,red
,-0.01,,2010-12-01 08:26:00,\"blue, light\"
17850,cheap,1.5,someday,red
17850,2.555,6,12/1/2010 8:26,red
17850,2.5
17850,\"1\",2,2010-12-01,
";

#[test]
fn rows_of_a_csv_become_records_or_say_why_not() {
    let (_dir, spec) = file("o.csv", CSV.as_bytes());
    let mut reader = Reader::open(&spec, &stream()).unwrap();
    assert_eq!(reader.unused_columns(), ["colour"]);
    assert_eq!(
        rows(&mut reader),
        [
            r#"{"id":"o:1","customer":"17850","price":2.50,"count":6,"at":"2010-12-01T08:26:00.000000Z"}"#,
            r#"{"id":"o:2","price":-0.01,"at":"2010-12-01T08:26:00.000000Z"}"#,
            "3/4! wrong_type at: must be a time such as 2010-12-31 08:26:00 or 12/31/2010 8:26, got \"someday\"; \
             wrong_type price: must be decimal(2), got \"cheap\"; wrong_type count: must be integer, got 1.5 \
             [17850,cheap,1.5,someday,red]",
            "4/5! too_precise price: has more than 2 digits after the point: 2.555 [17850,2.555,6,12/1/2010 8:26,red]",
            "5/6! wrong_cells has 2 cells, the header has 5 [17850,2.5]",
            r#"{"id":"o:6","customer":"17850","price":1,"count":2,"at":"2010-12-01T00:00:00.000000Z"}"#,
        ]
    );
    let progress = reader.progress();
    assert_eq!((progress.rows, progress.bytes, progress.total_bytes), (6, CSV.len() as u64, CSV.len() as u64));
    assert_eq!(reader.row_id(3), "o:3");
}

#[test]
fn records_carry_key_and_event_time() {
    let (_dir, spec) = file("o.csv", CSV.as_bytes());
    let Some(Ok(Row::Record(record))) = Reader::open(&spec, &stream()).unwrap().next() else { panic!("the first row is a record") };
    assert_eq!((record.row, record.key.as_str(), record.event_time), (1, "17850", 1_291_191_960_000_000));
}

#[test]
fn an_id_comes_from_its_column_or_from_the_row() {
    let text = "id,price,When\na,1,2010-12-01\n,1,2010-12-01\n";
    let (_dir, mut spec) = file("o.csv", text.as_bytes());
    spec.columns.remove("customer");
    let ids = |spec: &ImportSpec, stream: &Stream| -> Vec<String> {
        let mut reader = Reader::open(spec, stream).unwrap();
        rows(&mut reader).iter().map(|r| r.split('"').nth(3).unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&spec, &stream()), ["a", "o:2"]);
    spec.columns.insert("id".into(), "price".into());
    assert_eq!(ids(&spec, &stream()), ["1", "1"]);
    spec.columns.remove("id");
    spec.id = Some("id".into());
    assert_eq!(ids(&spec, &Stream { judged: None, ..stream() }), ["o:1", "o:2"]);
}

#[test]
fn texts_can_mean_null() {
    let (_dir, mut spec) = file("o.csv", b"Customer ID;price;When\nnan;1;2010-12-01\n");
    spec.nulls = vec!["nan".into()];
    spec.delimiter = Some(';');
    assert_eq!(rows(&mut Reader::open(&spec, &stream()).unwrap()), [r#"{"id":"o:1","price":1,"at":"2010-12-01T00:00:00.000000Z"}"#]);
}

#[test]
fn ids_that_were_floats_lose_their_point_where_the_import_says_so() {
    let (_dir, mut spec) = file("o.csv", b"Customer ID,price,When\n17850.0,1,2010-12-01\nA1.5,1,2010-12-01\n");
    let customers = |spec: &ImportSpec| -> Vec<String> {
        let mut reader = Reader::open(spec, &stream()).unwrap();
        rows(&mut reader).iter().map(|r| r.split('"').nth(7).unwrap().to_owned()).collect()
    };
    assert_eq!(customers(&spec), ["17850.0", "A1.5"]);
    spec.whole_numbers = vec!["customer".into()];
    assert_eq!(customers(&spec), ["17850", "A1.5"]);
}

#[test]
fn a_reader_can_move_to_a_thread_of_its_own() {
    let (_dir, spec) = file("o.csv", CSV.as_bytes());
    let reader = Reader::open(&spec, &stream()).unwrap();
    assert_eq!(std::thread::spawn(move || reader.count()).join().unwrap(), 6);
}

#[test]
fn lines_of_json_keep_their_digits() {
    let text = concat!(
        r#"{"When":"2010-12-01T08:26:00+01:00","price":2.50,"Customer ID":17850.0,"count":"6","more":{"x":1}}"#,
        "\n\n",
        r#"{"id":"x","When":"2010-12-01","price":1e1,"Customer ID":"a\"b","count":null}"#,
        "\n",
        "{\"price\":1,\n",
        "[1]\n",
        r#"{"price":1,"price":2,"When":"2010-12-01"}"#,
        "\n",
        r#"{"price":[1],"When":true}"#,
    );
    let (_dir, spec) = file("o.jsonl", text.as_bytes());
    assert_eq!(
        rows(&mut Reader::open(&spec, &stream()).unwrap()),
        [
            r#"{"id":"o:1","customer":"17850","price":2.50,"count":6,"at":"2010-12-01T07:26:00.000000Z"}"#,
            r#"{"id":"x","customer":"a\"b","price":1e1,"at":"2010-12-01T00:00:00.000000Z"}"#,
            "3/4! not_json not a JSON object: EOF while parsing a value at line 2 column 0 [{\"price\":1,]",
            "4/5! not_json not a JSON object: invalid type: sequence, expected a JSON object at line 1 column 0 [[1]]",
            "5/6! repeated has \"price\" twice [{\"price\":1,\"price\":2,\"When\":\"2010-12-01\"}]",
            "6/7! wrong_type price: must be decimal(2), got [1]; wrong_type at: must be a timestamp, got true \
             [{\"price\":[1],\"When\":true}]",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_bad_rows() {
    let (_dir, spec) = file("o.csv", b"Customer ID,price,When\nb\xffd,1,2010-12-01\nok,1,2010-12-01\n");
    let shown = rows(&mut Reader::open(&spec, &stream()).unwrap());
    assert!(shown[0].starts_with("1/2! not_utf8 customer: is not UTF-8 text"), "{}", shown[0]);
    assert!(shown[1].contains("\"ok\""));
    let (_dir, spec) = file("o.jsonl", b"{\"price\":\"\xff\"}\n");
    assert!(rows(&mut Reader::open(&spec, &stream()).unwrap())[0].starts_with("1/1! not_utf8"));
}

fn parquet_file(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> (TempDir, ImportSpec) {
    let (dir, spec) = file("o.parquet", b"");
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let properties = ::parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let out = fs::File::create(&spec.file).unwrap();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    (dir, spec)
}

#[test]
fn every_plain_type_of_parquet_is_read_exactly() {
    let customers: ArrayRef = Arc::new(Float64Array::from(vec![Some(17850.0), None, Some(f64::NAN)]));
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![2.55, 0.1 + 0.2, -1.0]));
    let counts: ArrayRef = Arc::new(Int32Array::from(vec![6, -6, i32::MIN]));
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_291_191_960_000_000_000; 3]));
    let unused: ArrayRef =
        Arc::new(ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>(vec![Some(vec![Some(1)]), None, None]));
    let columns = vec![("unused", unused), ("Customer ID", customers), ("price", prices), ("count", counts), ("When", times)];
    let (_dir, spec) = parquet_file(columns.clone(), 10);
    assert_eq!(
        rows(&mut Reader::open(&spec, &stream()).unwrap()),
        [
            r#"{"id":"o:1","customer":"17850","price":2.55,"count":6,"at":"2010-12-01T08:26:00.000000Z"}"#,
            "2/-! too_precise price: has more than 2 digits after the point: 0.30000000000000004 \
             [{\"Customer ID\":null,\"price\":\"0.30000000000000004\",\"count\":\"-6\",\"When\":\"2010-12-01T08:26:00.000000Z\"}]",
            r#"{"id":"o:3","price":-1,"count":-2147483648,"at":"2010-12-01T08:26:00.000000Z"}"#,
        ]
    );

    let others: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(StringArray::from(vec!["a"])), r#""a""#),
        (Arc::new(LargeStringArray::from(vec!["b"])), r#""b""#),
        (Arc::new(DictionaryArray::<arrow_array::types::Int8Type>::from_iter(["c"])), r#""c""#),
        (Arc::new(BinaryArray::from(vec![b"d".as_slice()])), r#""d""#),
        (Arc::new(UInt64Array::from(vec![u64::MAX])), r#""18446744073709551615""#),
        (Arc::new(Decimal128Array::from(vec![-12345]).with_precision_and_scale(10, 4).unwrap()), r#""-1.2345""#),
        (Arc::new(Float32Array::from(vec![2.55f32])), r#""2.55""#),
        (Arc::new(BooleanArray::from(vec![true])), r#""true""#),
        (Arc::new(Date32Array::from(vec![1])), r#""1970-01-02T00:00:00.000000Z""#),
        (Arc::new(TimestampMillisecondArray::from(vec![-1]).with_timezone("+02:00")), r#""1969-12-31T23:59:59.999000Z""#),
    ];
    for (array, expected) in others {
        let kind = array.data_type().clone();
        let one: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![0]));
        let (_dir, spec) = parquet_file(vec![("Customer ID", array), ("price", one), ("When", time)], 10);
        let shown = rows(&mut Reader::open(&spec, &stream()).unwrap());
        assert!(shown[0].contains(&format!("\"customer\":{expected},")), "{kind}: {}", shown[0]);
    }
    // A list is no value of a field.
    let (_dir, mut spec) = parquet_file(columns, 10);
    spec.columns.insert("customer".into(), "unused".into());
    assert!(Reader::open(&spec, &stream()).err().unwrap().to_string().contains("no single value"));
}

#[test]
fn nanoseconds_that_would_be_lost_make_a_bad_row() {
    let one: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let (_dir, mut spec) = parquet_file(vec![("price", one), ("When", time)], 10);
    spec.columns.remove("customer");
    let shown = rows(&mut Reader::open(&spec, &stream()).unwrap());
    assert!(shown[0].starts_with("1/-! too_precise at: has digits past the microsecond"), "{}", shown[0]);
}

#[test]
fn every_format_goes_on_at_any_place() {
    let n = 40;
    let mut csv = "Customer ID,price,When\n".to_owned();
    let mut json = String::new();
    for i in 0..n {
        let price = if i % 7 == 3 { "bad".to_owned() } else { format!("{i}.00") };
        csv += &format!("\"a\n{i}\",{price},2010-12-01\n");
        json += &format!("{{\"Customer ID\":\"{i}\",\"price\":\"{price}\",\"When\":\"2010-12-01\"}}\n");
    }
    let prices: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..n).map(|i| if i % 7 == 3 { "bad".to_owned() } else { i.to_string() })));
    let times: ArrayRef = Arc::new(Date32Array::from_iter_values(0..n));
    let mut parquet = parquet_file(vec![("price", prices), ("When", times)], 9);
    parquet.1.columns.remove("customer");
    for (_dir, spec) in [file("o.csv", csv.as_bytes()), file("o.jsonl", json.as_bytes()), parquet] {
        let mut reader = Reader::open(&spec, &stream()).unwrap();
        let mut places = vec![reader.place()];
        let mut all = Vec::new();
        while let Some(row) = reader.next() {
            all.push(show(row.unwrap()));
            places.push(reader.place());
        }
        assert_eq!(all.len(), n as usize, "{}", spec.file);
        assert_eq!(all.iter().filter(|r| r.contains('!')).count(), 6);
        for (done, place) in places.into_iter().enumerate() {
            let mut again = Reader::open(&spec, &stream()).unwrap();
            again.seek(place).unwrap();
            assert_eq!(again.progress().rows, done as u64);
            assert_eq!(rows(&mut again), all[done..]);
            again.seek(Place { row: done as u64, ..Place::default() }).unwrap();
            assert_eq!(rows(&mut again), all[done..], "{} from row {done} by counting", spec.file);
        }
        let error = reader.seek(Place { row: 41, ..Place::default() }).unwrap_err().to_string();
        assert!(error.contains("ends before row 42"), "{error}");
        assert!(reader.seek(Place { row: 41, byte: 1 << 40, line: 41 }).is_err());
    }
}

#[test]
fn mistakes_of_an_import_are_named_with_the_nearest_name() {
    let header = b"Customer ID,price,When\n";
    let change = |f: &dyn Fn(&mut ImportSpec)| {
        let (_dir, mut spec) = file("o.csv", header);
        f(&mut spec);
        let error = Reader::open(&spec, &stream()).err().unwrap();
        assert_eq!(error.kind, domain::Kind::Stop);
        error.to_string()
    };
    let (_dir, twice) = file("o.csv", b"Customer ID,price,When,price\n");
    let error = Reader::open(&twice, &stream()).err().unwrap().to_string();
    assert!(error.contains("two columns `price`"), "{error}");
    for (error, expected) in [
        (change(&|s| drop(s.columns.insert("custmer".into(), "price".into()))), "has no field `custmer`\n  hint: did you mean `customer`?"),
        (
            change(&|s| drop(s.columns.insert("customer".into(), "CustomerID".into()))),
            "no column `CustomerID`\n  hint: did you mean `Customer ID`?",
        ),
        (change(&|s| drop(s.columns.insert("customer".into(), "Shop".into()))), "hint: there are Customer ID, price, When"),
        (change(&|s| drop(s.columns.remove("at"))), "field at of stream orders is required, and no column"),
        (change(&|s| s.id = Some("customer".into())), "both a column and made"),
        (change(&|s| s.file += ".gone.csv"), "cannot read"),
        (change(&|s| s.format = Some(Format::Parquet)), "give a whole Parquet file"),
    ] {
        assert!(error.contains(expected), "{error}");
    }
}
