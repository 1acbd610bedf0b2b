//! Downloads from a server with faults, into a cache that is interrupted, damaged and continued: the right bytes or a typed
//! error each time, and no byte requested twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod mock_server;

use std::rc::Rc;

use crate::support::suite::{Test, test_fn};
use gemma_web::source::download::{
    CHUNK_BYTES, DownloadOptions, DownloadProgress, RemoteSource, describe, parse_sha256, verify,
};
use gemma_web::source::{ByteSource, ModelSource};
use gemma_web::{Cancel, Error, Result};
use mock_server::{Faults, MemoryStore, Net, Server};
use pollster::block_on;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test_fn(a_good_server_is_asked_for_every_byte_once),
        test_fn(a_header_alone_takes_one_request),
        test_fn(requests_run_ahead_of_the_reader),
        test_fn(resets_are_gone_on_from),
        test_fn(a_stream_that_breaks_starts_again),
        test_fn(unavailable_servers_are_asked_again_when_they_said),
        test_fn(there_is_an_end_to_trying),
        test_fn(refusals_are_final),
        test_fn(ranges_may_be_ignored_from_the_start_or_later),
        test_fn(a_wrong_range_is_an_error),
        test_fn(bodies_are_as_long_as_promised),
        test_fn(a_file_that_changes_midway_is_an_error_and_leaves_nothing),
        test_fn(a_change_that_the_server_hides_is_found),
        test_fn(a_file_that_changed_between_visits_is_loaded_anew),
        test_fn(a_change_with_the_same_tag_is_found_before_it_is_used),
        test_fn(packed_replies_are_read_but_not_kept),
        test_fn(unreadable_headers_cost_the_ranges_only),
        test_fn(a_slow_drip_is_read),
        test_fn(being_offline_costs_no_attempt),
        test_fn(small_and_empty_files),
        test_fn(a_disk_that_fails_is_an_error_and_keeps_what_it_has),
        test_fn(a_killed_download_goes_on_with_what_is_missing),
        test_fn(a_server_that_dies_leaves_what_it_sent),
        test_fn(a_killed_stream_goes_on_too),
        test_fn(a_damaged_chunk_is_fetched_again_alone),
        test_fn(a_damaged_chunk_that_cannot_be_healed_is_named),
        test_fn(a_damaged_manifest_never_gives_wrong_bytes),
        test_fn(any_order_of_reading),
        test_fn(what_nobody_read_is_fetched_in_the_end),
        test_fn(an_abort_ends_the_requests_and_keeps_what_came),
        test_fn(there_must_be_room),
        test_fn(checksums_of_the_whole_file),
        test_fn(secrets_are_not_kept),
        test_fn(rate).ignored(),
    ]
}

const URL: &str = "https://x.org/model.gguf?secret=1";
const CHUNK: usize = CHUNK_BYTES as usize;
/// Eight chunks and a bit.
const SIZE: usize = 8 * CHUNK + 12_345;

fn random_bytes(mut seed: u64, n: usize) -> Rc<Vec<u8>> {
    let mut bytes = Vec::with_capacity(n + 8);
    while bytes.len() < n {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend((seed ^ seed >> 29).to_le_bytes());
    }
    bytes.truncate(n);
    Rc::new(bytes)
}

fn server(faults: Faults) -> Rc<Server> {
    let server = Server::new(random_bytes(1, SIZE));
    server.faults.replace(faults);
    server
}

fn wanted() -> DownloadOptions {
    DownloadOptions { url: URL.to_owned(), ..DownloadOptions::default() }
}

type Download = RemoteSource<Net, MemoryStore>;

fn open(server: &Rc<Server>, store: Option<&MemoryStore>) -> Result<Download> {
    block_on(RemoteSource::open(Net(Rc::clone(server)), store.cloned(), wanted(), &Cancel::default()))
}

/// Reads from `offset` on, in pieces as a model's weights are read.
fn read(remote: &mut Download, offset: usize, n: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; n];
    let mut at = offset as u64;
    for piece in bytes.chunks_mut(3_333_333) {
        block_on(remote.read(at, piece, &Cancel::default()))?;
        at += piece.len() as u64;
    }
    Ok(bytes)
}

