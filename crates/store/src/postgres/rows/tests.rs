use super::*;

/// What the server's documentation says of 16 bits each: number of digits, weight, sign, scale, digits.
#[test]
fn decimals_become_digits_to_the_base_of_ten_thousand() {
    for (unscaled, scale, expected) in [
        (0, 0, vec![0, -1, 0, 0]),
        (1, 0, vec![1, 0, 0, 0, 1]),
        (-1234, 2, vec![2, 0, 0x4000, 2, 12, 3400]),
        (10, 2, vec![1, -1, 0, 2, 1000]),
        (12_345_678_901, 4, vec![3, 1, 0, 4, 123, 4567, 8901]),
        (1, 18, vec![1, -5, 0, 18, 100]),
        (10i128.pow(18), 0, vec![5, 4, 0, 0, 100, 0, 0, 0, 0]),
    ] {
        let mut out = BytesMut::new();
        numeric(Decimal::new(unscaled, scale), &mut out);
        let found: Vec<i16> = out.chunks(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect();
        assert_eq!(found, expected, "{unscaled} at scale {scale}");
    }
}

#[test]
fn a_row_has_its_columns_and_the_stream_its_end() {
    let mut rows = Rows::new(3);
    rows.row().text("a\0").text_or_null(None).time(EPOCH + 1);
    let bytes = rows.end();
    assert_eq!(&bytes[..11], b"PGCOPY\n\xff\r\n\0");
    let row = [&[0, 3, 0, 0, 0, 4, b'a'][..], "\u{2400}".as_bytes(), &[255; 4], &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], &[255, 255]];
    assert_eq!(&bytes[19..], row.concat());
}
