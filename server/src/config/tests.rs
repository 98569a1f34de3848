use super::*;

fn values(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &[(&str, &str)]) -> Values {
    let find = |pairs: &[(&str, &str)], key: &str| {
        pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
    };
    let from_file = file.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Values::merge(Some(Path::new("framelake.toml")), &from_file, |key| find(flags, key), |name| find(environment, name))
}

#[test]
fn a_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let variable = [("FRAMELAKE_WRITER_SEGMENT_AGE_MAX", "2s")];
    let file = [("writer.segment_age_max", "3s"), ("query.timeout", "9s")];
    let age = |values: &Values| Config::new(values).unwrap().writer_segment_age_max.as_secs();
    assert_eq!(age(&values(&[("writer.segment_age_max", "1s")], &variable, &file)), 1);
    assert_eq!(age(&values(&[], &variable, &file)), 2);
    assert_eq!(age(&values(&[], &[], &file)), 3);
    assert_eq!(Config::new(&values(&[], &[], &file)).unwrap().query_timeout.as_secs(), 9);
}

#[test]
fn segments_are_cut_sooner_where_objects_cost_nothing() {
    let embedded = Config::new(&values(&[], &[], &[])).unwrap();
    let kafka = Config::new(&values(&[("log.url", "kafka://127.0.0.1:9092")], &[], &[])).unwrap();
    assert_eq!(embedded.writer_segment_age_max, Duration::from_millis(250));
    assert_eq!(kafka.writer_segment_age_max, Duration::from_secs(1));
}

#[test]
fn a_wrong_value_names_the_setting_its_origin_and_the_remedy() {
    let check = |key: &str, value: &str, expected: &[&str]| {
        let error = format!("{:#}", Config::new(&values(&[(key, value)], &[], &[])).unwrap_err());
        for part in expected {
            assert!(error.contains(part), "{error:?} should contain {part:?}");
        }
    };
    check("http_listen", "8650", &["http_listen", "8650", "flag", "127.0.0.1:8650"]);
    check("query.memory_max", "2 buckets", &["query.memory_max", "buckets", "MiB"]);
    check("query.timeout", "soon", &["query.timeout", "soon", "250ms"]);
    check("gateway.control", "loud", &["gateway.control", "loud", "spans:physics=off"]);
    check("log.url", "kafka://", &["log.url", "embedded"]);
    check("log.partitions", "0", &["log.partitions", "1 to 1024"]);
    check("maintain.data_bytes_max", "1GiB", &["maintain.data_bytes_max", "log.keep_bytes"]);
    check("http_listen", "0.0.0.0:8650", &["http_listen", "no authentication", "--listen-without-authentication"]);
}

#[test]
fn listening_beyond_loopback_takes_plain_words() {
    let open = [("flight_listen", "0.0.0.0:8651"), ("listen_without_authentication", "true")];
    assert!(Config::new(&values(&open, &[], &[])).is_ok());
}

#[test]
fn sizes_and_durations_are_read_as_people_write_them() {
    assert_eq!(units::bytes("16MiB").unwrap(), 16 << 20);
    assert_eq!(units::bytes("2GB").unwrap(), 2_000_000_000);
    assert!(units::bytes("99999999999TiB").is_err());
    assert_eq!(units::duration("250ms").unwrap(), Duration::from_millis(250));
}

#[test]
fn secrets_are_never_shown() {
    let values = values(&[("objects.secret_access_key", "hunter2")], &[], &[]);
    assert!(values.shown().all(|(_, text, _)| !text.contains("hunter2")));
}