fn load_from(remote: &mut Download) -> Result<Vec<u8>> {
    let bytes = read(remote, 0, SIZE)?;
    block_on(remote.finish(&Cancel::default()))?;
    Ok(bytes)
}

fn load(server: &Rc<Server>, store: Option<&MemoryStore>) -> Result<Vec<u8>> {
    load_from(&mut open(server, store)?)
}

fn is(found: &[u8], expected: &[u8]) -> bool {
    // Not `assert_eq`: it would print 33 MB.
    found == expected
}

fn sound(server: &Rc<Server>, store: Option<&MemoryStore>) {
    let bytes = load(server, store).unwrap();
    assert!(is(&bytes, &server.file.borrow()), "other bytes than those of the file");
}

/// A cache that is written in the background.
fn behind() -> MemoryStore {
    MemoryStore { behind: 40, ..MemoryStore::default() }
}

/// Loads with and without a cache; the bytes must be the file's. With a cache, a second visit must send no request.
fn survives(faults: &Faults) -> Rc<Server> {
    let plain = server(faults.clone());
    sound(&plain, None);
    assert_eq!(plain.open.get(), 0, "no request is left open");
    for store in [MemoryStore::default(), behind()] {
        let cached = server(faults.clone());
        sound(&cached, Some(&store));
        assert!(is(&store.data.0.borrow(), &cached.file.borrow()), "other bytes were stored");
        cached.reset();
        sound(&cached, Some(&store));
        assert_eq!(cached.n_asked(), 0, "a stored file needs no network");
    }
    plain
}

fn bytes_asked(server: &Server) -> u64 {
    let part = |range: &Option<std::ops::Range<u64>>| {
        range.as_ref().map_or(SIZE as u64, |r| r.end.min(SIZE as u64) - r.start)
    };
    server.asked.borrow().iter().map(|(range, _)| part(range)).sum()
}

fn a_good_server_is_asked_for_every_byte_once() {
    let server = survives(&Faults::default());
    assert_eq!(bytes_asked(&server), SIZE as u64);
    assert_eq!(server.sent.get(), SIZE as u64);
    assert!(server.slept.borrow().is_empty());
}

fn a_header_alone_takes_one_request() {
    let server = server(Faults::default());
    let mut remote = open(&server, None).unwrap();
    assert_eq!((remote.len(), remote.name()), (Some(SIZE as u64), "https://x.org/model.gguf"));
    read(&mut remote, 0, 70_000).unwrap();
    read(&mut remote, 70_000, 2 * CHUNK - 70_000).unwrap();
    assert_eq!(server.n_asked(), 1);
    drop(remote);
    assert_eq!(server.open.get(), 0);
}

fn requests_run_ahead_of_the_reader() {
    let server = server(Faults::default());
    let mut remote = open(&server, None).unwrap();
    read(&mut remote, 0, 2 * CHUNK + 1).unwrap();
    assert!(server.n_asked() >= 3, "{:?}", server.asked.borrow());
}

fn resets_are_gone_on_from() {
    let faults = Faults { resets_after: Some(5_000_000), ..Faults::default() };
    let server = survives(&faults);
    assert_eq!(server.sent.get(), SIZE as u64, "no byte comes twice");
    assert!(!server.slept.borrow().is_empty());
    let slow = Faults { resets_after: Some(300_000), piece: 20_000, ..Faults::default() };
    survives(&slow);
}

fn a_stream_that_breaks_starts_again() {
    // Without ranges the whole file is sent again; each time the connection breaks later.
    let server = server(Faults { ignores_ranges: true, short: (100_000, 3), ..Faults::default() });
    sound(&server, None);
    assert_eq!(server.n_asked(), 4);
}

fn unavailable_servers_are_asked_again_when_they_said() {
    let refuses = vec![(503, Some("7".to_owned())), (503, None), (429, Some("1".to_owned()))];
    let server = survives(&Faults { refuses, ..Faults::default() });
    let slept = server.slept.borrow();
    assert!(slept[0] == 7000 && (500..=1000).contains(&slept[1]) && slept[2] == 1000, "{slept:?}");
}

