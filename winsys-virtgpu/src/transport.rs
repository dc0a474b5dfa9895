//! The transport commands as bytes (WIRE.md 4).
//!
//! They surround every call and have few and fixed parameters, so they are built as arrays here, without a stream.

use hesper_encoder::writer::{set32, set64};

const SET_REPLY_COMMAND_STREAM: u32 = 178;
const EXECUTE_COMMAND_STREAMS: u32 = 180;
const CREATE_RING: u32 = 188;
const DESTROY_RING: u32 = 189;
const NOTIFY_RING: u32 = 190;
const SUBMIT_VIRTQUEUE_SEQNO: u32 = 251;
const WAIT_VIRTQUEUE_SEQNO: u32 = 252;
const WAIT_RING_SEQNO: u32 = 253;
const STYPE_RING_CREATE_INFO: u32 = 1_000_384_000;
const STYPE_RING_MONITOR_INFO: u32 = 1_000_384_006;

/// Where replies go from now on.
pub fn set_reply(resource: u32, offset: usize, size: usize) -> [u8; 36] {
    let mut b = [0; 36];
    set32(&mut b, 0, SET_REPLY_COMMAND_STREAM);
    set64(&mut b, 8, 1);
    set32(&mut b, 16, resource);
    set64(&mut b, 20, offset as u64);
    set64(&mut b, 28, size as u64);
    b
}

/// Run one stream of commands that lies in shared memory.
pub fn execute_stream(resource: u32, offset: usize, size: usize) -> [u8; 64] {
    let mut b = [0; 64];
    set32(&mut b, 0, EXECUTE_COMMAND_STREAMS);
    set32(&mut b, 8, 1);
    set64(&mut b, 12, 1);
    set32(&mut b, 20, resource);
    set64(&mut b, 24, offset as u64);
    set64(&mut b, 32, size as u64);
    // No reply positions, no dependencies, no flags: zeros to the end.
    b
}

/// What a ring is made of; offsets in bytes from the start of the resource.
#[derive(Clone, Copy, Debug)]
pub struct RingLayout {
    pub resource: u32,
    pub size: usize,
    pub idle_timeout_ns: u64,
    pub head: usize,
    pub tail: usize,
    pub status: usize,
    pub buffer: usize,
    pub buffer_size: usize,
    pub extra: usize,
    pub extra_size: usize,
}

/// Make a ring and start its thread. The monitor reports every `monitor_us` microseconds.
pub fn create_ring(ring: u64, l: &RingLayout, monitor_us: u32) -> [u8; 140] {
    let mut b = [0; 140];
    set32(&mut b, 0, CREATE_RING);
    set64(&mut b, 8, ring);
    set64(&mut b, 16, 1);
    set32(&mut b, 24, STYPE_RING_CREATE_INFO);
    set64(&mut b, 28, 1);
    set32(&mut b, 36, STYPE_RING_MONITOR_INFO);
    set32(&mut b, 48, monitor_us);
    set32(&mut b, 56, l.resource);
    // The resource's start, then the areas within it.
    let words = [
        0,
        l.size as u64,
        l.idle_timeout_ns,
        l.head as u64,
        l.tail as u64,
        l.status as u64,
        l.buffer as u64,
        l.buffer_size as u64,
        l.extra as u64,
        l.extra_size as u64,
    ];
    for (i, v) in words.into_iter().enumerate() {
        set64(&mut b, 60 + i * 8, v);
    }
    b
}

/// Stop a ring and join its thread.
pub fn destroy_ring(ring: u64) -> [u8; 16] {
    let mut b = [0; 16];
    set32(&mut b, 0, DESTROY_RING);
    set64(&mut b, 8, ring);
    b
}

/// Wake a ring that sleeps.
pub fn notify_ring(ring: u64, seqno: u32) -> [u8; 24] {
    let mut b = [0; 24];
    set32(&mut b, 0, NOTIFY_RING);
    set64(&mut b, 8, ring);
    set32(&mut b, 16, seqno);
    b
}

/// Tell a ring that the virtqueue has come as far as `seqno`.
pub fn submit_virtqueue_seqno(ring: u64, seqno: u64) -> [u8; 24] {
    pair(SUBMIT_VIRTQUEUE_SEQNO, ring, seqno)
}

/// In a ring: wait until the virtqueue has come as far as `seqno`.
pub fn wait_virtqueue_seqno(seqno: u64) -> [u8; 16] {
    let mut b = [0; 16];
    set32(&mut b, 0, WAIT_VIRTQUEUE_SEQNO);
    set64(&mut b, 8, seqno);
    b
}

/// In the context: wait until a ring has come as far as `seqno`.
pub fn wait_ring_seqno(ring: u64, seqno: u64) -> [u8; 24] {
    pair(WAIT_RING_SEQNO, ring, seqno)
}

fn pair(command: u32, a: u64, c: u64) -> [u8; 24] {
    let mut b = [0; 24];
    set32(&mut b, 0, command);
    set64(&mut b, 8, a);
    set64(&mut b, 16, c);
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words in hex, as the reference vectors are written.
    fn vector(words: &str) -> Vec<u8> {
        words.split(' ').flat_map(|w| u32::from_str_radix(w, 16).unwrap().to_le_bytes()).collect()
    }

    #[test]
    fn bytes_are_those_of_the_reference_vectors() {
        assert_eq!(
            set_reply(5, 0x1000, 0x40).to_vec(),
            vector("000000b2 00000000 00000001 00000000 00000005 00001000 00000000 00000040 00000000")
        );
        assert_eq!(
            execute_stream(7, 0, 0x200).to_vec(),
            vector(
                "000000b4 00000000 00000001 00000001 00000000 00000007 00000000 00000000 00000200 00000000 00000000 00000000 00000000 00000000 00000000 00000000"
            )
        );
        let layout = RingLayout {
            resource: 1,
            size: 0x200c4,
            idle_timeout_ns: 1_000_000,
            head: 0,
            tail: 64,
            status: 128,
            buffer: 192,
            buffer_size: 0x20000,
            extra: 0x200c0,
            extra_size: 4,
        };
        assert_eq!(
            create_ring(0xabc, &layout, 3_000_000).to_vec(),
            vector(
                "000000bc 00000000 00000abc 00000000 00000001 00000000 3ba0a600 00000001 00000000 3ba0a606 00000000 00000000 002dc6c0 00000000 00000001 00000000 00000000 000200c4 00000000 000f4240 00000000 00000000 00000000 00000040 00000000 00000080 00000000 000000c0 00000000 00020000 00000000 000200c0 00000000 00000004 00000000"
            )
        );
        assert_eq!(notify_ring(0xabc, 0x100).to_vec(), vector("000000be 00000000 00000abc 00000000 00000100 00000000"));
        assert_eq!(
            submit_virtqueue_seqno(0xabc, 1).to_vec(),
            vector("000000fb 00000000 00000abc 00000000 00000001 00000000")
        );
        assert_eq!(wait_virtqueue_seqno(1).to_vec(), vector("000000fc 00000000 00000001 00000000"));
        assert_eq!(
            wait_ring_seqno(0xabc, 0x100).to_vec(),
            vector("000000fd 00000000 00000abc 00000000 00000100 00000000")
        );
    }
}
