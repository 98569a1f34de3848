//! Rows as they go over the wire: types that the client reads, messages of a size that it takes.

use super::error;
use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::FlightData;
use arrow_flight::encode::{DictionaryHandling, FlightDataEncoder, FlightDataEncoderBuilder};
use arrow_flight::error::FlightError;
use arrow_select::dictionary::garbage_collect_any_dictionary;
use futures::{Stream, StreamExt, stream};
use std::sync::Arc;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// A client says `keep` or `hydrate` here; without it, its user agent decides.
pub const DICTIONARIES_HEADER: &str = "x-framelake-dictionaries";

/// Many gRPC clients refuse messages above 4 MiB. Batches are halved until they are below 2 MiB, so a batch of DataFusion's 8,192 rows goes out in slices of
/// 1 to 2 MiB, or whole if its rows are narrow.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Whether this client reads dictionaries as what they stand for.
///
/// Kept dictionaries halve the bytes and the server's work. The JDBC driver shows the key numbers instead of the text, so only clients that are known to read
/// them get them: ADBC's Go driver (Python, R, …), pyarrow, and whoever asks.
pub(super) fn keeps_dictionaries(metadata: &MetadataMap) -> bool {
    let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text(DICTIONARIES_HEADER) {
        "keep" => true,
        "hydrate" => false,
        _ => {
            let agent = text("user-agent").to_ascii_lowercase();
            agent.contains("adbc flight sql driver") || agent.contains("pyarrow")
        }
    }
}

/// How one result goes over the wire.
#[derive(Clone)]
pub(super) struct Wire {
    schema: SchemaRef,
    keep_dictionaries: bool,
}

impl Wire {
    /// For rows of `schema`.
    pub(super) fn new(schema: &Schema, keep_dictionaries: bool) -> Self {
        let fields: Fields = schema.fields().iter().map(|field| wire_field(field, keep_dictionaries)).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        let wire = Self { schema: schema.clone(), keep_dictionaries };
        // The encoder has the last word, else a client finds another schema in the stream than was announced.
        let schema = wire.encoder(stream::empty()).known_schema().unwrap_or(schema);
        Self { schema, ..wire }
    }

    /// The schema as announced and as encoded.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The schema message, then the rows.
    pub(super) fn encode<S>(self, batches: S) -> impl Stream<Item = Result<FlightData, Status>> + Send
    where
        S: Stream<Item = Result<RecordBatch, Status>> + Send + 'static,
    {
        let wire = self.clone();
        let slices = batches.flat_map(move |batch| {
            let slices = match batch {
                Ok(batch) => wire.slices(&batch).map_err(error::arrow),
                Err(status) => Err(status),
            };
            match slices {
                Ok(slices) => stream::iter(slices.into_iter().map(Ok).collect::<Vec<_>>()),
                Err(status) => stream::iter(vec![Err(FlightError::from(status))]),
            }
        });
        self.encoder(slices).map(|data| data.map_err(error::flight))
    }

    fn encoder<S>(&self, slices: S) -> FlightDataEncoder
    where
        S: Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
    {
        let handling = if self.keep_dictionaries { DictionaryHandling::Resend } else { DictionaryHandling::Hydrate };
        FlightDataEncoderBuilder::new()
            .with_schema(self.schema.clone())
            .with_dictionary_handling(handling)
            // It would split by the size of whole buffers, also of those that slices share.
            .with_max_flight_data_size(usize::MAX)
            .build(slices)
    }

    fn slices(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut slices = Vec::new();
        split(self.cast(batch)?, &mut slices)?;
        Ok(slices)
    }

