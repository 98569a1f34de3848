//! A limit on everything that comes from outside.

/// Most bytes of a block's compressed payload: 768 KiB, so that a record stays below Kafka's usual 1 MiB message.
pub const PAYLOAD_BYTES_MAX: usize = 768 * 1024;
/// Most bytes of a payload when opened: 8 MiB.
pub const DECODED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most recorded events in a block: 256 Ki.
pub const EVENTS_MAX: usize = 256 * 1024;
/// Most bytes of a string: 32 KiB. Longer ones are cut at a character boundary by the SDK, and refused by decoders.
pub const STRING_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of a part of an attachment: 512 KiB, so that one fits into a payload beside full tables, compressed or not.
pub const ATTACHMENT_PART_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of a media type: two names of 127 and the stroke between them (RFC 6838, 4.2). Treated as strings are.
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Most spans open at once in a thread: 1,024.
pub const SPAN_DEPTH_MAX: usize = 1024;
/// Most bytes of a record: the payload and 64 KiB of header.
pub const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// Most bytes of a batch over HTTP: 8 MiB.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most properties of a process or a metric: 256.
pub const PROPERTIES_MAX: usize = 256;
/// Most bytes of the name of an argument: 255. Treated as strings are. A row of a query may say it again for each of its arguments.
pub const ARG_NAME_BYTES_MAX: usize = 255;
/// Most extensions of a block's header, and most bytes of all their names and values: 16, and 4 KiB.
pub const EXTENSIONS_MAX: usize = 16;
/// See [`EXTENSIONS_MAX`].
pub const EXTENSIONS_BYTES_MAX: usize = 4 * 1024;
/// The layout of payloads that this version writes: `docs/block-format.md`, frozen.
pub const FORMAT_VERSION: u32 = 1;
/// The oldest layout that is read. What came before were drafts.
pub const FIRST_FORMAT_VERSION: u32 = 1;

const _: () = assert!(RECORD_BYTES_MAX < 1024 * 1024, "a record must fit Kafka's default message");
