//! Peers that do not speak the protocol, or not ours.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_version_request_that_is_too_new_is_answered_in_the_oldest_form() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut client = Client::connect(address).await;
    client.send_raw(&[0, 18, 0, 99, 0, 0, 0, 100, 0, 1, b'x', 0, 9, 9]).await;
    let response = client.receive::<ApiVersionsRequest>(0).await;
    assert_eq!((response.error_code, response.api_keys.len()), (35, SUPPORTED.len()));
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_close_their_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, address) = serve(&dir).await;
    let mut random = rand_seeded(7);
    let mut steady = Client::connect(address).await;
    for round in 0..400 {
        let mut client = Client::connect(address).await;
        let mut frame = vec![0; random.random_range(0..200)];
        random.fill_bytes(&mut frame);
        if round % 2 == 0 && frame.len() > 12 {
            // A real kind and version, so that the nonsense reaches the body.
            let (key, lowest, highest) = SUPPORTED[random.random_range(0..SUPPORTED.len())];
            frame[0..2].copy_from_slice(&(key as i16).to_be_bytes());
            frame[2..4].copy_from_slice(&random.random_range(lowest..=highest).to_be_bytes());
            frame[8..12].copy_from_slice(&[0xff, 0xff, 0, 0]);
        }
        let _ = client.0.write_all(&(frame.len() as i32).to_be_bytes()).await;
        let _ = client.0.write_all(&frame).await;
        let _ = client.0.shutdown().await;
        let mut rest = Vec::new();
        let _ = client.0.read_to_end(&mut rest).await;
    }
    for claimed in [i32::MAX, i32::MIN, -1, 0] {
        let mut client = Client::connect(address).await;
        client.0.write_all(&claimed.to_be_bytes()).await.unwrap();
        assert_eq!(client.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
    // Metadata that claims two thousand million topics.
    let mut client = Client::connect(address).await;
    client.send_raw(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]).await;
    assert_eq!(client.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(steady.call(&ApiVersionsRequest::default(), 3).await.error_code, 0);
    broker.shutdown().await;
}

fn rand_seeded(seed: u64) -> impl Rng {
    rand::rngs::SmallRng::seed_from_u64(seed)
}