fn there_is_an_end_to_trying() {
    let refuses = vec![(502, None); 20];
    let server = server(Faults { refuses, ..Faults::default() });
    let error = load(&server, None).unwrap_err();
    assert!(matches!(error, Error::Http { status: 502, ref url } if !url.contains("secret")), "{error:?}");
    assert_eq!((server.n_asked(), server.slept.borrow().len()), (6, 5));
    let resets = Faults { resets_after: Some(0), ..Faults::default() };
    server.reset();
    server.faults.replace(resets);
    assert!(matches!(load(&server, None), Err(Error::Network { .. })));
    assert_eq!(server.n_asked(), 6);
}

fn refusals_are_final() {
    for status in [401, 403, 404, 410] {
        let server = server(Faults { refuses: vec![(status, None)], ..Faults::default() });
        let error = load(&server, None).unwrap_err();
        assert!(matches!(error, Error::Http { status: found, .. } if found == status), "{error:?}");
        assert_eq!(server.n_asked(), 1, "{status}");
    }
}

fn ranges_may_be_ignored_from_the_start_or_later() {
    let server = survives(&Faults { ignores_ranges: true, ..Faults::default() });
    assert_eq!((server.n_asked(), server.sent.get()), (1, SIZE as u64));
    let server = survives(&Faults { ranges_until: 1, ..Faults::default() });
    assert!(
        server.n_asked() > 1 && server.sent.get() > SIZE as u64,
        "the parts that came are not asked for, but sent"
    );
}

fn a_wrong_range_is_an_error() {
    let server = server(Faults { shifts_range: 1, ..Faults::default() });
    let error = load(&server, None).unwrap_err();
    assert!(matches!(&error, Error::BadReply { what, .. } if what == "Content-Range"), "{error:?}");
}

fn bodies_are_as_long_as_promised() {
    let server = survives(&Faults { short: (1000, 5), ..Faults::default() });
    assert!(server.sent.get() >= SIZE as u64);
    for ignores_ranges in [false, true] {
        let server = self::server(Faults { long: 10, ignores_ranges, ..Faults::default() });
        let error = load(&server, None).unwrap_err();
        assert!(matches!(&error, Error::BadReply { what, .. } if what == "the body"), "{error:?}");
    }
}

fn a_file_that_changes_midway_is_an_error_and_leaves_nothing() {
    let other = random_bytes(2, SIZE);
    for ignores_ranges in [false, true] {
        let changes_at = Some((2, Rc::clone(&other), "\"two\""));
        // A stream of the whole file sends a second request only at the place where the first broke off.
        let resets_after = ignores_ranges.then_some(9_000_000);
        let server = server(Faults { changes_at, ignores_ranges, resets_after, ..Faults::default() });
        let store = MemoryStore::default();
        let error = load(&server, Some(&store)).unwrap_err();
        assert!(
            matches!(&error, Error::FileChanged { was, is, .. } if was.contains("one") && is.contains("two")),
            "{error:?}"
        );
        assert!(store.data.0.borrow().is_empty() && store.manifest.0.borrow().is_empty());
        server.faults.replace(Faults::default());
        sound(&server, Some(&store));
    }
}

fn a_change_that_the_server_hides_is_found() {
    // Neither tag nor date: only the bytes can tell, when they come a second time.
    let changes_at = Some((1, random_bytes(2, SIZE), "\"two\""));
    let faults = Faults {
        changes_at,
        ignores_ranges: true,
        no_validators: true,
        resets_after: Some(9_000_000),
        ..Faults::default()
    };
    let error = load(&server(faults), None).unwrap_err();
    assert!(matches!(error, Error::FileChanged { .. }), "{error:?}");
}

