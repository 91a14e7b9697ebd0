//! The least HTTP/1.1 client that can measure: one blocking keep-alive connection, requests made beforehand, so that what is measured
//! is the server and not the client.

use domain::{Error, Result};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The bytes of a GET.
pub fn get(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

/// The bytes of a POST of JSON.
pub fn post(host: &str, path: &str, token: Option<&str>, json: &[u8]) -> Vec<u8> {
    let authorization = token.map_or_else(String::new, |t| format!("authorization: Bearer {t}\r\n"));
    let mut out = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{authorization}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        json.len()
    )
    .into_bytes();
    out.extend_from_slice(json);
    out
}

impl Client {
    pub fn connect(host: &str) -> Result<Self> {
        let cannot = |e: std::io::Error| Error::stop(format!("cannot connect to {host}"), "look into the server's log").because(e);
        let stream = TcpStream::connect(host).map_err(cannot)?;
        stream.set_nodelay(true).map_err(cannot)?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).map_err(cannot)?;
        Ok(Self { stream, buffer: vec![0; 1 << 16] })
    }

    /// Sends a whole request and reads the whole answer: its status and body.
    pub fn request(&mut self, bytes: &[u8]) -> Result<(u16, &[u8])> {
        let broken = |e: std::io::Error| Error::stop("the server closed the connection", "look into the server's log").because(e);
        let strange = || Error::bug("the server's answer is not what this client reads");
        self.stream.write_all(bytes).map_err(broken)?;
        let mut filled = 0;
        let (mut whole, mut head) = (usize::MAX, 0);
        while filled < whole {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..]).map_err(broken)?;
            if read == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
            filled += read;
            if whole == usize::MAX
                && let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n")
            {
                head = end + 4;
                whole = head + content_length(&self.buffer[..head]).ok_or_else(strange)?;
            }
        }
        let status =
            std::str::from_utf8(self.buffer.get(9..12).unwrap_or_default()).ok().and_then(|s| s.parse().ok()).ok_or_else(strange)?;
        Ok((status, &self.buffer[head..whole]))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_answer_in_pieces_is_read_whole_and_the_connection_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 1024];
            for pieces in
                [["HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nhel", "lo"], ["HTTP/1.1 429 Slow\r\n", "content-length: 0\r\n", "\r\n"]]
            {
                let n = stream.read(&mut asked).unwrap();
                assert!(asked[..n].starts_with(b"POST /x HTTP/1.1\r\n"));
                for piece in pieces {
                    stream.write_all(piece.as_bytes()).unwrap();
                    stream.flush().unwrap();
                }
            }
        });
        let mut client = Client::connect(&host).unwrap();
        let request = post(&host, "/x", Some("token"), b"{}");
        assert_eq!(client.request(&request).unwrap(), (200, &b"hello"[..]));
        assert_eq!(client.request(&request).unwrap(), (429, &b""[..]));
        server.join().unwrap();
        assert!(client.request(&request).is_err());
    }
}
