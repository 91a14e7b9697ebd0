use super::*;

#[test]
fn an_import_is_read_with_its_defaults() {
    let spec = ImportSpec::parse("file: data/a.csv\nstream: orders\ncolumns: {invoice: InvoiceNo}\n").unwrap();
    let expected =
        ImportSpec { columns: BTreeMap::from([("invoice".to_owned(), "InvoiceNo".to_owned())]), ..ImportSpec::of("data/a.csv", "orders") };
    assert_eq!(spec, expected);
    let spec = ImportSpec::parse("file: a\nstream: b\nformat: json-lines\ndates: day-first\nnulls: [nan]\ndelimiter: ;\nid: x").unwrap();
    assert_eq!((spec.format, spec.dates, spec.delimiter), (Some(Format::JsonLines), DateOrder::DayFirst, Some(';')));
}

#[test]
fn mistakes_are_named() {
    for (yaml, expected) in [
        ("file: a.csv\n", "stream"),
        ("file: a.csv\nstream: b\ncolums: {a: b}\n", "colums"),
        ("file: a.csv\nstream: b\nformat: excel\n", "excel"),
        ("file: a.csv\nstream: b\ndelimiter: '\"'\n", "cannot be a delimiter"),
    ] {
        let error = ImportSpec::parse(yaml).unwrap_err();
        assert_eq!(error.kind, domain::Kind::Stop);
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn formats_go_by_extension() {
    for (name, format) in [("a.CSV", Format::Csv), ("a.tsv", Format::Csv), ("a.b.jsonl", Format::JsonLines), ("a.parquet", Format::Parquet)]
    {
        assert_eq!(Format::of(Path::new(name)).unwrap(), format);
    }
    assert!(Format::of(Path::new("a.xlsx")).unwrap_err().to_string().contains(".xlsx"));
    assert!(Format::of(Path::new("a")).is_err());
}

#[test]
fn an_import_of_a_project_finds_its_file() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("imports")).unwrap();
    std::fs::write(root.path().join("imports/a.yml"), "file: data/a.csv\nstream: s\n").unwrap();
    assert_eq!(ImportSpec::load(root.path(), "a").unwrap().file, root.path().join("data/a.csv").display().to_string());
    assert!(ImportSpec::load(root.path(), "b").unwrap_err().to_string().contains("imports/b.yml"));
}