fn a_file_that_changed_between_visits_is_loaded_anew() {
    for (other, faults) in [
        (random_bytes(2, SIZE), Faults::default()),
        (random_bytes(2, SIZE), Faults { ignores_ranges: true, ..Faults::default() }),
        (random_bytes(2, SIZE + CHUNK), Faults::default()),
        (random_bytes(2, SIZE), Faults { hides_headers: true, ..Faults::default() }),
        (random_bytes(2, SIZE), Faults { no_validators: true, ..Faults::default() }),
    ] {
        let server = server(faults.clone());
        let store = MemoryStore::default();
        let mut remote = open(&server, Some(&store)).unwrap();
        read(&mut remote, 0, CHUNK + 10).unwrap();
        drop(remote);
        *server.file.borrow_mut() = Rc::clone(&other);
        *server.etag.borrow_mut() = "\"two\"".to_owned();
        let mut remote = open(&server, Some(&store)).unwrap();
        assert_eq!(remote.len(), Some(other.len() as u64));
        assert!(is(&read(&mut remote, 0, other.len()).unwrap(), &other), "{faults:?}");
    }
}

fn a_change_with_the_same_tag_is_found_before_it_is_used() {
    // The stream repeats the stored bytes: they have to be the same.
    let server = server(Faults { ignores_ranges: true, ..Faults::default() });
    let store = MemoryStore::default();
    let mut remote = open(&server, Some(&store)).unwrap();
    read(&mut remote, 0, CHUNK + 10).unwrap();
    drop(remote);
    *server.file.borrow_mut() = random_bytes(2, SIZE);
    let error = load(&server, Some(&store)).map(|bytes| is(&bytes, &server.file.borrow()));
    assert!(matches!(error, Err(Error::FileChanged { .. }) | Ok(true)), "{error:?}");
    sound(&server, Some(&store));
}

fn packed_replies_are_read_but_not_kept() {
    let server = server(Faults { encoding: Some("gzip"), ..Faults::default() });
    let store = MemoryStore::default();
    let mut wanted = wanted();
    wanted.progress = DownloadProgress::default();
    let progress = wanted.progress.clone();
    let net = Net(Rc::clone(&server));
    let mut remote =
        block_on(RemoteSource::open(net, Some(store.clone()), wanted, &Cancel::default())).unwrap();
    assert_eq!(remote.len(), None, "the packed length says nothing");
    assert!(is(&load_from(&mut remote).unwrap(), &server.file.borrow()));
    assert!(progress.now().unkept && store.data.0.borrow().is_empty());
    assert!(
        matches!(read(&mut remote, SIZE - 5, 10), Err(Error::Truncated { has, .. }) if has == SIZE as u64)
    );
    assert!(matches!(read(&mut remote, SIZE + 9 * CHUNK, 1), Err(Error::Truncated { .. })));
}

fn unreadable_headers_cost_the_ranges_only() {
    let server = survives(&Faults { hides_headers: true, ..Faults::default() });
    assert_eq!(server.n_asked(), 2, "{:?}", server.asked.borrow());
    let server = self::server(Faults { hides_headers: true, no_length: true, ..Faults::default() });
    sound(&server, Some(&MemoryStore::default()));
}

fn a_slow_drip_is_read() {
    let server = Server::new(random_bytes(3, 300_000));
    server.faults.replace(Faults { piece: 7, ..Faults::default() });
    let mut remote = open(&server, None).unwrap();
    assert!(is(&read(&mut remote, 0, 300_000).unwrap(), &server.file.borrow()));
}

fn being_offline_costs_no_attempt() {
    let server = survives(&Faults { offline: Some(2..40), ..Faults::default() });
    assert!(server.waited_for_network.get() > 10);
    // Only what fails while the network comes back counts.
    assert!(server.n_asked() > 38 && server.slept.borrow().len() < 5, "{:?}", server.slept.borrow());
}

fn small_and_empty_files() {
    for n in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1] {
        for ignores_ranges in [false, true] {
            let server = Server::new(random_bytes(4, n));
            server.faults.replace(Faults { ignores_ranges, ..Faults::default() });
            let store = MemoryStore::default();
            for visit in 0..2 {
                let mut remote = open(&server, Some(&store)).unwrap();
                assert_eq!(remote.len(), Some(n as u64));
                assert!(is(&read(&mut remote, 0, n).unwrap(), &server.file.borrow()), "{n}, visit {visit}");
                block_on(remote.finish(&Cancel::default())).unwrap();
                assert!(matches!(read(&mut remote, 0, n + 1), Err(Error::Truncated { .. })));
            }
        }
    }
}