    /// `batch` as it was announced; the physical plan may differ in types' details, nullability and metadata.
    fn cast(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| {
                if column.data_type() == field.data_type() {
                    Ok(column.clone())
                } else {
                    cast(column, field.data_type())
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &rows)
    }
}

/// Halves `batch` until every part fits into a message.
fn split(batch: RecordBatch, parts: &mut Vec<RecordBatch>) -> Result<(), ArrowError> {
    let batch = drop_unused_dictionary_values(batch)?;
    let rows = batch.num_rows();
    if rows < 2 || slice_bytes(&batch)? <= MESSAGE_BYTES_MAX {
        parts.push(batch);
        return Ok(());
    }
    split(batch.slice(0, rows / 2), parts)?;
    split(batch.slice(rows / 2, rows - rows / 2), parts)
}

/// What the rows take, without what their buffers hold besides.
fn slice_bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

/// A dictionary of 50,000 values under a result of 10 rows would be sent whole. One that is no longer than the rows stays as it is: the encoder sends a
/// dictionary that several batches share only once.
fn drop_unused_dictionary_values(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let is_mostly_unused = |column: &dyn Array| {
        column.as_any_dictionary_opt().is_some_and(|dictionary| dictionary.values().len() > column.len())
    };
    if !batch.columns().iter().any(|column| is_mostly_unused(column.as_ref())) {
        return Ok(batch);
    }
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch
        .columns()
        .iter()
        .map(|column| {
            if is_mostly_unused(column.as_ref()) {
                garbage_collect_any_dictionary(column.as_any_dictionary())
            } else {
                Ok(column.clone())
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new_with_options(batch.schema(), columns, &rows)
}

fn wire_field(field: &FieldRef, keep_dictionaries: bool) -> FieldRef {
    let kind = wire_type(field.data_type(), keep_dictionaries);
    if &kind == field.data_type() { field.clone() } else { Arc::new(field.as_ref().clone().with_data_type(kind)) }
}

/// Dictionaries are kept in columns at most, never inside other types: the encoder declares some of those wrongly.
fn wire_type(kind: &DataType, keep_dictionaries: bool) -> DataType {
    let inner = |field: &FieldRef| wire_field(field, false);
    match kind {
        // JDBC refuses views, and the encoder sends all buffers of a view with every slice.
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(key, value) if keep_dictionaries => {
            DataType::Dictionary(key.clone(), Box::new(wire_type(value, false)))
        }
        DataType::Dictionary(_, value) => wire_type(value, false),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type(), false),
        // The encoder declares large lists as lists.
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => DataType::List(inner(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(inner(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        // Clients of before 2025 do not know the small decimals.
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}

/// What a table's column is to JDBC's `getColumns`: its type's name travels as metadata.
pub(super) fn with_sql_metadata(schema: &Schema, catalog: &str, db_schema: &str, table: &str) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let mut metadata = field.metadata().clone();
            for (key, value) in [
                ("CATALOG_NAME", catalog),
                ("SCHEMA_NAME", db_schema),
                ("TABLE_NAME", table),
                ("TYPE_NAME", sql_type_name(field.data_type())),
                ("IS_AUTO_INCREMENT", "0"),
                ("IS_CASE_SENSITIVE", "1"),
                ("IS_READ_ONLY", "1"),
                ("IS_SEARCHABLE", "1"),
            ] {
                metadata.insert(format!("ARROW:FLIGHT:SQL:{key}"), value.to_owned());
            }
            field.as_ref().clone().with_metadata(metadata)
        })
        .collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn sql_type_name(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INTEGER UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Float16 | DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "DECIMAL"
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "VARBINARY",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(..) => "TIMESTAMP",
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL",
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => "ARRAY",
        DataType::Map(..) => "MAP",
        DataType::Struct(_) => "STRUCT",
        DataType::Dictionary(_, value) => sql_type_name(value),
        DataType::RunEndEncoded(_, values) => sql_type_name(values.data_type()),
        DataType::Union(..) => "UNION",
        DataType::Null => "NULL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray, StringViewArray};
    use arrow::datatypes::Int32Type;
    use futures::TryStreamExt;

    fn agent(name: &'static str, value: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(name, value.parse().expect("ASCII"));
        metadata
    }

    #[test]
    fn only_clients_known_to_read_dictionaries_get_them() {
        let check = |name, value, expected| assert_eq!(keeps_dictionaries(&agent(name, value)), expected, "{value}");
        check("user-agent", "ADBC Flight SQL Driver v1.13.0 grpc-go/1.80.0", true);
        check("user-agent", "JDBC Flight SQL Driver 18.3.0 grpc-java-netty/1.73.0", false);
        check("user-agent", "grpc-c++/1.60.0", false);
        check(DICTIONARIES_HEADER, "keep", true);
        let mut both = agent("user-agent", "ADBC Flight SQL Driver v1.13.0");
        both.insert(DICTIONARIES_HEADER, "hydrate".parse().expect("ASCII"));
        assert!(!keeps_dictionaries(&both));
    }

    fn dictionary(keys: impl Iterator<Item = i32>, values: Vec<String>) -> ArrayRef {
        let keys: Int32Array = keys.collect();
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(values))))
    }

    async fn encoded(batch: RecordBatch, keep_dictionaries: bool) -> Vec<FlightData> {
        let wire = Wire::new(&batch.schema(), keep_dictionaries);
        wire.encode(stream::iter([Ok(batch)])).try_collect().await.expect("encodes")
    }

    fn bytes(messages: &[FlightData]) -> usize {
        messages.iter().map(|message| message.data_body.len() + message.data_header.len()).sum()
    }

    #[tokio::test]
    async fn wide_rows_go_out_in_messages_below_the_limit_and_are_sent_once() {
        let text: StringViewArray = (0..8192).map(|row| Some(format!("{row:01200}"))).collect();
        let batch = RecordBatch::try_from_iter([("text", Arc::new(text) as ArrayRef)]).expect("a batch");
        let messages = encoded(batch, true).await;
        let largest = messages.iter().map(|message| message.data_body.len()).max();
        assert!(
            messages.len() > 5 && largest <= Some(MESSAGE_BYTES_MAX + 64 * 1024),
            "{} messages, {largest:?}",
            messages.len()
        );
        assert!(bytes(&messages) < 8192 * 1200 * 11 / 10, "{} bytes", bytes(&messages));
    }

    #[tokio::test]
    async fn values_that_no_row_uses_are_not_sent() {
        let values = (0..50_000).map(|value| format!("value number {value}")).collect();
        let batch = RecordBatch::try_from_iter([("name", dictionary(0..10, values))]).expect("a batch");
        let sent = bytes(&encoded(batch, true).await);
        assert!(sent < 8 * 1024, "{sent} bytes");
    }

    #[tokio::test]
    async fn announced_and_encoded_schema_are_the_same_for_nested_types() {
        use arrow::array::{LargeListArray, ListArray, StructArray};
        use arrow::buffer::OffsetBuffer;
        let names = || dictionary([0, 1, 0].into_iter(), vec!["a".into(), "b".into()]);
        let field = |array: &ArrayRef| Arc::new(Field::new("item", array.data_type().clone(), true));
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["x", "y", "z"]));
        let list = ListArray::new(field(&views), OffsetBuffer::from_lengths([1, 2]), views.clone(), None);
        let large = LargeListArray::new(field(&names()), OffsetBuffer::from_lengths([3, 0]), names(), None);
        let nested = StructArray::from(vec![(field(&names()), names().slice(0, 2))]);
        let batch = RecordBatch::try_from_iter([
            ("list", Arc::new(list) as ArrayRef),
            ("large", Arc::new(large) as ArrayRef),
            ("nested", Arc::new(nested) as ArrayRef),
            ("name", names().slice(1, 2)),
        ])
        .expect("a batch");
        for keep in [false, true] {
            let wire = Wire::new(&batch.schema(), keep);
            let messages = encoded(batch.clone(), keep).await;
            let decoded = arrow_flight::decode::FlightRecordBatchStream::new_from_flight_data(stream::iter(
                messages.into_iter().map(Ok),
            ));
            let batches: Vec<RecordBatch> = decoded.try_collect().await.expect("decodes");
            assert_eq!(batches[0].schema().fields(), wire.schema().fields(), "keep {keep}");
            assert_eq!(matches!(wire.schema().field(3).data_type(), DataType::Dictionary(..)), keep);
            let text = arrow::util::pretty::pretty_format_batches(&batches).expect("prints").to_string();
            assert!(text.contains("| [x]    | [a, b, a] | {item: a} | b    |"), "{text}");
        }
    }
}