/// The rest of a download: stored bytes must not be requested again, and count as cached.
fn goes_on(server: &Rc<Server>, store: &MemoryStore) {
    let entry = describe(&mut store.clone()).unwrap().unwrap();
    assert!(entry.size == SIZE as u64 && !entry.url.contains("secret"), "{entry:?}");
    server.reset();
    let wanted = wanted();
    let progress = wanted.progress.clone();
    let net = Net(Rc::clone(server));
    let mut remote =
        block_on(RemoteSource::open(net, Some(store.clone()), wanted, &Cancel::default())).unwrap();
    assert!(is(&load_from(&mut remote).unwrap(), &server.file.borrow()));
    let missing = SIZE as u64 - entry.stored;
    assert_eq!((bytes_asked(server), server.sent.get()), (missing, missing));
    assert_eq!((progress.now().cached, progress.now().fetched), (entry.stored, missing));
    let tags: Vec<_> = server.asked.borrow().iter().map(|(_, tag)| tag.clone()).collect();
    assert!(tags.iter().all(|tag| tag.as_deref() == Some("\"one\"")), "{tags:?}");
}

/// A part of a file with the caches it can be stored in, and whether the bytes read are certainly written.
fn each_way(percent: usize) -> [(usize, MemoryStore, bool); 2] {
    [(percent, MemoryStore::default(), true), (percent, behind(), false)]
}

fn a_disk_that_fails_is_an_error_and_keeps_what_it_has() {
    for store in [MemoryStore::default(), behind()] {
        let server = server(Faults::default());
        let full = MemoryStore { writes: 3, ..store.clone() };
        let error = load(&server, Some(&full)).unwrap_err();
        assert!(matches!(error, Error::QuotaExceeded { needed: CHUNK_BYTES, available: 0 }), "{error:?}");
        // The last chunk is shorter, and may be one of them.
        let stored = describe(&mut store.clone()).unwrap().unwrap().stored;
        assert!([2 * CHUNK_BYTES + 12_345, 3 * CHUNK_BYTES].contains(&stored), "{stored}");
        goes_on(&server, &store);
    }
}

fn a_killed_download_goes_on_with_what_is_missing() {
    for (percent, store, written) in [10, 50, 99].into_iter().flat_map(each_way) {
        let server = server(Faults { piece: 50_000, ..Faults::default() });
        let mut remote = open(&server, Some(&store)).unwrap();
        let part = SIZE * percent / 100;
        assert!(is(&read(&mut remote, 0, part).unwrap(), &server.file.borrow()[..part]));
        drop(remote);
        let stored = describe(&mut store.clone()).unwrap().unwrap().stored;
        let read = (part as u64).next_multiple_of(CHUNK_BYTES).min(SIZE as u64);
        assert!(stored + 2 * CHUNK_BYTES >= read && (stored >= read || !written), "{percent} %: {stored}");
        goes_on(&server, &store);
    }
}

fn a_server_that_dies_leaves_what_it_sent() {
    for (percent, store, _) in [10, 50, 99].into_iter().flat_map(each_way) {
        let dies_after = (SIZE * percent / 100) as u64;
        let server = server(Faults { dies_after, piece: 50_000, ..Faults::default() });
        let error = load(&server, Some(&store)).unwrap_err();
        assert!(matches!(&error, Error::Network { why, .. } if why.contains("gone")), "{error:?}");
        let stored = describe(&mut store.clone()).unwrap().unwrap().stored;
        // Only bytes under way are lost: less than a chunk for each request.
        let lost = 5 * CHUNK_BYTES;
        assert!(stored < SIZE as u64 && stored + lost > dies_after, "{percent} %: {stored}");
        server.faults.replace(Faults::default());
        goes_on(&server, &store);
    }
}

fn a_killed_stream_goes_on_too() {
    let server = server(Faults { ignores_ranges: true, ..Faults::default() });
    let store = MemoryStore::default();
    let mut remote = open(&server, Some(&store)).unwrap();
    read(&mut remote, 0, SIZE / 2).unwrap();
    drop(remote);
    server.reset();
    sound(&server, Some(&store));
    assert_eq!(server.n_asked(), 1);
}

fn a_damaged_chunk_is_fetched_again_alone() {
    let server = server(Faults::default());
    let store = MemoryStore::default();
    sound(&server, Some(&store));
    for at in [0, CHUNK * 3 + 17, SIZE - 1] {
        store.data.0.borrow_mut()[at] ^= 0x40;
        server.reset();
        sound(&server, Some(&store));
        let chunk = (at / CHUNK) as u64;
        let end = ((chunk + 1) * CHUNK_BYTES).min(SIZE as u64);
        let ranges: Vec<_> = server.asked.borrow().iter().map(|(range, _)| range.clone().unwrap()).collect();
        assert_eq!(ranges, vec![chunk * CHUNK_BYTES..end; 1]);
        server.reset();
        sound(&server, Some(&store));
        assert_eq!(server.n_asked(), 0, "healed");
    }
    // By `verify` as well.
    store.data.0.borrow_mut()[CHUNK * 5] ^= 1;
    let report = block_on(verify(&mut store.clone(), &Cancel::default())).unwrap();
    assert_eq!((report.chunks, report.damaged), (9, vec![5]));
    assert_eq!(describe(&mut store.clone()).unwrap().unwrap().stored, (SIZE - CHUNK) as u64);
    sound(&server, Some(&store));
    assert!(block_on(verify(&mut store.clone(), &Cancel::default())).unwrap().damaged.is_empty());
    // And data that was cut.
    store.data.0.borrow_mut().truncate(SIZE - CHUNK);
    server.reset();
    sound(&server, Some(&store));
    assert!(bytes_asked(&server) < 2 * CHUNK_BYTES, "{:?}", server.asked.borrow());
}

fn a_damaged_chunk_that_cannot_be_healed_is_named() {
    let server = server(Faults::default());
    let store = MemoryStore::default();
    sound(&server, Some(&store));
    store.data.0.borrow_mut()[CHUNK * 3] ^= 1;
    server.faults.replace(Faults { resets_after: Some(0), ..Faults::default() });
    let error = load(&server, Some(&store)).unwrap_err();
    assert!(matches!(&error, Error::Network { why, .. } if why.contains("chunk 3")), "{error:?}");
    server.faults.replace(Faults::default());
    sound(&server, Some(&store));
    store.data.0.borrow_mut()[CHUNK * 3] ^= 1;
    *server.etag.borrow_mut() = "\"two\"".to_owned();
    let error = load(&server, Some(&store)).unwrap_err();
    assert!(matches!(error, Error::FileChanged { .. }), "{error:?}");
}

fn a_damaged_manifest_never_gives_wrong_bytes() {
    let server = server(Faults::default());
    let store = MemoryStore::default();
    sound(&server, Some(&store));
    let good = store.manifest.0.borrow().clone();
    let used = good.len() - 9 * 24;
    // Each byte of it is flipped in a test beside the code; here the places where a load may go wrong.
    for at in [0, 9, 13, 20, 90, 150, used, used + 15, used + 23, used + 8 * 24 + 5] {
        let mut bad = good.clone();
        bad[at] ^= 0x11;
        *store.manifest.0.borrow_mut() = bad;
        sound(&server, Some(&store));
    }
    for len in [0, 10, 100, used, used + 30] {
        *store.manifest.0.borrow_mut() = good[..len].to_vec();
        sound(&server, Some(&store));
    }
    let garbage = random_bytes(9, 20_000);
    *store.manifest.0.borrow_mut() = garbage.to_vec();
    assert_eq!(describe(&mut store.clone()).unwrap(), None);
    sound(&server, Some(&store));
}

fn any_order_of_reading() {
    let wholes = [
        Faults::default(),
        Faults { ignores_ranges: true, ..Faults::default() },
        Faults { ignores_ranges: true, no_length: true, ..Faults::default() },
    ];
    let cached = [None, Some(MemoryStore::default()), Some(behind())];
    for (faults, store) in wholes.iter().flat_map(|faults| cached.iter().map(move |store| (faults, store))) {
        let server = server(faults.clone());
        let mut remote = open(&server, store.as_ref()).unwrap();
        let file = Rc::clone(&server.file.borrow());
        let ranges = [
            (7 * CHUNK - 10, 20),
            (0, 10),
            (3 * CHUNK - 1, CHUNK + 2),
            (SIZE - 1, 1),
            (CHUNK, 2 * CHUNK),
            (5, 0),
            (6 * CHUNK, SIZE - 6 * CHUNK),
        ];
        for (offset, n) in ranges {
            assert!(is(&read(&mut remote, offset, n).unwrap(), &file[offset..offset + n]), "{offset}, {n}");
        }
        assert!(matches!(read(&mut remote, SIZE - 1, 2), Err(Error::Truncated { .. })));
        assert!(matches!(read(&mut remote, usize::MAX - 9, 20), Err(Error::Truncated { .. })));
    }
}

fn what_nobody_read_is_fetched_in_the_end() {
    let server = server(Faults::default());
    let store = MemoryStore::default();
    let mut remote = open(&server, Some(&store)).unwrap();
    read(&mut remote, 3 * CHUNK, 10).unwrap();
    block_on(remote.finish(&Cancel::default())).unwrap();
    drop(remote);
    assert_eq!(describe(&mut store.clone()).unwrap().unwrap().stored, SIZE as u64);
    assert_eq!(server.sent.get(), SIZE as u64);
}

fn an_abort_ends_the_requests_and_keeps_what_came() {
    let server = server(Faults { piece: 5000, ..Faults::default() });
    let store = MemoryStore::default();
    let cancel = Cancel::default();
    let mut remote =
        block_on(RemoteSource::open(Net(Rc::clone(&server)), Some(store.clone()), wanted(), &cancel))
            .unwrap();
    read(&mut remote, 0, CHUNK + 10).unwrap();
    let mut into = vec![0; CHUNK];
    // In the middle of a read: polled a few times, then cancelled.
    let outcome = {
        let mut reading = Box::pin(remote.read(4 * CHUNK_BYTES, &mut into, &cancel));
        let mut turns = 0;
        block_on(std::future::poll_fn(|context| {
            turns += 1;
            if turns == 20 {
                cancel.cancel();
            }
            reading.as_mut().poll(context)
        }))
    };
    assert!(matches!(outcome, Err(Error::Aborted)), "{outcome:?}");
    assert!(matches!(load(&server, None).map(|_| ()), Ok(())), "another download is not touched");
    drop(remote);
    assert_eq!(server.open.get(), 0);
    assert!(describe(&mut store.clone()).unwrap().unwrap().stored >= CHUNK_BYTES);
    server.reset();
    sound(&server, Some(&store));
    assert!(bytes_asked(&server) <= SIZE as u64 - CHUNK_BYTES);
    assert!(matches!(
        block_on(RemoteSource::open(Net(server), Some(store), wanted(), &cancel)).map(|_| ()),
        Err(Error::Aborted)
    ));
}

fn there_must_be_room() {
    let server = server(Faults::default());
    let store = MemoryStore { room: SIZE as u64 - 1, ..MemoryStore::default() };
    let error = open(&server, Some(&store)).map(|_| ()).unwrap_err();
    assert!(
        matches!(error, Error::QuotaExceeded { needed, available } if (needed, available) == (SIZE as u64, SIZE as u64 - 1)),
        "{error:?}"
    );
    assert!(server.sent.get() < CHUNK_BYTES, "before the download");
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).into()
}

fn checksums_of_the_whole_file() {
    for faults in [Faults::default(), Faults { ignores_ranges: true, ..Faults::default() }] {
        let server = server(faults);
        let right = sha256(&server.file.borrow());
        let wrong = parse_sha256(&"ab".repeat(32)).unwrap();
        let store = MemoryStore::default();
        let visit = |sha256| {
            let wanted = DownloadOptions { sha256: Some(sha256), ..wanted() };
            let net = Net(Rc::clone(&server));
            let remote = block_on(RemoteSource::open(net, Some(store.clone()), wanted, &Cancel::default()));
            let mut remote = remote.unwrap();
            // Only a part is read; the checksum is that of the whole file all the same.
            read(&mut remote, 0, 10).unwrap();
            read(&mut remote, 5 * CHUNK, CHUNK).unwrap();
            block_on(remote.finish(&Cancel::default()))
        };
        let error = visit(wrong).unwrap_err();
        assert!(
            matches!(&error, Error::ChecksumMismatch { expected, .. } if *expected == "ab".repeat(32)),
            "{error:?}"
        );
        assert!(store.data.0.borrow().is_empty(), "nothing of it is kept");
        server.reset();
        visit(right).unwrap();
        assert_eq!(server.sent.get(), SIZE as u64);
        let noted = describe(&mut store.clone()).unwrap().unwrap().sha256.unwrap();
        assert_eq!(parse_sha256(&noted).unwrap(), right);
        server.reset();
        visit(right).unwrap();
        assert_eq!(server.n_asked(), 0);
        // Another file is wanted under the same address, so the stored one does not match.
        assert!(visit(wrong).is_err() && server.sent.get() == SIZE as u64);
    }
}

fn secrets_are_not_kept() {
    let server = server(Faults::default());
    let store = MemoryStore::default();
    let wanted = DownloadOptions {
        headers: vec![("Authorization".to_owned(), "Bearer hidden".to_owned())],
        ..wanted()
    };
    assert!(!format!("{wanted:?}").contains("hidden") && !format!("{wanted:?}").contains("secret"));
    let net = Net(Rc::clone(&server));
    drop(block_on(RemoteSource::open(net, Some(store.clone()), wanted, &Cancel::default())).unwrap());
    let manifest = String::from_utf8_lossy(&store.manifest.0.borrow()).into_owned();
    assert!(manifest.contains("x.org") && !manifest.contains("hidden") && !manifest.contains("secret"));
}

/// Bytes a second of everything but the network and the disk; by hand, in a release build: `--ignored --nocapture`.
#[allow(clippy::print_stdout, reason = "the result")]
fn rate() {
    let file = random_bytes(5, 256 << 20);
    let n = file.len();
    let piece = 1 << 20;
    let measure = |what: &str, store: Option<&MemoryStore>, sha256: bool| {
        let server = Server::new(Rc::clone(&file));
        server.faults.replace(Faults { piece, ..Faults::default() });
        let wanted = DownloadOptions { sha256: sha256.then(|| self::sha256(&file)), ..wanted() };
        let start = std::time::Instant::now();
        let net = Net(server);
        let mut remote =
            block_on(RemoteSource::open(net, store.cloned(), wanted, &Cancel::default())).unwrap();
        let mut into = vec![0; 4_000_000];
        for at in (0..n).step_by(into.len()) {
            let len = into.len().min(n - at);
            block_on(remote.read(at as u64, &mut into[..len], &Cancel::default())).unwrap();
        }
        block_on(remote.finish(&Cancel::default())).unwrap();
        println!("{what:<28} {:>6.0} MB/s", n as f64 / 1e6 / start.elapsed().as_secs_f64());
    };
    let start = std::time::Instant::now();
    let copy = file.to_vec();
    println!("{:<28} {:>6.0} MB/s", "a plain copy", n as f64 / 1e6 / start.elapsed().as_secs_f64());
    drop(copy);
    for _ in 0..3 {
        let store = MemoryStore::default();
        // Its memory is allocated already: growth is not measured.
        *store.data.0.borrow_mut() = vec![1; n];
        measure("network, no store", None, false);
        measure("network, no store, SHA-256", None, true);
        measure("network, store", Some(&store), false);
        measure("store alone", Some(&store), false);
    }
}
